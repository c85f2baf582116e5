-- Where statements begin and end, and what is shown of them.
SELECT 1 AS x, -- a comment ; here
  2 AS y /* another ; /* nested ; */ */ ;

SELECT 'a'
'b';
SELECT E'it\'s;' AS e, 'back\slash' AS b, "k;" FROM (SELECT 1 AS "k;") s;
SELECT $$dollar ; 'quoted'$$ AS d, $tag$ $$ ; $tag$ AS e;
SELECT 1; SELECT 2; SELECT
3;
   SELECT 'lines

 and blanks';
;
;;
SELECT 1 \; SELECT 2 \; SELECT 3;
SELECT (1 + (2
  * 3)) AS n;
CREATE TABLE t (a int PRIMARY KEY, b text);
CREATE STREAM s (n int NOT NULL);
CREATE VIEW plain AS SELECT a FROM t;
CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM s;
INSERT INTO t VALUES (1, 'one'), (2, 'two');
INSERT INTO t VALUES (3, 'three') RETURNING a, b;
UPDATE t SET b = 'zwei' WHERE a = 2;
DELETE FROM t WHERE a = 1 RETURNING *;
BEGIN; INSERT INTO s VALUES (1); SELECT n FROM sums; ROLLBACK;
SELECT n FROM sums;
PREPARE p (int) AS SELECT $1 + 1 AS r;
EXECUTE p(1);
DEALLOCATE p;
SET application_name = 'me';
SHOW application_name;
EXPLAIN (DATAFLOW) SELECT count(*) FROM s;
DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t ORDER BY a;
FETCH 1 FROM c;
CLOSE c;
CREATE TABLE IF NOT EXISTS t (a int);
TRUNCATE t;
DROP TABLE nosuch;
SELECT nosuch FROM t;
SELECT 1/0;
SELEC 1;
SELECT (SELECT 1; SELECT 2);
\r
COMMENT ON TABLE t IS 'a table';
DROP VIEW plain;
DROP MATERIALIZED VIEW sums;
SELECT 'unterminated
\echo inside
';
SELECT 'the end'
