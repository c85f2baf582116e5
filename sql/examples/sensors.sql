-- Readings of sensors: buckets of time, the last value of each sensor, and those that are out of range.

CREATE STREAM readings (sensor text NOT NULL, celsius numeric(5,2), taken timestamptz NOT NULL);
-- The last row per key counts, so a table is the latest state by itself.
CREATE TABLE sensors (sensor text PRIMARY KEY, room text NOT NULL, lowest numeric(5,2) NOT NULL, highest numeric(5,2) NOT NULL);
CREATE TABLE latest (sensor text PRIMARY KEY, celsius numeric(5,2), taken timestamptz NOT NULL);

CREATE MATERIALIZED VIEW quarter_hours AS
SELECT sensor, date_bin('15 minutes', taken, TIMESTAMPTZ '2026-01-01 00:00+00') AS quarter,
       count(celsius) AS readings, round(avg(celsius), 2) AS mean, min(celsius) AS coldest, max(celsius) AS hottest
FROM readings GROUP BY sensor, date_bin('15 minutes', taken, TIMESTAMPTZ '2026-01-01 00:00+00');

CREATE MATERIALIZED VIEW alarms AS
SELECT s.room, l.sensor, l.celsius, s.lowest, s.highest
FROM latest l JOIN sensors s ON s.sensor = l.sensor AND l.celsius NOT BETWEEN s.lowest AND s.highest;

INSERT INTO sensors VALUES ('k1', 'kitchen', 5, 30), ('c1', 'cellar', 2, 15);

COPY readings FROM STDIN;
k1	21.50	2026-01-05 10:01+00
k1	22.00	2026-01-05 10:14:59+00
k1	\N	2026-01-05 10:15+00
c1	9.75	2026-01-05 10:03+00
k1	29.25	2026-01-05 10:20+00
\.

INSERT INTO latest VALUES ('k1', 29.25, '2026-01-05 10:20+00'), ('c1', 9.75, '2026-01-05 10:03+00');

SELECT * FROM quarter_hours ORDER BY sensor, quarter;
SELECT * FROM alarms ORDER BY sensor;

-- The same key again replaces the row: the kitchen is too hot now, and later it is not.
INSERT INTO latest VALUES ('k1', 31.00, '2026-01-05 10:30+00');
SELECT * FROM alarms ORDER BY sensor;
UPDATE sensors SET highest = 35 WHERE sensor = 'k1';
SELECT * FROM alarms ORDER BY sensor;
DELETE FROM latest WHERE sensor = 'c1';
SELECT * FROM latest ORDER BY sensor;

COPY (SELECT sensor, quarter, mean FROM quarter_hours ORDER BY sensor, quarter) TO STDOUT WITH (FORMAT csv, HEADER);
