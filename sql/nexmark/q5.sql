-- The auctions with the most bids in ten seconds, every two seconds anew.
CREATE MATERIALIZED VIEW q5 AS
WITH per_auction AS (
  SELECT window_start, auction, count(*) AS bids
  FROM HOP(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
  GROUP BY window_start, auction
),
most AS (
  SELECT window_start, max(bids) AS bids
  FROM per_auction
  GROUP BY window_start
)
SELECT p.window_start, p.auction, p.bids
FROM per_auction AS p
JOIN most AS m ON m.window_start = p.window_start AND p.bids >= m.bids;
