-- What there is, as psql lists it: first of a database that has little.
\d
\da
\dA
\dAc btree bool
\dAf btree
\dAo btree
\dAp btree
\db
\dc
\dconfig work_mem
\dd
\dD
\ddp
\des
\det
\deu
\dew
\df
\dF
\dFd
\dFp
\dFt
\dL
\dl
\do
\dO
\dp
\dP
\dPtn
\dPi
\drds
\dRp
\dRs
\dT
\dx
\dX
\dy
CREATE SCHEMA lab;
CREATE ROLE lab_reader;
CREATE ROLE lab_writer LOGIN CONNECTION LIMIT 3;
GRANT lab_reader TO lab_writer;
ALTER ROLE lab_writer SET work_mem = '8MB';
CREATE DOMAIN lab.price AS int DEFAULT 1 CHECK (VALUE > 0);
CREATE DOMAIN quantity AS int NOT NULL;
CREATE TYPE mood AS ENUM ('sad', 'happy');
COMMENT ON TYPE mood IS 'how it feels';
CREATE TABLE lab.sales (id int PRIMARY KEY, amount int, note text);
COMMENT ON TABLE lab.sales IS 'what was sold';
CREATE VIEW lab.totals AS SELECT note, sum(amount) AS amount FROM lab.sales GROUP BY note;
GRANT SELECT ON lab.sales TO lab_reader;
GRANT UPDATE (amount, note) ON lab.sales TO lab_writer;
ALTER DEFAULT PRIVILEGES IN SCHEMA lab GRANT SELECT ON TABLES TO lab_reader;
\daS count
\dA+ btree
\dAc hash int*
\dC+ boolean
\dconfig+ work_mem
\dcS+ utf8
\dD
\dD lab.*
\dD+ *.p*
\ddp lab
\dfS abs
\dfaS ma* int
\dfS power int int
\dfS date_trunc text timestamptz -
\dF+ nosuch
\dg lab*
\du+ lab_writer
\dL+ sql
\dLS
\do+ ||
\doS - int int
\doS - int
\dOS C
\dp lab.*
\z lab.totals
\drds lab_writer
\drds lab_writer nosuch
\dRp+
\dT
\dT+ mood
\dTS int
\dTS bool*
\dx
\dx+ plpgsql
\sv lab.totals
\sv+ lab.totals
\sv lab.sales
\sf+ pg_catalog.abs(int)
\da a.b.c
\du a.b
\l everfold
\pset format unaligned
\pset tuples_only on
\dT
\du lab_reader
