-- What there is, by psql's own queries.
\d
\dt
CREATE SEQUENCE numbers;
CREATE TABLE t (a int PRIMARY KEY, b text UNIQUE);
CREATE STREAM s (n int NOT NULL);
CREATE VIEW plain AS SELECT a FROM t;
CREATE MATERIALIZED VIEW sums AS SELECT count(*) AS n FROM s;
\d
\dt
\dv
\dm
\ds
\di
\dvm
\dn
\x
\dt
\x
\t \\ \dt
\t
\pset format csv
\d
