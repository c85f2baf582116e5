WITH marked AS (
  SELECT bidder, date_time, date_time - lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) <= INTERVAL '10 seconds' AS goes_on
  FROM bid
),
numbered AS (
  SELECT bidder, date_time, count(*) FILTER (WHERE goes_on IS NOT TRUE) OVER (PARTITION BY bidder ORDER BY date_time) AS session
  FROM marked
)
SELECT bidder, min(date_time) AS window_start, max(date_time) + INTERVAL '10 seconds' AS window_end, count(*) AS bids
FROM numbered
GROUP BY bidder, session;
