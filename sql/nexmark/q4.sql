-- The average closing price per category: of each auction's highest bid among those that came in time.
CREATE MATERIALIZED VIEW q4 AS
WITH closed AS (
  SELECT a.id, a.category, max(b.price) AS final
  FROM auction AS a
  JOIN bid AS b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires
  GROUP BY a.id, a.category
)
SELECT category, avg(final) AS final
FROM closed
GROUP BY category;
