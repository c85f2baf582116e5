#!/usr/bin/env bash
# Runs real clients against an Everfold server, each against a server of its own with a fresh data directory.
#
#   tests/clients/run.sh [client ..]        all of them, or those named (see the list below)
#
# Prints a line per client: ok, FAILED with the path of its log, or skipped with what is missing. Ends with 1 if one failed.
# Beside a log CLIENT.log stands CLIENT.errors: each error the server sent, with the SQL that met it (see errors.py).
#
#   EVERFOLD_BINARY        the server, else target/release/everfold
#   EVERFOLD_CLIENTS_DIR   where packages are installed and logs are written, else target/clients
#   EVERFOLD_SERVER        HOST:PORT of a running server to use instead; its database "everfold" has to be empty
#   SQLSMITH_SECONDS       how long sqlsmith runs, else 60
#   ONLY                   steps to run, separated by commas, in scripts of Python and JavaScript
#
# Python and node come with their packages; Debian's packages openjdk-17-jdk-headless, libpostgresql-jdbc-java, postgresql-client,
# postgresql-contrib (for pgbench), sqlsmith and chromium are used where they are installed.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${EVERFOLD_BINARY:-$root/target/release/everfold}
dir=${EVERFOLD_CLIENTS_DIR:-$root/target/clients}
logs=$dir/logs
all=(psycopg psycopg2 asyncpg sqlalchemy django pgcli dbt pg postgres.js knex typeorm sequelize pgjdbc psql pgbench pg_dump migrations sqlsmith superset)

mkdir -p "$logs"
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here
unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGOPTIONS PGSERVICE

# Packages ----------------------------------------------------------------------------------------------------------------------

# venv NAME MODULE PACKAGE.. : a virtual environment that can import MODULE; $python is its interpreter.
venv() {
    local name=$1 module=$2
    shift 2
    python=$dir/$name/bin/python
    [ -x "$python" ] || python3 -m venv "$dir/$name" || return 1
    "$python" -c "import $module" 2>/dev/null || "$python" -m pip install -q "$@" >>"$logs/pip.log" 2>&1 || return 1
    PATH=$dir/$name/bin:$PATH
}

# npm_has PACKAGE.. : packages under $dir/node; scripts find them by NODE_PATH.
npm_has() {
    local package
    command -v npm >/dev/null || return 1
    mkdir -p "$dir/node"
    for package; do
        [ -d "$dir/node/node_modules/$package" ] || (cd "$dir/node" && npm install --no-audit --no-fund "$package" >>"$logs/npm.log" 2>&1) || return 1
    done
    export NODE_PATH=$dir/node/node_modules
}

# Servers -----------------------------------------------------------------------------------------------------------------------

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for() {
    local port=$1 i
    for i in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return 0
        read -rt 0.1 <> <(:) || :
    done
    return 1
}

# Starts a server and the relay that writes its errors down; sets $host and $port, which are the relay's, and $direct, the server's.
start() {
    local client=$1 server
    host=127.0.0.1 server_pid= relay_pid=
    if [ -n "${EVERFOLD_SERVER:-}" ]; then
        server=$EVERFOLD_SERVER
    else
        data=$(mktemp -d "${TMPDIR:-/tmp}/everfold-$client.XXXXXX")
        direct=$(free_port)
        server=127.0.0.1:$direct
        "$binary" serve --data "$data" --listen "$server" >"$logs/$client.server" 2>&1 &
        server_pid=$!
        wait_for "$direct" || return 1
    fi
    direct=${server##*:}
    port=$(free_port)
    : >"$logs/$client.errors"
    python3 "$here/errors.py" "$port" "${server%%:*}" "$direct" "$logs/$client.errors" >"$logs/$client.relay" 2>&1 &
    relay_pid=$!
    wait_for "$port"
}

stop() {
    [ -n "${relay_pid:-}" ] && kill "$relay_pid" 2>/dev/null && wait "$relay_pid" 2>/dev/null
    if [ -n "${server_pid:-}" ]; then
        alive=yes
        kill -0 "$server_pid" 2>/dev/null || alive=no
        kill "$server_pid" 2>/dev/null
        wait "$server_pid" 2>/dev/null
        rm -rf "$data"
        [ $alive = yes ] || { echo "the server had ended by itself" && return 1; }
        ! grep -q "panicked at" "$logs/$client.server" || { echo "a thread of the server panicked" && return 1; }
    fi
    relay_pid= server_pid=
}
trap stop EXIT

# Clients: prepare_X makes sure that X can run (else says what is missing), run_X runs it on $host and $port -------------------

named() { echo "${1//[.-]/_}"; }

prepare_psycopg() { venv venv psycopg 'psycopg[binary]' || echo "pip install psycopg[binary]"; }
run_psycopg() { "$python" "$here/psycopg_smoke.py" "$host" "$port"; }

prepare_psycopg2() { venv venv psycopg2 psycopg2-binary || echo "pip install psycopg2-binary"; }
run_psycopg2() { "$python" "$here/psycopg2_smoke.py" "$host" "$port"; }

prepare_asyncpg() { venv venv asyncpg asyncpg || echo "pip install asyncpg"; }
run_asyncpg() { "$python" "$here/asyncpg_smoke.py" "$host" "$port"; }

prepare_sqlalchemy() { venv venv "sqlalchemy, psycopg2, psycopg, asyncpg, greenlet" sqlalchemy greenlet psycopg2-binary 'psycopg[binary]' asyncpg || echo "pip install sqlalchemy"; }
run_sqlalchemy() { "$python" "$here/sqlalchemy_smoke.py" "$host" "$port"; }

prepare_django() { venv venv "django, psycopg2" 'django==5.2.*' psycopg2-binary || echo "pip install django"; }
run_django() { "$python" "$here/django_project/smoke.py" "$host" "$port"; }

prepare_pgcli() { venv venv "pgcli, pexpect" pgcli pexpect || echo "pip install pgcli"; }
run_pgcli() { "$python" "$here/pgcli_smoke.py" "$host" "$port"; }

prepare_dbt() { venv venv dbt.adapters.postgres 'dbt-core==1.10.*' 'dbt-postgres==1.9.*' || echo "pip install dbt-postgres"; }
run_dbt() { "$python" "$here/dbt_smoke.py" "$host" "$port"; }

prepare_pg() { npm_has pg || echo "npm install pg"; }
run_pg() { node "$here/pg_smoke.js" "$host" "$port"; }

prepare_postgres_js() { npm_has postgres || echo "npm install postgres"; }
run_postgres_js() { node "$here/postgres_js_smoke.js" "$host" "$port"; }

prepare_knex() { npm_has pg pg-query-stream knex || echo "npm install knex"; }
run_knex() { node "$here/knex_smoke.js" "$host" "$port"; }

prepare_typeorm() { npm_has pg typeorm reflect-metadata || echo "npm install typeorm"; }
run_typeorm() { node "$here/typeorm_smoke.js" "$host" "$port"; }

prepare_sequelize() { npm_has pg pg-hstore sequelize || echo "npm install sequelize"; }
run_sequelize() { node "$here/sequelize_smoke.js" "$host" "$port"; }

jdbc=/usr/share/java/postgresql.jar
prepare_pgjdbc() { { command -v javac >/dev/null && [ -e $jdbc ]; } || echo "apt-get install openjdk-17-jdk-headless libpostgresql-jdbc-java"; }
run_pgjdbc() {
    # shellcheck disable=SC2046
    mkdir -p "$dir/java" && javac -cp "$jdbc:/usr/share/java/scram-client.jar" -d "$dir/java" "$here"/*.java &&
        java -cp "$dir/java:$(echo /usr/share/java/*.jar | tr ' ' :)" PgjdbcSmoke "$host" "$port"
}

prepare_psql() {
    command -v psql >/dev/null || { echo "apt-get install postgresql-client" && return; }
    venv venv pexpect pexpect || echo "pip install pexpect"
}
run_psql() { "$python" "$here/psql_smoke.py" "$host" "$port"; }

prepare_pgbench() { command -v pgbench >/dev/null || echo "apt-get install postgresql-contrib"; }
run_pgbench() { bash "$here/pgbench_smoke.sh" "$host" "$direct"; }

prepare_pg_dump() { command -v pg_dump >/dev/null || echo "apt-get install postgresql-client"; }
run_pg_dump() { bash "$here/pg_dump_smoke.sh" "$host" "$port"; }

prepare_migrations() { command -v psql >/dev/null || echo "apt-get install postgresql-client"; }
run_migrations() { bash "$here/migrations_smoke.sh" "$host" "$port"; }

prepare_sqlsmith() { command -v sqlsmith >/dev/null || echo "apt-get install sqlsmith"; }
run_sqlsmith() { python3 "$here/sqlsmith_smoke.py" "$host" "$port" "${SQLSMITH_SECONDS:-60}" "$logs/sqlsmith.errors"; }

# Apache Superset does not start without these pins.
prepare_superset() {
    venv superset "superset, psycopg2, cachetools, rich" apache-superset==6.1.0 Flask-Caching==2.3.1 rich cachetools psycopg2-binary || echo "pip install apache-superset"
    npm_has playwright-core || echo "npm install playwright-core"
    command -v chromium >/dev/null || echo "apt-get install chromium"
}
run_superset() { "$python" "$here/superset_smoke.py" "$host" "$port" "$dir"; }

# -------------------------------------------------------------------------------------------------------------------------------

[ -n "${EVERFOLD_SERVER:-}" ] || [ -x "$binary" ] || { echo "no server at $binary: cargo build --release, or set EVERFOLD_BINARY" >&2 && exit 2; }
[ $# -gt 0 ] || set -- "${all[@]}"
worst=0
for client; do
    f=$(named "$client")
    declare -F "run_$f" >/dev/null || { echo "no client $client; there are: ${all[*]}" >&2 && exit 2; }
    log=$logs/$client.log
    path=$PATH
    missing= python=python3
    "prepare_$f" >"$logs/$client.missing" 2>&1
    missing=$(cat "$logs/$client.missing")
    rm -f "$logs/$client.missing"
    if [ -n "$missing" ]; then
        printf '%-12s skipped: %s\n' "$client" "$missing"
        continue
    fi
    if start "$client" && "run_$f" >"$log" 2>&1 </dev/null && stop >>"$log"; then
        printf '%-12s ok\n' "$client"
    else
        stop >>"$log"
        worst=1
        printf '%-12s FAILED: %s\n' "$client" "$log"
        grep '^FAILED ' "$log" | cut -c 1-200 | sed 's/^/    /'
    fi
    PATH=$path
done
exit $worst
