-- Variables that steer the run, and going on in another session.
\set ON_ERROR_STOP off
CREATE TABLE account (id int PRIMARY KEY, owner text);
INSERT INTO account SELECT n, 'owner ' || n FROM generate_series(1, 7) AS t(n);

-- Long results come in parts.
\set FETCH_COUNT 3
SELECT * FROM account ORDER BY id;
SELECT id, repeat('x', id) AS bar FROM account WHERE id <= 6 ORDER BY id;
SELECT * FROM account WHERE id > 100;
-- a comment before
/* and another */ (SELECT id FROM account ORDER BY id DESC LIMIT 4);
VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');
WITH a AS (SELECT id FROM account) SELECT * FROM a ORDER BY id LIMIT 4;
\x on
SELECT * FROM account ORDER BY id LIMIT 4;
\x off
\pset format unaligned
SELECT * FROM account ORDER BY id LIMIT 4;
\pset format html
SELECT * FROM account ORDER BY id LIMIT 3;
\pset format aligned
SELECT max(id) AS max FROM account \gset
\echo :max
INSERT INTO account SELECT n, 'late' FROM generate_series(8, 12) AS t(n) RETURNING id;
SELECT id FROM account WHERE 10 / (id - 3) > -100 ORDER BY id;
\set FETCH_COUNT none
\echo :FETCH_COUNT
\unset FETCH_COUNT
\echo :FETCH_COUNT

-- A statement that fails undoes itself and not the transaction.
\set ON_ERROR_ROLLBACK on
BEGIN;
INSERT INTO account VALUES (20, 'kept');
INSERT INTO account VALUES (20, 'twice');
SELECT nosuch;
SAVEPOINT mine;
INSERT INTO account VALUES (21, 'gone');
ROLLBACK TO mine;
COMMIT;
SELECT * FROM account WHERE id >= 20;
\unset ON_ERROR_ROLLBACK
BEGIN;
SELECT nosuch;
SELECT 1;
ROLLBACK;

-- Only the last of several results.
\set SHOW_ALL_RESULTS off
SELECT 1 AS one \; SELECT 2 AS two;
SELECT 1 AS one \; SELECT nosuch;
\set SHOW_ALL_RESULTS on
SELECT 1 AS one \; SELECT 2 AS two;

-- Each line is a statement.
\set SINGLELINE on
SELECT 'no semicolon' AS line
SELECT 'and one' AS line;
\set SINGLELINE off

-- Other sessions.
SET statement_timeout = '1h';
\connect
SHOW statement_timeout;
\connect shop
SELECT current_database();
\echo :DBNAME :USER
\c - bob
SELECT current_user;
\c -reuse-previous=on "dbname='every fold' user=ann"
\echo :DBNAME :USER
\c everfold
\pset null '(null)'
SELECT NULL AS still_set;

-- Rows from and for programs.
\copy account FROM PROGRAM 'printf "30\tfrom a program\n"'
SELECT * FROM account WHERE id = 30;
\copy (SELECT id FROM account WHERE id < 3 ORDER BY id) TO PROGRAM 'sed s/^/row\ /'
\copy (SELECT id FROM account WHERE id < 3 ORDER BY id) TO pstdout
\o results.txt
\copy (SELECT id FROM account WHERE id < 3 ORDER BY id) TO stdout
\copy (SELECT id FROM account WHERE id < 2 ORDER BY id) TO pstdout
\o
\! cat results.txt
\copy account FROM PROGRAM 'printf "31\tand it fails\n"; exit 3'
SELECT count(*) FROM account WHERE id = 31;
\prompt 'A line: ' line
\echo [:line]
DROP TABLE account;
