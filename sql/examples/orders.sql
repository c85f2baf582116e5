-- Orders: commands become events in a stream, master data lives in keyed tables, read models are views.

CREATE TABLE products (sku text PRIMARY KEY, title text NOT NULL, price numeric(10,2) NOT NULL);
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, country text NOT NULL);

CREATE STREAM order_placed (order_id int NOT NULL, customer_id int NOT NULL, placed timestamptz NOT NULL);
CREATE STREAM order_lines (order_id int NOT NULL, sku text NOT NULL, quantity int NOT NULL, unit_price numeric(10,2) NOT NULL);
CREATE STREAM order_status (order_id int NOT NULL, status text NOT NULL, at timestamptz NOT NULL);

-- What each order is worth.
CREATE MATERIALIZED VIEW order_totals AS
SELECT order_id, count(*) AS lines, sum(quantity) AS pieces, sum(quantity * unit_price) AS total
FROM order_lines GROUP BY order_id;

-- Where each order stands: the status of its last event.
CREATE MATERIALIZED VIEW order_state AS
SELECT s.order_id, s.status, s.at
FROM order_status s JOIN (SELECT order_id, max(_offset) AS last FROM order_status GROUP BY order_id) l
  ON l.order_id = s.order_id AND l.last = s._offset;

-- The read model that an order page needs, kept by five inputs.
CREATE MATERIALIZED VIEW orders AS
SELECT o.order_id, c.name AS customer, c.country, o.placed, coalesce(s.status, 'placed') AS status,
       coalesce(t.lines, 0) AS lines, coalesce(t.total, 0) AS total
FROM order_placed o
JOIN customers c ON c.id = o.customer_id
LEFT JOIN order_totals t ON t.order_id = o.order_id
LEFT JOIN order_state s ON s.order_id = o.order_id;

CREATE MATERIALIZED VIEW open_orders AS
SELECT country, count(*) AS orders, sum(total) AS total FROM orders WHERE status NOT IN ('delivered', 'cancelled') GROUP BY country;

-- What sells, and what never did.
CREATE MATERIALIZED VIEW product_sales AS
SELECT p.sku, p.title, coalesce(sum(l.quantity), 0) AS sold
FROM products p LEFT JOIN order_lines l ON l.sku = p.sku GROUP BY p.sku, p.title;

COPY products FROM STDIN WITH (FORMAT csv);
tea,Green tea,4.20
cup,"Cup, blue",12.50
pot,Pot,31.00
\.

COPY customers FROM STDIN WITH (FORMAT csv, HEADER);
id,name,country
1,Ann,NO
2,Bob,SE
\.

-- One order is one transaction over two streams.
BEGIN;
INSERT INTO order_placed VALUES (100, 1, '2026-02-01 10:00+00');
INSERT INTO order_lines SELECT 100, sku, 2, price FROM products WHERE sku IN ('tea', 'pot');
COMMIT;

BEGIN;
INSERT INTO order_placed VALUES (101, 2, '2026-02-01 11:00+00');
INSERT INTO order_lines SELECT 101, sku, 6, price FROM products WHERE sku = 'cup';
COMMIT;

SELECT * FROM orders ORDER BY order_id;
SELECT * FROM open_orders ORDER BY country;

INSERT INTO order_status VALUES (100, 'packed', '2026-02-02 08:00+00'), (100, 'delivered', '2026-02-03 09:00+00'), (101, 'packed', '2026-02-03 10:00+00');
SELECT order_id, customer, status, total FROM orders ORDER BY order_id;
SELECT * FROM open_orders ORDER BY country;

-- Prices change for orders to come; those placed keep theirs.
UPDATE products SET price = price * 2 WHERE sku = 'cup';
-- Master data that is corrected is corrected wherever it is shown.
UPDATE customers SET name = 'Robert' WHERE id = 2;
SELECT order_id, customer, total FROM orders ORDER BY order_id;

SELECT * FROM product_sales ORDER BY sku;
DELETE FROM products WHERE sku = 'tea';
SELECT * FROM product_sales ORDER BY sku;

-- What a view costs to keep.
SELECT name, state, rows FROM everfold.views ORDER BY name;
