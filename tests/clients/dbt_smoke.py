"""dbt against a server: python3 dbt_smoke.py host port. Makes a small project in a temporary directory and runs it by dbt's own command."""

import os
import pathlib
import subprocess
import sys
import tempfile

import psycopg2
from steps import DATABASE, HOST, PORT, USER, run, same, step

project = pathlib.Path(tempfile.mkdtemp(prefix="dbt-"))
FILES = {
    "dbt_project.yml": """
name: shop
version: '1.0'
profile: shop
model-paths: [models]
seed-paths: [seeds]
snapshot-paths: [snapshots]
test-paths: [tests]
flags: {send_anonymous_usage_stats: false}
models:
  +persist_docs: {relation: false, columns: false}
""",
    "profiles.yml": f"""
shop:
  target: dev
  outputs:
    dev: {{type: postgres, host: "{HOST}", port: {PORT}, user: {USER}, password: x, dbname: {DATABASE}, schema: public, threads: 2}}
    other: {{type: postgres, host: "{HOST}", port: {PORT}, user: {USER}, password: x, dbname: {DATABASE}, schema: analytics, threads: 2}}
""",
    "seeds/cities.csv": "id,city,founded\n1,Oslo,1048-01-01\n2,Bergen,1070-01-01\n",
    "models/purchases_view.sql": "{{ config(materialized='view') }} select customer, price from {{ source('live', 'purchases') }} where price > 0",
    "models/purchases_table.sql": "{{ config(materialized='table') }} select customer, sum(price) as total from {{ ref('purchases_view') }} group by customer",
    "models/spending.sql": "{{ config(materialized='materialized_view') }} select customer, count(*) as n, sum(price) as total from {{ source('live', 'purchases') }} group by customer",
    "models/increments.sql": """{{ config(materialized='incremental', unique_key='id') }}
select id, customer, price from {{ source('live', 'purchases') }}
{% if is_incremental() %} where id > (select coalesce(max(id), 0) from {{ this }}) {% endif %}""",
    "models/middle.sql": "{{ config(materialized='ephemeral') }} select city from {{ ref('cities') }} where id = 1",
    "models/over_ephemeral.sql": "{{ config(materialized='view') }} select * from {{ ref('middle') }}",
    "models/schema.yml": """
version: 2
sources:
  - name: live
    schema: public
    tables: [{name: purchases}]
models:
  - name: spending
    description: what each customer spent
    columns:
      - name: customer
        data_tests: [not_null, unique, {accepted_values: {values: [ann, bob]}}]
  - name: increments
    columns:
      - name: id
        data_tests: [unique, {relationships: {to: "source('live', 'purchases')", field: id}}]
""",
    "tests/totals_agree.sql": "select 1 where (select sum(total) from {{ ref('spending') }}) <> (select sum(price) from {{ source('live', 'purchases') }})",
    "snapshots/cities_history.sql": """{% snapshot cities_history %}
{{ config(target_schema='public', unique_key='id', strategy='check', check_cols=['city']) }}
select * from {{ ref('cities') }}
{% endsnapshot %}""",
}
for name, text in FILES.items():
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def sql(text):
    c = psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE)
    c.autocommit = True
    with c.cursor() as cur:
        cur.execute(text)
        return cur.fetchall() if cur.description else None


def dbt(*args):
    # dbt takes modules named dbt_* on the path for plugins of its own, and so this script
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"DBT_PROFILES_DIR": str(project), "DO_NOT_TRACK": "1"}
    command = [str(pathlib.Path(sys.executable).parent / "dbt"), "--no-use-colors", *args]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=300)
    print(f"$ dbt {' '.join(args)}\n{done.stdout}{done.stderr}")
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "rror" in line)[:1500]


everfold = "verfold" in sql("SELECT version()")[0][0]
relation = "STREAM" if everfold else "TABLE"
sql(f"CREATE {relation} purchases (id int NOT NULL, customer text NOT NULL, price numeric(10,2) NOT NULL)")
sql("INSERT INTO purchases VALUES (1, 'ann', 4.20), (2, 'bob', 12.50), (3, 'ann', 31.00)")


@step
def debug():
    dbt("debug")


@step
def seed():
    dbt("seed")
    same(sql("SELECT id, city FROM cities ORDER BY id"), [(1, "Oslo"), (2, "Bergen")])
    dbt("seed")
    same(sql("SELECT count(*) FROM cities"), [(2,)])


@step
def view():
    dbt("run", "--select", "purchases_view")
    dbt("run", "--select", "purchases_view")
    same(sql("SELECT count(*) FROM purchases_view"), [(3,)])


@step
def table():
    dbt("run", "--select", "purchases_table")
    dbt("run", "--select", "purchases_table")
    same(str(sql("SELECT total FROM purchases_table WHERE customer = 'ann'")[0][0]), "35.20")


@step
def materialized_view():
    dbt("run", "--select", "spending")
    dbt("run", "--select", "spending")
    same(sql("SELECT n FROM spending ORDER BY customer"), [(2,), (1,)])


@step
def incremental():
    dbt("run", "--select", "increments")
    same(sql("SELECT count(*) FROM increments"), [(3,)])
    sql("INSERT INTO purchases VALUES (4, 'bob', 1.00)")
    dbt("run", "--select", "increments")
    same(sql("SELECT count(*), max(id) FROM increments"), [(4, 4)])
    dbt("run", "--select", "increments", "--full-refresh")
    same(sql("SELECT count(*) FROM increments"), [(4,)])


@step
def ephemeral():
    dbt("run", "--select", "over_ephemeral")
    same(sql("SELECT * FROM over_ephemeral"), [("Oslo",)])


@step
def the_view_is_live():
    before = sql("SELECT sum(n) FROM spending")[0][0]
    sql("INSERT INTO purchases VALUES (5, 'bob', 2.00)")
    if not everfold:
        sql("REFRESH MATERIALIZED VIEW spending")
    same(sql("SELECT sum(n) FROM spending")[0][0], before + 1 if everfold else 5)


@step
def tests():
    dbt("test", "--select", "spending", "increments", "totals_agree")


@step
def docs():
    dbt("docs", "generate")
    catalog = (project / "target" / "catalog.json").read_text()
    for name in ("purchases_view", "spending", "increments", "cities", "customer"):
        assert name in catalog, name


@step
def snapshot():
    dbt("snapshot")
    dbt("snapshot")
    same(sql("SELECT count(*) FROM cities_history"), [(2,)])


@step
def everything_in_one_build():
    dbt("build")


@step
def in_a_schema_of_its_own():
    dbt("run", "--target", "other", "--select", "purchases_view", "spending")
    same(sql("SELECT count(*) FROM analytics.purchases_view"), [(5,)])


run()
