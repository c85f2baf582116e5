-- Per auction and day: how many bids, by rank of price, and what was offered.
CREATE MATERIALIZED VIEW q17 AS
SELECT auction,
       to_char(date_time, 'YYYY-MM-DD') AS day,
       count(*) AS bids,
       count(*) FILTER (WHERE price < 10000) AS cheap_bids,
       count(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS middling_bids,
       count(*) FILTER (WHERE price >= 1000000) AS dear_bids,
       min(price) AS min_price,
       max(price) AS max_price,
       avg(price) AS avg_price,
       sum(price) AS sum_price
FROM bid
GROUP BY auction, to_char(date_time, 'YYYY-MM-DD');
