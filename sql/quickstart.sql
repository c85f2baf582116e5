-- Everfold in two minutes: events go in, tables come out.
-- Run it with `everfold run sql/quickstart.sql`, or with `psql -h 127.0.0.1 -p 5433 -f sql/quickstart.sql`.

-- A stream is a log of events: rows are appended and never change.
CREATE STREAM purchases (customer text NOT NULL, item text NOT NULL, price numeric(10,2) NOT NULL, bought timestamptz NOT NULL);

-- A table with a key keeps the last row per key. Each change to it is an event too.
CREATE TABLE customers (name text PRIMARY KEY, city text NOT NULL);

-- A materialized view is a query whose answer is kept up to date, event by event.
CREATE MATERIALIZED VIEW spending AS
SELECT customer, count(*) AS purchases, sum(price) AS total, max(bought) AS last_bought
FROM purchases GROUP BY customer;

-- Views read streams, tables and other views, and stay exact when rows under them change.
CREATE MATERIALIZED VIEW city_spending AS
SELECT c.city, sum(s.purchases) AS purchases, sum(s.total) AS total
FROM spending s JOIN customers c ON c.name = s.customer GROUP BY c.city;

INSERT INTO customers VALUES ('ann', 'Oslo'), ('bob', 'Bergen'), ('eve', 'Oslo');

INSERT INTO purchases VALUES
  ('ann', 'tea', 4.20, '2026-01-05 10:00+00'),
  ('bob', 'cup', 12.50, '2026-01-05 10:05+00'),
  ('ann', 'pot', 31.00, '2026-01-06 09:30+00'),
  ('eve', 'tea', 4.20, '2026-01-06 11:00+00')
RETURNING _position, customer;

-- A query sees every event that was acknowledged before it began.
SELECT * FROM spending ORDER BY customer;
SELECT * FROM city_spending ORDER BY city;

-- Ann moves: the view takes her spending out of one city and puts it into the other.
UPDATE customers SET city = 'Bergen' WHERE name = 'ann';
SELECT * FROM city_spending ORDER BY city;

-- The stream is still there, and any query may read it.
SELECT _offset, customer, item, price FROM purchases WHERE price > 5 ORDER BY _offset;

-- The operators that keep the view, without creating it.
EXPLAIN (DATAFLOW) SELECT customer, count(*) FROM purchases GROUP BY customer;
