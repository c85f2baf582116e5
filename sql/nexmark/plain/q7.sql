SELECT window_start, auction, bidder, price, date_time, extra
FROM (
  SELECT *, rank() OVER (PARTITION BY window_start ORDER BY price DESC) AS place
  FROM (SELECT *, date_bin('10 seconds', date_time, TIMESTAMP '2000-01-01') AS window_start FROM bid) AS binned
) AS ranked
WHERE place = 1;
