-- Who sells in category 10 in three of the states.
CREATE MATERIALIZED VIEW q3 AS
SELECT seller.name, seller.city, seller.state, auction.id
FROM auction
JOIN person AS seller ON seller.id = auction.seller
WHERE auction.category = 10 AND seller.state IN ('or', 'id', 'ca');
