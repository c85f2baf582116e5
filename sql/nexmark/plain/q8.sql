SELECT DISTINCT p.id, p.name, date_bin('10 seconds', p.date_time, TIMESTAMP '2000-01-01') AS window_start
FROM person AS p
WHERE EXISTS (
  SELECT FROM auction AS a
  WHERE a.seller = p.id
    AND date_bin('10 seconds', a.date_time, TIMESTAMP '2000-01-01') = date_bin('10 seconds', p.date_time, TIMESTAMP '2000-01-01')
);
