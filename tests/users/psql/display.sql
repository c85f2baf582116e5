-- Values of all types, and all ways to show them.
CREATE TABLE v (k int PRIMARY KEY, i int, l bigint, f double precision, n numeric(8,2), t text, b boolean, d date, ts timestamp, by bytea, j jsonb, a int[], u uuid, iv interval, tm time, s smallint, r real);
INSERT INTO v VALUES (1, 1, 9999999999, 1.5, 12.50, 'plain', true, '2024-01-02', '2024-01-02 03:04:05', '\x00ff', '{"a": 1}', '{1,2}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '1 day 2 hours', '01:02:03', 7, 0.25);
INSERT INTO v (k) VALUES (2);
INSERT INTO v VALUES (3, -22, 7, 'NaN', 0, E'two\nlines\n', false, '1999-12-31', '1999-12-31 23:59:59.5', '\xdeadbeef', '[]', '{}', NULL, '-3 mons', '23:59:59.999', -1, 'Infinity');
INSERT INTO v VALUES (4, 3, 8, 'Infinity', -1.05, E'tab\there 李明 é e\u0301 \U0001F600 \x01 \r', true, '2024-02-29', '2024-02-29', '', 'null', '{NULL}', NULL, NULL, NULL, NULL, NULL);
SELECT * FROM v ORDER BY k;
SELECT i, t, n FROM v ORDER BY k;
SELECT;
SELECT WHERE false;
SELECT k FROM v WHERE false;
\pset null '(null)'
\x on
SELECT * FROM v ORDER BY k;
SELECT k FROM v WHERE false;
SELECT;
\pset border 0
SELECT i, t FROM v ORDER BY k;
\pset border 2
SELECT i, t FROM v ORDER BY k;
\x off
SELECT i, t, n FROM v ORDER BY k;
SELECT;
\pset border 0
SELECT i, t, n FROM v ORDER BY k;
\pset border 1
\pset linestyle unicode
SELECT i, t AS "a
heading", n FROM v ORDER BY k;
\x
SELECT i, t AS "a
heading", n FROM v ORDER BY k;
\pset border 2
SELECT i, t AS "a
heading", n FROM v ORDER BY k;
\pset linestyle ascii
SELECT i, t AS "a
heading", n FROM v ORDER BY k;
\pset border 0
SELECT i, t AS "a
heading", n FROM v ORDER BY k;
\x
SELECT i, t AS "a
heading", n FROM v ORDER BY k;
\pset border 2
SELECT i, t AS "a
heading", n FROM v WHERE false;
\pset border 1
\x \\ SELECT 1 AS one WHERE false; \x
\pset title 'A title'
SELECT 1 AS one, 'abcdefghijklmnop' AS two;
\x
SELECT 1 AS one, 'abcdefghijklmnop' AS two;
\x
\C
\pset footer off
SELECT 1 AS one;
\pset footer
\pset tuples_only
SELECT i, t FROM v ORDER BY k;
\x
SELECT i, t FROM v ORDER BY k;
\x
\t
\pset format unaligned
SELECT i, t FROM v ORDER BY k;
SELECT;
\pset fieldsep ';'
\f ','
\pset recordsep '\n--\n'
SELECT i, t FROM v ORDER BY k;
\x
SELECT i, t FROM v ORDER BY k;
\x
\pset recordsep '\n'
\pset fieldsep_zero
\pset fieldsep '|'
\pset format csv
SELECT i, t, n FROM v ORDER BY k;
\pset csv_fieldsep ';'
SELECT i, t || ';"' AS "q;", n FROM v ORDER BY k;
\x
SELECT i, t FROM v ORDER BY k;
\x
\a
\a
\pset format al
\pset format bogus
\pset bogus 1
\pset border
\pset border 7
\pset border 1
\pset expanded auto
\pset expanded off
\pset pager off
\pset columns 80
\pset columns 0
\pset null
\pset null ''
\pset
