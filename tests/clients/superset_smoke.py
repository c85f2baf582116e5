"""Apache Superset over a server: python3 superset_smoke.py host port directory.

Sets an instance of Superset up in the directory (sqlite for its own metadata), serves it on loopback and does by its REST API what people do in
it: connect, list, make datasets on a stream and on a materialized view, ask for charts, run and stop SQL. Then it makes a chart of
the view and takes two screenshots in headless Chromium, with events appended between them: directory/logs/superset-*.png.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid

import psycopg2
from steps import DATABASE, HOST, PORT, USER, run, same, step

directory = pathlib.Path(sys.argv[3])
home = directory / "superset-home"
bin_dir = pathlib.Path(sys.executable).parent
shutil.rmtree(home, ignore_errors=True)
home.mkdir(parents=True)
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    web = s.getsockname()[1]
URL = f"http://127.0.0.1:{web}"
(home / "superset_config.py").write_text(
    f"""
SECRET_KEY = "only for a test on loopback, and thrown away after it"
SQLALCHEMY_DATABASE_URI = "sqlite:///{home}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
SUPERSET_WEBSERVER_TIMEOUT = 60
SQLLAB_TIMEOUT = 30
"""
)
ENV = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"SUPERSET_HOME": str(home), "SUPERSET_CONFIG_PATH": str(home / "superset_config.py"), "FLASK_APP": "superset.app:create_app()"}
state = {}


def superset(*args):
    done = subprocess.run([str(bin_dir / "superset"), *args], env=ENV, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]


def request(method, path, body=None, expect=200):
    """Answer of Superset's API as parsed JSON."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {state['token']}"} if "token" in state else {})
    r = urllib.request.Request(URL + path, method=method, headers=headers, data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(r, timeout=120) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as e:
        status, text = e.code, e.read()
    assert status == expect, f"{method} {path}: {status} {text.decode()[:1500]}"
    return json.loads(text)


def sql(*texts):
    c = psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE)
    c.autocommit = True
    with c.cursor() as cur:
        for text in texts:
            cur.execute(text)
        return cur.fetchall() if cur.description else None


EVENTS = """INSERT INTO purchases SELECT i, (ARRAY['ann', 'bob', 'eve'])[1 + i % 3], CASE WHEN i % 2 = 0 THEN 'tea' ELSE 'cup' END, (i % 10) + 0.5,
    timestamp '2024-01-01 00:00:00' + i * interval '7 minutes' FROM generate_series({}, {}) AS g(i)"""


@step
def fixture():
    everfold = "verfold" in sql("SELECT version()")[0][0]
    state["everfold"] = everfold
    sql(
        f"CREATE {'STREAM' if everfold else 'TABLE'} purchases (id int NOT NULL, customer text NOT NULL, item text NOT NULL, price numeric(10,2) NOT NULL, at timestamp NOT NULL)",
        "CREATE MATERIALIZED VIEW spending AS SELECT customer, item, date_trunc('day', at) AS day, count(*) AS n, sum(price) AS total FROM purchases GROUP BY customer, item, date_trunc('day', at)",
        "CREATE TABLE customers (name text PRIMARY KEY, city text)",
        "CREATE VIEW teas AS SELECT * FROM purchases WHERE item = 'tea'",
        EVENTS.format(1, 600),
        *([] if everfold else ["REFRESH MATERIALIZED VIEW spending"]),
    )


@step
def starts():
    superset("db", "upgrade")
    superset("fab", "create-admin", "--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "a@example.org", "--password", "admin")
    superset("init")
    log = open(directory / "logs" / "superset-web.log", "w")
    state["web"] = subprocess.Popen([str(bin_dir / "superset"), "run", "-h", "127.0.0.1", "-p", str(web), "--with-threads"], env=ENV, stdout=log, stderr=log)
    for _ in range(600):
        try:
            urllib.request.urlopen(URL + "/health", timeout=5)
            break
        except OSError:
            time.sleep(0.2)
    state["token"] = request("POST", "/api/v1/security/login", {"username": "admin", "password": "admin", "provider": "db", "refresh": True})["access_token"]


@step
def connects():
    uri = f"postgresql+psycopg2://{USER}@{HOST}:{PORT}/{DATABASE}"
    request("POST", "/api/v1/database/test_connection/", {"database_name": "live", "sqlalchemy_uri": uri})
    body = {"database_name": "live", "sqlalchemy_uri": uri, "expose_in_sqllab": True, "allow_ctas": True, "allow_cvas": True, "allow_dml": True}
    state["db"] = request("POST", "/api/v1/database/", body, 201)["id"]


@step
def lists_schemas():
    got = request("GET", f"/api/v1/database/{state['db']}/schemas/?q=(force:!t)")["result"]
    assert {"public", "information_schema"} <= set(got), got


@step
def lists_tables_and_views():
    got = request("GET", f"/api/v1/database/{state['db']}/tables/?q=(force:!t,schema_name:public)")["result"]
    same({t["value"]: t["type"] for t in got}, {"purchases": "table", "customers": "table", "teas": "view", "spending": "view"})


@step
def tells_of_columns_and_keys():
    got = request("GET", f"/api/v1/database/{state['db']}/table_metadata/?name=purchases&schema=public")
    same([(c["name"], c["type"]) for c in got["columns"]], [("id", "INTEGER"), ("customer", "TEXT"), ("item", "TEXT"), ("price", "NUMERIC"), ("at", "TIMESTAMP")])
    got = request("GET", f"/api/v1/database/{state['db']}/table_metadata/?name=customers&schema=public")
    # What the key is this version of Superset tells nobody: it takes texts and lists for something it cannot show.
    assert "primaryKey" in got, got
    request("GET", f"/api/v1/database/{state['db']}/table_metadata/extra/?name=spending&schema=public")
    got = request("GET", f"/api/v1/database/{state['db']}/select_star/spending/public/")["result"]
    # It names the columns only where it is asked to.
    assert "spending" in got and "LIMIT 100" in got, got
    request("GET", f"/api/v1/database/{state['db']}/function_names/")


def dataset(name):
    got = request("POST", "/api/v1/dataset/", {"database": state["db"], "schema": "public", "table_name": name}, 201)["id"]
    return got, request("GET", f"/api/v1/dataset/{got}")["result"]


@step
def dataset_on_a_stream():
    state["stream"], told = dataset("purchases")
    same({c["column_name"]: (c["type"], c["is_dttm"]) for c in told["columns"]}, {"id": ("INTEGER", False), "customer": ("TEXT", False), "item": ("TEXT", False), "price": ("NUMERIC(10, 2)", False), "at": ("TIMESTAMP WITHOUT TIME ZONE", True)})


@step
def dataset_on_a_materialized_view():
    state["view"], told = dataset("spending")
    same({c["column_name"] for c in told["columns"] if c["is_dttm"]}, {"day"})


@step
def dataset_on_a_query():
    body = {"database": state["db"], "schema": "public", "table_name": "virtual", "sql": "SELECT customer, total FROM spending WHERE total > 0"}
    state["virtual"] = request("POST", "/api/v1/dataset/", body, 201)["id"]
    got = chart("virtual", columns=["customer"], metrics=[metric("SUM", "total", "NUMERIC")], orderby=[["customer", True]])
    same([r["customer"] for r in got], ["ann", "bob", "eve"])


def metric(aggregate, column, kind):
    return {"expressionType": "SIMPLE", "column": {"column_name": column, "type": kind}, "aggregate": aggregate, "label": f"{aggregate}({column})"}


def of_query(name, text):
    """A dataset on a query, where the one on the relation could not be made: so that the steps after it tell something."""
    if name not in state:
        body = {"database": state["db"], "schema": "public", "table_name": f"instead_{name}", "sql": text}
        state[name] = request("POST", "/api/v1/dataset/", body, 201)["id"]


def chart(name, **query):
    """Rows of a chart's query on a dataset."""
    of_query("stream", "SELECT * FROM purchases")
    of_query("view", "SELECT * FROM spending")
    query = {"row_limit": 1000, "filters": [], "extras": {}, "columns": [], "metrics": []} | query
    body = {"datasource": {"id": state[name], "type": "table"}, "force": True, "queries": [query], "result_format": "json", "result_type": "full"}
    got = request("POST", "/api/v1/chart/data", body)["result"][0]
    assert not got.get("error"), got["error"]
    return got["data"]


def by_time(grain):
    column = {"timeGrain": grain, "columnType": "BASE_AXIS", "sqlExpression": "at", "label": "at", "expressionType": "SQL"}
    got = chart("stream", columns=[column], metrics=["count"], extras={"time_grain_sqla": grain}, orderby=[["count", False]])
    return sorted((r["at"], r["count"]) for r in got)


@step
def charts_with_time_grains():
    same(sum(n for _, n in by_time("PT1H")), 600)
    same([n for _, n in by_time("P1D")], [205, 206, 189])
    for grain in ["PT1S", "PT5S", "PT30S", "PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "P1W", "P1M", "P3M", "P1Y"]:
        same(sum(n for _, n in by_time(grain)), 600)


@step
def charts_with_time_ranges():
    got = chart("stream", metrics=["count"], granularity="at", time_range="2024-01-02T00:00:00 : 2024-01-03T00:00:00")
    same(got, [{"count": 206}])
    got = chart("stream", metrics=["count"], filters=[{"col": "at", "op": "TEMPORAL_RANGE", "val": "2024-01-01 : 2024-01-02"}])
    same(got, [{"count": 205}])
    chart("stream", metrics=["count"], granularity="at", time_range="Last week")


@step
def charts_with_filters_metrics_order_and_limit():
    same(chart("stream", metrics=["count"], filters=[{"col": "customer", "op": "IN", "val": ["ann", "bob"]}, {"col": "item", "op": "==", "val": "tea"}]), [{"count": 200}])
    same(chart("stream", metrics=["count"], filters=[{"col": "item", "op": "ILIKE", "val": "TE%"}, {"col": "price", "op": ">=", "val": 5}]), [{"count": 120}])
    same(chart("stream", metrics=["count"], filters=[{"col": "item", "op": "IS NULL"}]), [{"count": 0}])
    got = chart("stream", columns=["customer"], metrics=[metric("SUM", "price", "NUMERIC"), metric("COUNT_DISTINCT", "item", "TEXT"), metric("AVG", "price", "NUMERIC"), metric("MIN", "price", "NUMERIC"), metric("MAX", "price", "NUMERIC")], orderby=[[metric("SUM", "price", "NUMERIC"), False]], row_limit=2)
    same(len(got), 2)
    assert float(got[0]["SUM(price)"]) >= float(got[1]["SUM(price)"]) and got[0]["COUNT_DISTINCT(item)"] == 2, got
    raw = chart("stream", columns=["id", "customer", "price"], orderby=[["id", True]], row_limit=3, row_offset=2)
    same([(r["id"], r["customer"], float(r["price"])) for r in raw], [(3, "ann", 3.5), (4, "bob", 4.5), (5, "eve", 5.5)])
    free = {"expressionType": "SQL", "sqlExpression": "sum(price) FILTER (WHERE item = 'tea') / count(*)", "label": "share"}
    same(len(chart("stream", columns=["customer"], metrics=[free])), 3)
    same(chart("stream", metrics=["count"], extras={"where": "(price > 5 AND customer <> 'eve')", "having": "(count(*) > 1)"})[0]["count"], 200)


@step
def charts_limited_to_the_top_series():
    column = {"timeGrain": "P1D", "columnType": "BASE_AXIS", "sqlExpression": "at", "label": "at", "expressionType": "SQL"}
    got = chart("stream", columns=[column, "customer"], metrics=["count"], series_columns=["customer"], series_limit=2, series_limit_metric="count", series_limit_mode=0, extras={"time_grain_sqla": "P1D"})
    same(len({r["customer"] for r in got}), 2)


@step
def charts_of_the_view():
    got = chart("view", columns=["customer"], metrics=[metric("SUM", "n", "BIGINT"), metric("SUM", "total", "NUMERIC")], orderby=[["customer", True]])
    same([(r["customer"], int(float(r["SUM(n)"]))) for r in got], [("ann", 200), ("bob", 200), ("eve", 200)])
    same(chart("view", metrics=[metric("SUM", "n", "BIGINT")], granularity="day", time_range="2024-01-02T00:00:00 : 2024-01-03T00:00:00"), [{"SUM(n)": 206}])


@step
def samples_and_values_for_filters():
    body = {"datasource": {"id": state["view"], "type": "table"}, "force": True, "queries": [{"row_limit": 5, "columns": [], "metrics": []}], "result_format": "json", "result_type": "samples"}
    same(len(request("POST", "/api/v1/chart/data", body)["result"][0]["data"]), 5)
    same(sorted(request("GET", f"/api/v1/datasource/table/{state['stream']}/column/customer/values/")["result"]), ["ann", "bob", "eve"])


def lab(text, client=None, expect=200, **more):
    body = {"client_id": client or uuid.uuid4().hex[:11], "database_id": state["db"], "runAsync": False, "schema": "public", "sql": text, "sql_editor_id": "1", "tab": "t", "queryLimit": 1000, "select_as_cta": False, "ctas_method": "TABLE", "expand_data": True}
    return request("POST", "/api/v1/sqllab/execute/", body | more, expect)


@step
def sql_lab_runs():
    got = lab("SELECT customer, sum(total) AS total FROM spending GROUP BY customer ORDER BY customer")
    same([r["customer"] for r in got["data"]], ["ann", "bob", "eve"])
    same([c["name"] for c in got["columns"]], ["customer", "total"])
    same(lab("SELECT 1 AS a; SELECT 2 AS b")["data"], [{"b": 2}])
    got = lab("SELECT * FROM purchases", queryLimit=10)
    same(len(got["data"]), 10)
    # SQL Lab writes a statement anew, names of functions in capital letters
    same(lab("select sum(i) as n from generate_series(1, 10) as g(i)")["data"], [{"n": 55}])
    told = lab_error("SELECT nosuch FROM purchases")
    assert "COLUMN_DOES_NOT_EXIST_ERROR" in told, told  # Superset knows it by PostgreSQL's words


def lab_error(text, client=None):
    """What SQL Lab says of a statement, an error included."""
    try:
        return str(lab(text, client))
    except AssertionError as e:
        return str(e)


@step
def sql_lab_creates_tables_and_views():
    lab("SELECT customer, price FROM purchases", select_as_cta=True, ctas_method="VIEW", tmp_table_name="lab_view")
    same(sql("SELECT count(*) FROM lab_view"), [(600,)])
    lab("SELECT customer, price FROM purchases", select_as_cta=True, ctas_method="TABLE", tmp_table_name="lab_table")
    same(sql("SELECT count(*) FROM lab_table"), [(600,)])


@step
def sql_lab_validates_and_estimates():
    request("POST", f"/api/v1/database/{state['db']}/validate_sql/", {"sql": "SELECT 1", "schema": "public"}, 422)  # no validator is set up: Superset's answer
    request("POST", "/api/v1/sqllab/format_sql/", {"sql": "select 1"})


@step
def sql_lab_stops():
    client, done = uuid.uuid4().hex[:11], {}
    slow = "SELECT count(*) AS slow FROM purchases a, purchases b, purchases c, purchases d"
    t = threading.Thread(target=lambda: done.update(answer=lab_error(slow, client)))
    t.start()
    end = time.time() + 20
    while "answer" not in done and time.time() < end and not running("AS slow"):
        time.sleep(0.1)
    assert "answer" not in done, done
    assert running("AS slow"), "the query did not start"
    started = time.time()
    request("POST", "/api/v1/query/stop", {"client_id": client})
    t.join(30)
    assert "answer" in done and time.time() - started < 15, done
    assert not running("AS slow"), "the query still runs"


def running(text):
    """Whether a statement with such a text runs, as the server tells it."""
    return any(text in (q or "") for (q,) in sql("SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"))


@step
def a_chart_fed_by_a_live_view():
    columns = {"metrics": [metric("SUM", "n", "BIGINT")], "groupby": ["item"], "x_axis": "customer", "row_limit": 100, "viz_type": "echarts_timeseries_bar", "datasource": f"{state['view']}__table", "show_value": True, "x_axis_sort": "customer", "x_axis_sort_asc": True, "time_range": "No filter"}
    body = {"slice_name": "Purchases by customer", "datasource_id": state["view"], "datasource_type": "table", "viz_type": "echarts_timeseries_bar", "params": json.dumps(columns)}
    state["chart"] = request("POST", "/api/v1/chart/", body, 201)["id"]
    stop = threading.Event()
    appended = [600]

    def append():
        while not stop.is_set():
            sql(EVENTS.format(appended[0] + 1, appended[0] + 60), *([] if state["everfold"] else ["REFRESH MATERIALIZED VIEW spending"]))
            appended[0] += 60
            time.sleep(0.05)

    t = threading.Thread(target=append)
    t.start()
    shots = [directory / "logs" / f"superset-{n}.png" for n in (1, 2)]
    try:
        script = str(pathlib.Path(__file__).parent / "superset_chart.js")
        done = subprocess.run(["node", script, URL, str(state["chart"]), *map(str, shots)], capture_output=True, text=True, timeout=240)
        print(done.stdout, done.stderr)
    finally:
        stop.set()
        t.join()
    same(done.returncode, 0)
    first, second = [json.loads(line)["sum"] for line in done.stdout.splitlines() if line.startswith("{")]
    assert 600 <= first < second <= appended[0], (first, second, appended)
    print(f"screenshots: {shots[0]} and {shots[1]}")


try:
    run()
finally:
    if "web" in state:
        state["web"].terminate()
        state["web"].wait()
