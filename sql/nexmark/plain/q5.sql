WITH spread AS (
  SELECT auction, date_bin('2 seconds', date_time, TIMESTAMP '2000-01-01') - n * INTERVAL '2 seconds' AS window_start
  FROM bid CROSS JOIN generate_series(0, 4) AS series (n)
),
per_auction AS (
  SELECT window_start, auction, count(*) AS bids FROM spread GROUP BY window_start, auction
)
SELECT window_start, auction, bids
FROM (SELECT *, max(bids) OVER (PARTITION BY window_start) AS most FROM per_auction) AS ranked
WHERE bids = most;
