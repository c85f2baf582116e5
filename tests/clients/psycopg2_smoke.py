"""psycopg 2 against a server: python3 psycopg2_smoke.py host port."""

import datetime
import decimal
import io
import threading
import time
import uuid

import psycopg2
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
from steps import DATABASE, HOST, PORT, USER, raises, run, same, step


def connect(autocommit=True, **more):
    c = psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE, **more)
    c.autocommit = autocommit
    return c


@step
def connects_and_tells_its_state():
    c = connect()
    assert c.server_version >= 140000, c.server_version
    same(c.encoding, "UTF8")
    same(c.get_parameter_status("integer_datetimes"), "on")
    same(c.get_parameter_status("standard_conforming_strings"), "on")
    same(c.get_transaction_status(), psycopg2.extensions.TRANSACTION_STATUS_IDLE)
    assert c.get_backend_pid() > 0
    c.reset()
    c.close()


@step
def sets_the_session():
    c = connect(autocommit=False)
    c.set_session(isolation_level="SERIALIZABLE", readonly=True)
    cur = c.cursor()
    cur.execute("SHOW transaction_isolation")
    same(cur.fetchone(), ("serializable",))
    cur.execute("SHOW transaction_read_only")
    same(cur.fetchone(), ("on",))
    c.rollback()
    c.set_session(isolation_level="READ COMMITTED", readonly=False, deferrable=False)
    c.set_client_encoding("UTF8")
    cur.execute("SELECT 'grüß'")
    same(cur.fetchone(), ("grüß",))
    c.close()


VALUES = [
    ("boolean", True),
    ("smallint", -32768),
    ("int", 2147483647),
    ("bigint", 2**63 - 1),
    ("double precision", 0.1),
    ("numeric(20,4)", decimal.Decimal("1234567890123456.7890")),
    ("text", "grüß 'dich' \\ \n %"),
    ("date", datetime.date(2024, 2, 29)),
    ("time", datetime.time(23, 59, 59, 999999)),
    ("timestamp", datetime.datetime(1999, 12, 31, 23, 59, 59, 1)),
    ("timestamptz", datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)),
    ("interval", datetime.timedelta(days=3, seconds=7, microseconds=5)),
    ("uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("int[]", [1, None, 3]),
    ("text[]", ["a", 'with "quotes"', None, ""]),
]


@step
def values_of_every_type():
    psycopg2.extras.register_uuid()
    with connect() as c, c.cursor() as cur:
        for n, (kind, value) in enumerate(VALUES):
            cur.execute(f"CREATE TABLE t{n} (id int PRIMARY KEY, v {kind})")
            cur.execute(f"INSERT INTO t{n} VALUES (%s, %s), (%s, NULL)", (1, value, 2))
            same(cur.rowcount, 2)
            cur.execute(f"SELECT v FROM t{n} ORDER BY id")
            same(cur.fetchall(), [(value,), (None,)])
        cur.execute("CREATE TABLE b (id int PRIMARY KEY, v bytea)")
        cur.execute("INSERT INTO b VALUES (1, %s)", (psycopg2.Binary(b"\x00\xff'\\"),))
        cur.execute("SELECT v FROM b")
        same(bytes(cur.fetchone()[0]), b"\x00\xff'\\")


@step
def json_goes_in_and_out():
    with connect() as c, c.cursor() as cur:
        cur.execute("CREATE TABLE j (id int PRIMARY KEY, v jsonb, w json)")
        document = {"a": [1, 2.5, None, "x"], "b": {"c": True}}
        cur.execute("INSERT INTO j VALUES (1, %s, %s)", (psycopg2.extras.Json(document),) * 2)
        cur.execute("SELECT v, w, v->>'a', v->'b'->'c' FROM j")
        same(cur.fetchone(), (document, document, '[1, 2.5, null, "x"]', True))


@step
def rows_as_dicts_and_tuples():
    with connect() as c:
        with c.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cur:
            cur.execute("SELECT 1 AS a, 'x' AS b")
            same(dict(cur.fetchone()), {"a": 1, "b": "x"})
        with c.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cur:
            cur.execute("SELECT 1 AS a, 'x' AS b")
            same(cur.fetchone().b, "x")
        with c.cursor() as cur:
            cur.execute("SELECT 1::bigint AS a, 'x'::text AS b, 1.50::numeric(6,2) AS n")
            same([(d.name, d.type_code) for d in cur.description], [("a", 20), ("b", 25), ("n", 1700)])
            same((cur.description[2].precision, cur.description[2].scale), (6, 2))
            same(cur.statusmessage, "SELECT 1")


@step
def execute_values_and_batch():
    with connect() as c, c.cursor() as cur:
        cur.execute("CREATE TABLE many (id int PRIMARY KEY, v text)")
        psycopg2.extras.execute_values(cur, "INSERT INTO many (id, v) VALUES %s", [(i, f"v{i}") for i in range(1000)], page_size=250)
        psycopg2.extras.execute_batch(cur, "UPDATE many SET v = %s WHERE id = %s", [("new", i) for i in range(100)])
        got = psycopg2.extras.execute_values(
            cur, "INSERT INTO many (id, v) VALUES %s RETURNING id", [(i, "r") for i in range(1000, 1010)], fetch=True
        )
        same(got, [(i,) for i in range(1000, 1010)])
        cur.execute("SELECT v, count(*) FROM many WHERE v IN %s GROUP BY v ORDER BY v", (("new", "r"),))
        same(cur.fetchall(), [("new", 100), ("r", 10)])
        cur.execute("SELECT count(*) FROM many WHERE id = ANY(%s)", ([1, 2, 5000],))
        same(cur.fetchone(), (2,))


@step
def prepared_by_sql():
    with connect() as c, c.cursor() as cur:
        cur.execute("PREPARE plus AS SELECT $1::int + $2::int")
        cur.execute("EXECUTE plus (%s, %s)", (1, 2))
        same(cur.fetchone(), (3,))
        cur.execute("DEALLOCATE plus")


@step
def copies():
    with connect() as c, c.cursor() as cur:
        cur.execute("CREATE TABLE copied (id int PRIMARY KEY, v text)")
        cur.copy_from(io.StringIO("1\tone\n2\t\\N\n"), "copied", columns=("id", "v"))
        same(cur.rowcount, 2)
        cur.copy_expert("COPY copied FROM STDIN WITH (FORMAT csv, HEADER true)", io.StringIO('id,v\n3,"x,y"\n'))
        out = io.StringIO()
        cur.copy_expert("COPY (SELECT * FROM copied ORDER BY id) TO STDOUT WITH CSV HEADER", out)
        same(out.getvalue(), 'id,v\n1,one\n2,\n3,"x,y"\n')
        out = io.StringIO()
        cur.copy_to(out, "copied")
        same(sorted(out.getvalue().splitlines()), ["1\tone", "2\t\\N", "3\tx,y"])


@step
def named_cursors():
    with connect(autocommit=False) as c:
        with c.cursor("held") as cur:
            cur.itersize = 100
            cur.execute("SELECT i FROM generate_series(1, 1000) AS g(i) ORDER BY i")
            same(cur.fetchone(), (1,))
            same(cur.fetchmany(3), [(2,), (3,), (4,)])
            same(sum(row[0] for row in cur), sum(range(5, 1001)))
        with c.cursor("scrolls", scrollable=True) as cur:
            cur.execute("SELECT i FROM generate_series(1, 10) AS g(i) ORDER BY i")
            cur.scroll(5)
            same(cur.fetchone(), (6,))
            cur.scroll(0, mode="absolute")
            same(cur.fetchone(), (1,))
        cur = c.cursor("survives", withhold=True)
        cur.execute("SELECT i FROM generate_series(1, 10) AS g(i) ORDER BY i")
        c.commit()
        same(cur.fetchmany(2), [(1,), (2,)])
        cur.close()


@step
def transactions_see_their_own_writes():
    with connect(autocommit=False) as c:
        cur = c.cursor()
        cur.execute("CREATE TABLE tx (id int PRIMARY KEY, v text)")
        c.commit()
        cur.execute("INSERT INTO tx VALUES (1, 'a')")
        cur.execute("SELECT v FROM tx")
        same(cur.fetchall(), [("a",)])
        cur.execute("UPDATE tx SET v = 'b' WHERE id = 1")
        cur.execute("SELECT v FROM tx WHERE id = 1")
        same(cur.fetchall(), [("b",)])
        c.rollback()
        cur.execute("SELECT count(*) FROM tx")
        same(cur.fetchone(), (0,))
        c.rollback()


@step
def savepoints():
    with connect(autocommit=False) as c:
        cur = c.cursor()
        cur.execute("CREATE TABLE sp (id int PRIMARY KEY)")
        c.commit()
        cur.execute("INSERT INTO sp VALUES (1)")
        cur.execute("SAVEPOINT one")
        cur.execute("INSERT INTO sp VALUES (2)")
        raises("22012", cur.execute, "SELECT 1/0")
        cur.execute("ROLLBACK TO SAVEPOINT one")
        cur.execute("INSERT INTO sp VALUES (3)")
        cur.execute("RELEASE SAVEPOINT one")
        c.commit()
        cur.execute("SELECT id FROM sp ORDER BY id")
        same(cur.fetchall(), [(1,), (3,)])


@step
def errors_have_classes():
    with connect().cursor() as cur:
        for sql, kind in [
            ("SELECT nosuch", psycopg2.errors.UndefinedColumn),
            ("SELECT * FROM nosuch", psycopg2.errors.UndefinedTable),
            ("SELEC 1", psycopg2.errors.SyntaxError),
            ("SELECT 1/0", psycopg2.errors.DivisionByZero),
            ("SELECT 'x'::int", psycopg2.errors.InvalidTextRepresentation),
            ("SELECT nosuch(1)", psycopg2.errors.UndefinedFunction),
        ]:
            try:
                cur.execute(sql)
            except psycopg2.Error as e:
                assert isinstance(e, kind), (sql, e.pgcode, e)
                same(e.diag.severity, "ERROR")
            else:
                raise AssertionError(sql)
        cur.execute("CREATE TABLE uniq (id int PRIMARY KEY, v text NOT NULL)")
        raises("23502", cur.execute, "INSERT INTO uniq VALUES (1, NULL)")


@step
def cancels_and_times_out():
    c = connect()
    cur = c.cursor()
    slow = "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c"
    timer = threading.Timer(0.3, c.cancel)
    timer.start()
    raises("57014", cur.execute, slow)
    cur.execute("SET statement_timeout = '200ms'")
    raises("57014", cur.execute, slow)
    cur.execute("SET statement_timeout = 0")
    cur.execute("SELECT pg_sleep(0.01)")
    same(cur.rowcount, 1)


@step
def notifications():
    a, b = connect(), connect()
    cur = a.cursor()
    cur.execute("LISTEN news")
    b.cursor().execute("NOTIFY news, 'hello'")
    b.cursor().execute("SELECT pg_notify('news', 'again')")
    end = time.time() + 5
    while len(a.notifies) < 2 and time.time() < end:
        a.poll()
        time.sleep(0.02)
    same([(n.channel, n.payload) for n in a.notifies], [("news", "hello"), ("news", "again")])
    same(a.notifies[0].pid, b.get_backend_pid())


@step
def advisory_locks():
    a, b = connect(), connect()
    one, two = a.cursor(), b.cursor()
    one.execute("SELECT pg_advisory_lock(42)")
    two.execute("SELECT pg_try_advisory_lock(42)")
    same(two.fetchone(), (False,))
    one.execute("SELECT pg_advisory_unlock(42)")
    same(one.fetchone(), (True,))
    two.execute("SELECT pg_try_advisory_lock(42)")
    same(two.fetchone(), (True,))


@step
def pools():
    pool = psycopg2.pool.ThreadedConnectionPool(1, 5, host=HOST, port=PORT, user=USER, dbname=DATABASE)
    held = [pool.getconn() for _ in range(5)]
    for c in held:
        with c.cursor() as cur:
            cur.execute("SELECT 1")
            same(cur.fetchone(), (1,))
        pool.putconn(c)
    pool.closeall()


@step
def options_at_start():
    c = connect(options="-c search_path=public -c statement_timeout=5000", application_name="smoke")
    cur = c.cursor()
    cur.execute("SHOW statement_timeout")
    same(cur.fetchone(), ("5s",))
    cur.execute("SELECT current_setting('application_name'), current_schema(), current_user, current_database()")
    same(cur.fetchone(), ("smoke", "public", USER, DATABASE))


@step
def composite_and_hstore_look_ups():
    with connect() as c:
        same(psycopg2.extras.HstoreAdapter.get_oids(c), ((), ()))


@step
def two_phase_is_refused_or_done():
    c = connect(autocommit=False)
    state = None
    try:
        c.tpc_begin(c.xid(1, "gtrid", "bqual"))
        c.cursor().execute("SELECT 1")
        c.tpc_prepare()
        c.tpc_rollback()
    except psycopg2.Error as e:
        state = e.pgcode
    # PostgreSQL as it is installed answers 55000 (max_prepared_transactions is 0)
    assert state in ("55000", "0A000"), state


run()
