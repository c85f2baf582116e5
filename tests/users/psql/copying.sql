-- COPY and \copy.
CREATE TABLE c (a int PRIMARY KEY, b text);
COPY c FROM STDIN;
1	x
2	\N
3	two\nlines
\.
COPY c FROM STDIN WITH (FORMAT csv, HEADER);
a,b
4,"x;y"
5,"two
lines"
\.
SELECT * FROM c ORDER BY a;
COPY (SELECT * FROM c ORDER BY a DESC) TO STDOUT;
COPY (SELECT * FROM c ORDER BY a) TO STDOUT WITH (FORMAT csv, HEADER, FORCE_QUOTE *);
\copy (SELECT * FROM c ORDER BY a) to 'c.csv' csv header
\! cat c.csv
\copy c from 'c.csv' csv header
\copy c (a, b) from stdin with (delimiter ',')
6,six
\.
\copy (SELECT count(*) FROM c) to stdout
\copy (select a, b from c order by a) to stdout with (format csv, delimiter ';', null 'nil', quote '''')
\copy (SELECT a FROM c ORDER BY a) to 'c.bin' binary
\copy c (a) from 'c.bin' binary
\copy c from 'nosuch.csv'
\copy nosuch to stdout
\copy
COPY c FROM STDIN; SELECT 'same line' AS x;
9	nine
\.
COPY c FROM STDIN;
ten	10
\.
SELECT count(*) FROM c;
\o out.txt
COPY (SELECT 1) TO STDOUT;
\o
\! cat out.txt
BEGIN;
COPY c FROM STDIN;
11	eleven
\.
ROLLBACK;
SELECT * FROM c ORDER BY a;
