-- Functions, types, roles, privileges, databases and extensions, by psql's own queries.
\df
\df lower
\df pg_catalog.btr*
\dT
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
COMMENT ON TYPE mood IS 'how one feels';
\dT
\dT mood
CREATE ROLE reader;
CREATE ROLE clerk CREATEROLE CONNECTION LIMIT 3 IN ROLE reader;
CREATE ROLE boss LOGIN CREATEDB CREATEROLE;
\du
\du c*
CREATE TABLE t (a int PRIMARY KEY, b text);
CREATE STREAM s (n int);
\dp
GRANT SELECT ON t TO reader;
GRANT INSERT, SELECT ON s TO clerk WITH GRANT OPTION;
GRANT UPDATE (b) ON t TO clerk;
\dp
\z t
\l
\dx
\x
\l everfold
