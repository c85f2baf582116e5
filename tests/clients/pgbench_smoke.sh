#!/usr/bin/env bash
# pgbench with a script of its own: bash pgbench_smoke.sh host port. All protocols, several clients, no failed transaction.
set -u -o pipefail
host=$1 port=$2
export PGHOST=$host PGPORT=$port PGUSER=ann PGDATABASE=everfold
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=()

check() {
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then echo "ok      $name"; else failed+=("$name") && echo "FAILED  $name: $(tail -c 600 "$work/out" | tr '\n' ' ')"; fi
    cat "$work/out"
}

psql -qX -c "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)" -c "INSERT INTO accounts SELECT i, 0 FROM generate_series(1, 1000) AS g(i)" \
    -c "CREATE TABLE history (id int, delta int, at timestamptz)" -c "CREATE MATERIALIZED VIEW totals AS SELECT id, sum(delta) AS total FROM history GROUP BY id" || exit 1

cat >"$work/look_up.sql" <<'S'
\set id random(1, 1000)
SELECT balance FROM accounts WHERE id = :id;
S
cat >"$work/append.sql" <<'S'
\set id random(1, 1000)
\set delta random(-5000, 5000)
INSERT INTO history VALUES (:id, :delta, now());
S
cat >"$work/transaction.sql" <<'S'
\set id random(1, 1000)
\set delta random(-5000, 5000)
BEGIN;
INSERT INTO history VALUES (:id, :delta, now());
SELECT balance FROM accounts WHERE id = :id;
END;
S
# what pgbench itself runs: reads its own write
cat >"$work/own_write.sql" <<'S'
\set client_row :client_id + 1
\set delta random(-5000, 5000)
BEGIN;
UPDATE accounts SET balance = balance + :delta WHERE id = :client_row;
SELECT balance FROM accounts WHERE id = :client_row;
INSERT INTO history VALUES (:client_row, :delta, CURRENT_TIMESTAMP);
END;
S
cat >"$work/pipeline.sql" <<'S'
\startpipeline
SELECT balance FROM accounts WHERE id = 1;
SELECT balance FROM accounts WHERE id = 2;
\endpipeline
S

# -n: there is nothing to vacuum; each transaction has to succeed
run() { pgbench -n -c 8 -j 2 -t 200 "$@" | tee "$work/told" && grep -q "number of failed transactions: 0 " "$work/told"; }
for mode in simple extended prepared; do
    for script in look_up append transaction own_write; do
        check "${script}_$mode" run -M $mode -f "$work/$script.sql"
    done
done
check pipeline_extended run -M extended -f "$work/pipeline.sql"
check connections_per_transaction run -C -f "$work/look_up.sql"
check mixed_with_weights run -M prepared -f "$work/look_up.sql@3" -f "$work/append.sql@1"
check serialization_is_retried run -M prepared --max-tries=5 -f "$work/transaction.sql"

[[ $(psql -qXAt -c "SELECT version()") == *verfold* ]] || psql -qX -c "REFRESH MATERIALIZED VIEW totals"
got=$(psql -qXAt -c "SELECT (SELECT count(*) FROM history) >= 8 * 200 * 6, (SELECT sum(total) FROM totals) = (SELECT sum(delta) FROM history)")
check sums_agree test "$got" = "t|t"
# pgbench's own tables and scripts; what the TPC-B-like transaction moves, it moves in all four tables
check initializes pgbench -i -s 1 -q
for mode in simple prepared; do
    for clients in 1 8; do
        check "tpcb_like_${mode}_$clients" run -M $mode -c $clients -t 50 -b tpcb-like
    done
done
sums="(SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)"
sums+=", (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(delta) FROM pgbench_history)"
sums+=", (SELECT sum(tbalance) FROM pgbench_tellers) = (SELECT sum(delta) FROM pgbench_history)"
check balances_agree test "$(psql -qXAt -c "SELECT $sums, (SELECT count(*) FROM pgbench_history)")" = "t|t|t|900"
for mode in simple prepared; do
    for clients in 1 8; do
        check "simple_update_${mode}_$clients" run -M $mode -c $clients -t 50 -b simple-update
        check "select_only_${mode}_$clients" run -M $mode -c $clients -t 200 -b select-only
    done
done
[ ${#failed[@]} -eq 0 ] && echo ok || { echo "${#failed[@]} steps failed: ${failed[*]}" && exit 1; }
