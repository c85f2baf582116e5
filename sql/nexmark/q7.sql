-- The dearest bids of each ten seconds.
CREATE MATERIALIZED VIEW q7 AS
WITH tumbled AS (
  SELECT * FROM TUMBLE(bid, date_time, INTERVAL '10 seconds')
),
dearest AS (
  SELECT window_start, max(price) AS price FROM tumbled GROUP BY window_start
)
SELECT t.window_start, t.auction, t.bidder, t.price, t.date_time, t.extra
FROM tumbled AS t
JOIN dearest AS d ON d.window_start = t.window_start AND d.price = t.price;
