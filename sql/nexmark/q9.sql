-- The winning bid of each auction.
CREATE MATERIALIZED VIEW q9 AS
SELECT id, item_name, seller, category, reserve, expires, bidder, price, bid_date_time
FROM (
  SELECT a.*, b.bidder, b.price, b.date_time AS bid_date_time,
         row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS place
  FROM auction AS a
  JOIN bid AS b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires
) AS ranked
WHERE place <= 1;
