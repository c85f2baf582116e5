-- Per day: bids, bidders and auctions, in all and by rank of price.
CREATE MATERIALIZED VIEW q15 AS
SELECT to_char(date_time, 'YYYY-MM-DD') AS day,
       count(*) AS bids,
       count(*) FILTER (WHERE price < 10000) AS cheap_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS middling_bids,
       count(*) FILTER (WHERE price >= 1000000) AS dear_bids,
       count(DISTINCT bidder) AS bidders,
       count(DISTINCT bidder) FILTER (WHERE price < 10000) AS cheap_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 10000 AND price < 1000000) AS middling_bidders,
       count(DISTINCT bidder) FILTER (WHERE price >= 1000000) AS dear_bidders,
       count(DISTINCT auction) AS auctions,
       count(DISTINCT auction) FILTER (WHERE price < 10000) AS cheap_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 10000 AND price < 1000000) AS middling_auctions,
       count(DISTINCT auction) FILTER (WHERE price >= 1000000) AS dear_auctions
FROM bid
GROUP BY to_char(date_time, 'YYYY-MM-DD');
