-- Who registered and opened an auction within the same ten seconds.
CREATE MATERIALIZED VIEW q8 AS
WITH newcomer AS (
  SELECT DISTINCT id, name, window_start FROM TUMBLE(person, date_time, INTERVAL '10 seconds')
),
opened AS (
  SELECT DISTINCT seller, window_start FROM TUMBLE(auction, date_time, INTERVAL '10 seconds')
)
SELECT n.id, n.name, n.window_start
FROM newcomer AS n
JOIN opened AS o ON o.seller = n.id AND o.window_start = n.window_start;
