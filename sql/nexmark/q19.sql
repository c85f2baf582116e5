-- The ten dearest bids on each auction.
CREATE MATERIALIZED VIEW q19 AS
SELECT *
FROM (
  SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, date_time) AS place
  FROM bid
) AS ranked
WHERE place <= 10;
