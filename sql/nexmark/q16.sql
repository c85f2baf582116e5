-- Per channel and day: as q15, with the minute of the last bid.
CREATE MATERIALIZED VIEW q16 AS
SELECT channel,
       to_char(date_time, 'YYYY-MM-DD') AS day,
       max(to_char(date_time, 'HH24:MI')) AS minute,
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
GROUP BY channel, to_char(date_time, 'YYYY-MM-DD');
