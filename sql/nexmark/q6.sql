-- What each seller's last ten auctions went for on average, after each of them.
CREATE MATERIALIZED VIEW q6 AS
WITH winning AS (
  SELECT a.id, a.seller, b.price, b.date_time,
         row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS place
  FROM auction AS a
  JOIN bid AS b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires
)
SELECT seller, id AS auction,
       avg(price) OVER (PARTITION BY seller ORDER BY date_time ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS average
FROM winning
WHERE place = 1;
