-- Meta-commands.
CREATE TABLE v (i int PRIMARY KEY, t text, n numeric(6,2));
INSERT INTO v VALUES (1, 'one', 1.5), (2, NULL, 2);
\echo hi   there 'it''s' "q" 'a\tb\n\101' `echo from a shell`
\echo -n no newline
\echo
\set x 5
\set list one 'two words' three
\set q 'it''s'
SELECT :x AS x, :'x' AS s, :"x" AS five FROM (SELECT 1 AS "5") q;
SELECT :'q' AS quoted, :"q" AS named, ':x' AS literal, 1::text AS cast FROM (SELECT 1 AS "it's") s;
\echo :list :'list' :nope :{?x} :{?nope}
\unset x
\echo :x
\set bad-name x
\set ECHO bogus
SELECT 1 AS a, 'bar' AS b \gset
\echo :a :b
SELECT NULL AS nn, 'x' AS mm \gset pre_
\echo :pre_nn :pre_mm
SELECT 1 WHERE false \gset
SELECT i FROM v \gset
SELECT 'SELECT ' || x || ' AS made;' FROM generate_series(1, 3) x ORDER BY x \gexec
SELECT 1 AS "only" \gx
SELECT 5 AS a \g
SELECT 1 AS a, 2 AS b \g (format=csv)
SELECT 1 AS a, 2 AS b \g (format=unaligned fieldsep='/' tuples_only=on)
SELECT 1 AS a \g result.txt
\! cat result.txt
\o output.txt
SELECT 2 AS b;
\qecho in the file
INSERT INTO v (i) VALUES (99);
\echo not in the file
\o
\! cat output.txt
SELECT i, n, t, ARRAY[1] AS arr, 1::numeric(6,2) AS nu FROM v \gdesc
SELECT 1
\g
\g
\p
\r
\p
SELECT 7 AS written
\w written.sql
;
\i written.sql
\if :{?nope}
  \echo hidden
  SELECT hidden;
\elif off
  SELECT 1/0;
\else
  \if true
    \echo shown
  \else
    \echo hidden
  \endif
\endif
\if nonsense
\echo hidden
\else
\echo else
\endif
SELECT 1
\if true
  + 1
\else
  + 2
\endif
  AS sum;
\endif
\else
\echo extra \\ SELECT 'after backslashes' AS x;
\x
SELECT * FROM v ORDER BY i;
\x
\t
SELECT * FROM v ORDER BY i;
\t
\t on extra
\t off
\x bogus
\timing bogus
\encoding
\encoding UTF8
\setenv EVERFOLD_TEST value
\getenv got EVERFOLD_TEST
\echo :got
\! echo $EVERFOLD_TEST
\ir inner/included.psql
\i nosuch.sql
\nosuch a b \echo not here
SELECT 1/0;
\echo :ERROR :SQLSTATE :LAST_ERROR_SQLSTATE :LAST_ERROR_MESSAGE :ROW_COUNT
SELECT 1 AS x FROM v;
\echo :ERROR :SQLSTATE :LAST_ERROR_SQLSTATE :ROW_COUNT
\echo :DBNAME :ENCODING :SERVER_VERSION_NUM :SERVER_VERSION_NAME
\set ECHO queries
SELECT 1,
  2;
\echo hi
/* c */ SELECT 3; -- d
\set ECHO none
SELECT 4;
\set ECHO all
\set QUIET on
INSERT INTO v (i) VALUES (5);
\pset null x
\set QUIET off
\set AUTOCOMMIT off
INSERT INTO v (i) VALUES (6);
ROLLBACK;
\set AUTOCOMMIT on
SELECT count(*) FROM v;
\set ON_ERROR_STOP on
SELECT 'before';
\q
\echo never
