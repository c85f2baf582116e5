#!/usr/bin/env bash
# The statements that Flyway and Liquibase send, by psql: bash migrations_smoke.sh host port. Each file is a session of its own.
set -u
host=$1 port=$2
failed=()

# step NAME EXPECTED [psql argument ..]: runs standard input as a script and compares what it prints.
step() {
    local name=$1 expected=$2 got
    shift 2
    if got=$(psql -X -qAt -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -h "$host" -p "$port" -U ann -d everfold "$@" 2>&1) && [ "$got" = "$expected" ]; then
        echo "ok      $name"
    else
        failed+=("$name")
        echo "FAILED  $name: got $(echo "$got" | head -c 600), expected $expected"
    fi
}

step looks_at_the_database "public|f|f" <<'E1'
SELECT current_schema(), EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'app'), EXISTS (
  SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND c.relname = 'flyway_schema_history' AND c.relkind = 'r');
E1

step flyway_takes_its_lock "t
t" <<'E1'
SELECT pg_try_advisory_lock(7740932987483521152);
SELECT pg_advisory_unlock(7740932987483521152);
E1

step flyway_creates_its_history "0" <<'E1'
SELECT set_config('search_path', 'public', false) \g /dev/null
BEGIN;
CREATE TABLE "public"."flyway_schema_history" (
    "installed_rank" INT NOT NULL,
    "version" VARCHAR(50),
    "description" VARCHAR(200) NOT NULL,
    "type" VARCHAR(20) NOT NULL,
    "script" VARCHAR(1000) NOT NULL,
    "checksum" INTEGER,
    "installed_by" VARCHAR(100) NOT NULL,
    "installed_on" TIMESTAMP NOT NULL DEFAULT now(),
    "execution_time" INTEGER NOT NULL,
    "success" BOOLEAN NOT NULL
) WITH (
  OIDS=FALSE
);
ALTER TABLE "public"."flyway_schema_history" ADD CONSTRAINT "flyway_schema_history_pk" PRIMARY KEY ("installed_rank");
CREATE INDEX "flyway_schema_history_s_idx" ON "public"."flyway_schema_history" ("success");
COMMIT;
SELECT count(*) FROM "public"."flyway_schema_history";
E1

# without WITH (OIDS=FALSE), which PostgreSQL has taken out in 12 except for this value, and with the key in its place
step a_history_with_its_key "1|1|t" <<'E1'
CREATE TABLE IF NOT EXISTS history ("installed_rank" INT NOT NULL PRIMARY KEY, "version" VARCHAR(50), "script" VARCHAR(1000) NOT NULL, "installed_by" VARCHAR(100) NOT NULL, "installed_on" TIMESTAMP NOT NULL DEFAULT now(), "success" BOOLEAN NOT NULL);
BEGIN;
INSERT INTO "public"."history" ("installed_rank", "version", "script", "installed_by", "success") VALUES (1, '1', 'V1__first.sql', current_user, true);
COMMIT;
SELECT "installed_rank", "version", "success" FROM "public"."history" WHERE "installed_rank" > 0 ORDER BY "installed_rank";
E1

step a_migration_in_a_transaction "1|2" <<'E1'
BEGIN;
CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, balance numeric(12,2) DEFAULT 0);
INSERT INTO accounts (id, owner) VALUES (1, 'ann'), (2, 'bob');
CREATE VIEW owners AS SELECT owner FROM accounts;
CREATE MATERIALIZED VIEW by_owner AS SELECT owner, sum(balance) AS balance FROM accounts GROUP BY owner;
INSERT INTO "public"."history" ("installed_rank", "version", "script", "installed_by", "success") VALUES (2, '2', 'V2__accounts.sql', current_user, true);
COMMIT;
SELECT (SELECT count(*) FROM "public"."history" WHERE version = '2'), (SELECT count(*) FROM owners);
E1

step a_migration_that_fails_leaves_nothing "f" <<'E1'
\set ON_ERROR_STOP off
\o /dev/null
SET client_min_messages = error;
BEGIN;
CREATE TABLE half (id int PRIMARY KEY);
ALTER TABLE accounts ADD COLUMN half int;
ROLLBACK;
\o
SELECT EXISTS (SELECT 1 FROM information_schema.tables WHERE table_name = 'half') OR EXISTS (SELECT 1 FROM information_schema.columns WHERE column_name = 'half');
E1

step alters_tables "1|ann|none|note
2|bob|none|note" <<'E1'
BEGIN;
ALTER TABLE accounts ADD COLUMN note text NOT NULL DEFAULT 'none';
ALTER TABLE accounts ADD COLUMN IF NOT EXISTS extra int;
ALTER TABLE accounts ALTER COLUMN extra TYPE bigint;
ALTER TABLE accounts ALTER COLUMN extra SET DEFAULT 5;
ALTER TABLE accounts ALTER COLUMN extra DROP DEFAULT;
ALTER TABLE accounts ALTER COLUMN note DROP NOT NULL;
ALTER TABLE accounts DROP COLUMN extra;
ALTER TABLE accounts RENAME COLUMN note TO remark;
COMMIT;
SELECT id, owner, remark, 'note' FROM accounts ORDER BY id;
E1

step renames_tables "2" <<'E1'
CREATE TABLE renamed (id int PRIMARY KEY);
INSERT INTO renamed VALUES (1), (2);
ALTER TABLE renamed RENAME TO renamed_to;
SELECT count(*) FROM renamed_to;
E1

step adds_keys_and_constraints "2" <<'E1'
CREATE TABLE later (id int NOT NULL, v text, n int);
INSERT INTO later VALUES (1, 'a', 1), (2, 'b', 2);
ALTER TABLE later ADD CONSTRAINT later_pk PRIMARY KEY (id);
ALTER TABLE later ADD CONSTRAINT later_v UNIQUE (v);
ALTER TABLE later ADD CONSTRAINT later_n CHECK (n > 0);
ALTER TABLE later ALTER COLUMN v SET NOT NULL;
ALTER TABLE later DROP CONSTRAINT later_n;
CREATE INDEX CONCURRENTLY IF NOT EXISTS later_idx ON later USING btree (n DESC NULLS LAST) WHERE n > 0;
CREATE UNIQUE INDEX later_unique ON later (lower(v));
DROP INDEX later_idx;
SELECT count(*) FROM later;
E1

step foreign_keys_and_sequences "1|10" <<'E1'
CREATE SEQUENCE numbers START WITH 10 INCREMENT BY 5;
CREATE TABLE parents (id bigserial PRIMARY KEY, v text);
CREATE TABLE children (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, parent bigint NOT NULL REFERENCES parents (id) ON DELETE CASCADE);
INSERT INTO parents (v) VALUES ('x');
INSERT INTO children (parent) SELECT id FROM parents;
SELECT (SELECT parent FROM children), nextval('numbers');
E1

step schemas "1|app" <<'E1'
SET client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS app;
SET search_path TO app, public;
CREATE TABLE things (id int PRIMARY KEY);
INSERT INTO app.things VALUES (1);
SELECT count(*), current_schema() FROM things;
DROP SCHEMA app CASCADE;
E1

step comments_and_grants "told" <<'E1'
COMMENT ON TABLE accounts IS 'told';
CREATE ROLE reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
GRANT SELECT, INSERT ON accounts TO reader;
REVOKE INSERT ON accounts FROM reader;
SELECT obj_description('accounts'::regclass);
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM reader;
DROP ROLE reader;
E1

step liquibase "f|1|2" <<'E1'
CREATE TABLE public.databasechangeloglock (ID INTEGER NOT NULL, LOCKED BOOLEAN NOT NULL, LOCKGRANTED TIMESTAMP WITHOUT TIME ZONE, LOCKEDBY VARCHAR(255), CONSTRAINT databasechangeloglock_pkey PRIMARY KEY (ID));
DELETE FROM public.databasechangeloglock;
INSERT INTO public.databasechangeloglock (ID, LOCKED) VALUES (1, FALSE);
UPDATE public.databasechangeloglock SET LOCKED = TRUE, LOCKEDBY = 'host (127.0.0.1)', LOCKGRANTED = NOW() WHERE ID = 1 AND LOCKED = FALSE;
CREATE TABLE public.databasechangelog (ID VARCHAR(255) NOT NULL, AUTHOR VARCHAR(255) NOT NULL, FILENAME VARCHAR(255) NOT NULL, DATEEXECUTED TIMESTAMP WITHOUT TIME ZONE NOT NULL, ORDEREXECUTED INTEGER NOT NULL, EXECTYPE VARCHAR(10) NOT NULL, MD5SUM VARCHAR(35), DESCRIPTION VARCHAR(255), COMMENTS VARCHAR(255), TAG VARCHAR(255), LIQUIBASE VARCHAR(20), CONTEXTS VARCHAR(255), LABELS VARCHAR(255), DEPLOYMENT_ID VARCHAR(10));
INSERT INTO public.databasechangelog (ID, AUTHOR, FILENAME, DATEEXECUTED, ORDEREXECUTED, MD5SUM, DESCRIPTION, COMMENTS, EXECTYPE, CONTEXTS, LABELS, LIQUIBASE, DEPLOYMENT_ID) VALUES ('1', 'ann', 'changes.xml', NOW(), 1, '9:x', 'createTable', '', 'EXECUTED', NULL, NULL, '4.29.0', '1'), ('2', 'ann', 'changes.xml', NOW(), 2, '9:y', 'addColumn', '', 'EXECUTED', NULL, NULL, '4.29.0', '1');
UPDATE public.databasechangeloglock SET LOCKED = FALSE, LOCKEDBY = NULL, LOCKGRANTED = NULL WHERE ID = 1;
SELECT (SELECT LOCKED FROM public.databasechangeloglock WHERE ID = 1), (SELECT COUNT(*) FROM public.databasechangeloglock), (SELECT MAX(ORDEREXECUTED) FROM public.databasechangelog);
E1

step the_history_is_locked "2" <<'E1'
BEGIN;
LOCK TABLE history IN SHARE UPDATE EXCLUSIVE MODE;
SELECT count(*) FROM history;
COMMIT;
E1

step selects_for_update "1" <<'E1'
BEGIN;
SELECT version FROM history WHERE installed_rank = 1 FOR UPDATE;
COMMIT;
E1

step drops "0" <<'E1'
BEGIN;
DROP MATERIALIZED VIEW IF EXISTS by_owner;
DROP VIEW IF EXISTS owners CASCADE;
DROP TABLE IF EXISTS accounts CASCADE;
COMMIT;
SELECT count(*) FROM information_schema.tables WHERE table_name IN ('accounts', 'owners', 'by_owner');
E1

[ ${#failed[@]} -eq 0 ] && echo ok || { echo "${#failed[@]} steps failed: ${failed[*]}" && exit 1; }
