-- Orders, payments and shipments in ksqlDB's dialect: three streams, joined by what belongs together in time.

CREATE STREAM orders (id INT KEY, customer VARCHAR, total DECIMAL(8, 2)) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON');
CREATE STREAM payments (id INT KEY, order_id INT, amount DECIMAL(8, 2)) WITH (KAFKA_TOPIC='payments', VALUE_FORMAT='JSON');
CREATE STREAM shipments (id VARCHAR KEY, order_id INT, warehouse VARCHAR) WITH (KAFKA_TOPIC='shipments', VALUE_FORMAT='JSON');

-- WITHIN says how far apart the two rows may be, in event time, whichever comes first. The key is the order's, under any name.
CREATE STREAM shipped AS
  SELECT o.id AS order_id, o.customer, p.amount, s.warehouse, (s.ROWTIME - o.ROWTIME) / 60000 AS minutes
  FROM orders o
  INNER JOIN payments p WITHIN 1 HOUR ON p.order_id = o.id
  INNER JOIN shipments s WITHIN 2 HOURS ON s.order_id = o.id
  EMIT CHANGES;

-- Payments may come up to an hour after the order, and never before: (before, after). With a GRACE PERIOD an order that is not
-- paid appears once, when that hour and the grace have passed; without one it would appear at once, and again when it is paid.
CREATE STREAM paid_or_not AS
  SELECT o.id AS order_id, o.total, p.id AS payment, p.amount
  FROM orders o
  LEFT JOIN payments p WITHIN (0 SECONDS, 1 HOUR) GRACE PERIOD 10 MINUTES ON o.id = p.order_id;

-- Rows of a stream, picked out and counted.
CREATE STREAM unpaid AS SELECT order_id, total FROM paid_or_not WHERE payment IS NULL;
CREATE TABLE short_payments AS
  SELECT order_id, SUM(amount) AS paid, LATEST_BY_OFFSET(total) AS total
  FROM paid_or_not WHERE payment IS NOT NULL GROUP BY order_id HAVING SUM(amount) < LATEST_BY_OFFSET(total);

-- Shipments of orders that nobody placed, and orders that were not shipped: both sides of a FULL join. Its key is ROWKEY.
CREATE STREAM unmatched AS
  SELECT ROWKEY AS order_id, o.customer, s.id AS shipment
  FROM orders o
  FULL OUTER JOIN shipments s WITHIN 2 HOURS GRACE PERIOD 0 SECONDS ON o.id = s.order_id
  WHERE o.customer IS NULL OR s.id IS NULL;

-- 10:00 to 10:20. ROWTIME is in milliseconds; 1767261600000 is 2026-01-01T10:00:00.
INSERT INTO orders (ROWTIME, id, customer, total) VALUES (1767261600000, 1, 'ann', 20.00);
INSERT INTO orders (ROWTIME, id, customer, total) VALUES (1767262200000, 2, 'bob', 35.50);
INSERT INTO orders (ROWTIME, id, customer, total) VALUES (1767262800000, 3, 'eve', 12.25);

-- 10:30, paid in two parts; 10:40. Order 3 is paid at 11:30, ten minutes too late.
INSERT INTO payments (ROWTIME, id, order_id, amount) VALUES (1767263400000, 100, 1, 15.00);
INSERT INTO payments (ROWTIME, id, order_id, amount) VALUES (1767264000000, 101, 2, 35.50);
INSERT INTO payments (ROWTIME, id, order_id, amount) VALUES (1767267000000, 102, 3, 12.25);

-- 10:50 and 11:00; shipment S-3 is of an order that is not known.
INSERT INTO shipments (ROWTIME, id, order_id, warehouse) VALUES (1767264600000, 'S-1', 1, 'Oslo');
INSERT INTO shipments (ROWTIME, id, order_id, warehouse) VALUES (1767265200000, 'S-2', 2, 'Bergen');
INSERT INTO shipments (ROWTIME, id, order_id, warehouse) VALUES (1767265200000, 'S-3', 9, 'Bergen');
-- The second part for order 1 was paid at 10:45 and is told of late: it joins all the same, as what it belongs to is remembered.
INSERT INTO payments (ROWTIME, id, order_id, amount) VALUES (1767264300000, 103, 1, 4.00);

SELECT * FROM shipped;
SELECT order_id, payment, amount FROM paid_or_not;
SELECT * FROM short_payments;

-- Time passes by events alone: an order at 14:00 closes what was open.
INSERT INTO orders (ROWTIME, id, customer, total) VALUES (1767276000000, 4, 'dan', 5.00);
INSERT INTO payments (ROWTIME, id, order_id, amount) VALUES (1767276060000, 104, 4, 5.00);
INSERT INTO shipments (ROWTIME, id, order_id, warehouse) VALUES (1767276120000, 'S-4', 4, 'Oslo');

SELECT * FROM unpaid;
SELECT * FROM unmatched;
SELECT order_id, warehouse, minutes FROM shipped WHERE warehouse = 'Oslo';
