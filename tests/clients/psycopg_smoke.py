"""psycopg 3 against a server: python3 psycopg.py host port. Prints "ok" and ends with 0 if all is well."""

import datetime
import decimal
import ipaddress
import sys
import uuid

import psycopg
from psycopg.types.json import Jsonb

host, port = sys.argv[1], int(sys.argv[2])


def connect(**more):
    return psycopg.connect(host=host, port=port, user="ann", dbname="everfold", **more)


def prepared_statements():
    with connect(autocommit=True) as c:
        c.execute("CREATE TABLE p (id int PRIMARY KEY, v text)")
        for i in range(20):
            c.execute("INSERT INTO p VALUES (%s, %s)", (i, f"v{i}"), prepare=True)
        for i in range(20):
            row = c.execute("SELECT v FROM p WHERE id = %s", (i,), prepare=True).fetchone()
            assert row == (f"v{i}",), row
        n = c.execute("SELECT count(*) FROM p WHERE id < %s AND v LIKE %s", (10, "v%")).fetchone()
        assert n == (10,), n
        cur = c.cursor()
        cur.executemany("INSERT INTO p VALUES (%s, %s)", [(100 + i, "many") for i in range(50)])
        assert cur.rowcount == 50, cur.rowcount
        cur.execute("UPDATE p SET v = %s WHERE v = %s", ("changed", "many"))
        assert cur.rowcount == 50, cur.rowcount
        cur.execute("DELETE FROM p WHERE id >= %s", (100,))
        assert cur.rowcount == 50, cur.rowcount
        cur.execute("INSERT INTO p (id, v) VALUES (%s, %s) RETURNING id, v", (500, None))
        assert cur.fetchall() == [(500, None)]


VALUES = [
    ("boolean", True),
    ("smallint", -32768),
    ("int", 2147483647),
    ("bigint", -9223372036854775808),
    ("real", 1.5),
    ("double precision", 0.1),
    ("numeric(20,4)", decimal.Decimal("1234567890123456.7890")),
    ("numeric", decimal.Decimal("-0.5")),
    ("text", "grüß 'dich' \\ \n"),
    ("varchar(10)", "x"),
    ("bytea", b"\x00\xff\x80"),
    ("date", datetime.date(2024, 2, 29)),
    ("time", datetime.time(23, 59, 59, 999999)),
    ("timestamp", datetime.datetime(1999, 12, 31, 23, 59, 59, 1)),
    ("timestamptz", datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)),
    ("interval", datetime.timedelta(days=3, seconds=7, microseconds=5)),
    ("uuid", uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
    ("inet", ipaddress.ip_interface("10.0.0.1/8")),
    ("cidr", ipaddress.ip_network("2001:db8::/32")),
    ("int[]", [1, None, 3]),
    ("text[]", ["a", "with \"quotes\"", None, ""]),
]


def types_round_trip():
    with connect(autocommit=True) as c:
        for n, (kind, value) in enumerate(VALUES):
            c.execute(f"CREATE TABLE t{n} (id int PRIMARY KEY, v {kind})")
            c.execute(f"INSERT INTO t{n} VALUES (1, %s), (2, NULL)", (value,))
            c.execute(f"INSERT INTO t{n} VALUES (3, %b)", (value,))
            for binary in (False, True):
                with c.cursor(binary=binary) as cur:
                    cur.execute(f"SELECT v FROM t{n} ORDER BY id")
                    rows = cur.fetchall()
                    assert rows == [(value,), (None,), (value,)], (kind, binary, rows)
                    cur.execute(f"SELECT %s::{kind.split('(')[0]}", (value,))
                    assert cur.fetchone() == (value,), (kind, binary)
        c.execute("CREATE TABLE j (id int PRIMARY KEY, v jsonb)")
        c.execute("INSERT INTO j VALUES (1, %s)", (Jsonb({"a": [1, 2.5, None, "x"]}),))
        for binary in (False, True):
            with c.cursor(binary=binary) as cur:
                assert cur.execute("SELECT v FROM j").fetchone() == ({"a": [1, 2.5, None, "x"]},)


def pipelines():
    with connect(autocommit=True) as c:
        c.execute("CREATE STREAM piped (a int)")
        with c.pipeline():
            cursors = [c.execute("SELECT %s::int + 1", (i,)) for i in range(100)]
            c.execute("INSERT INTO piped VALUES (%s)", (1,))
            assert [cur.fetchone() for cur in cursors] == [(i + 1,) for i in range(100)]
        assert c.execute("SELECT count(*) FROM piped").fetchone() == (1,)
        try:
            with c.pipeline() as p:
                c.execute("INSERT INTO piped VALUES (2)")
                c.execute("SELECT 1 / 0")
                p.sync()
        except psycopg.errors.DivisionByZero:
            pass
        else:
            raise AssertionError("a division by zero went unnoticed")
        assert c.execute("SELECT 1").fetchone() == (1,)


def copies():
    with connect(autocommit=True) as c:
        c.execute("CREATE TABLE copied (id int PRIMARY KEY, v text, n numeric(10,2))")
        with c.cursor() as cur:
            with cur.copy("COPY copied FROM STDIN") as copy:
                for i in range(1000):
                    copy.write_row((i, None if i % 7 == 0 else f"tab\t{i}", decimal.Decimal(i) / 4))
            with cur.copy("COPY copied (id, v) FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["int4", "text"])
                for i in range(1000, 1100):
                    copy.write_row((i, "b"))
            with cur.copy("COPY (SELECT id, v FROM copied ORDER BY id) TO STDOUT") as copy:
                copy.set_types(["int4", "text"])
                rows = list(copy.rows())
            assert len(rows) == 1100 and rows[1] == (1, "tab\t1") and rows[7] == (7, None), rows[:8]
            with cur.copy("COPY (SELECT id, n FROM copied WHERE id < 3 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
                copy.set_types(["int4", "numeric"])
                rows = list(copy.rows())
            assert rows == [(0, decimal.Decimal("0.00")), (1, decimal.Decimal("0.25")), (2, decimal.Decimal("0.50"))], rows
            try:
                with cur.copy("COPY copied (id, v) FROM STDIN") as copy:
                    copy.write("5000\tgood\nbad\tline\n")
            except psycopg.errors.InvalidTextRepresentation as e:
                assert "line 2" in e.diag.context, e.diag.context
            else:
                raise AssertionError("a bad line went unnoticed")
            assert cur.execute("SELECT count(*) FROM copied WHERE id >= 5000").fetchone() == (0,)


def named_cursors():
    with connect() as c:
        with c.cursor("held") as cur:
            cur.itersize = 100
            cur.execute("SELECT i FROM generate_series(1, 1000) AS g(i) ORDER BY i")
            assert cur.fetchone() == (1,)
            assert cur.fetchmany(3) == [(2,), (3,), (4,)]
            assert sum(row[0] for row in cur) == sum(range(5, 1001))
        with c.cursor("given") as cur:
            cur.execute("SELECT i FROM generate_series(1, %s) AS g(i) WHERE i > %s", (9, 7))
            assert cur.fetchall() == [(8,), (9,)]
        plan = c.execute("EXPLAIN SELECT i FROM generate_series(1, %s) AS g(i)", (9,)).fetchall()
        assert "position" in plan[-1][0], plan


def transactions_and_errors():
    with connect() as c:
        c.execute("CREATE STREAM tx (a int)")
        c.commit()
        c.execute("INSERT INTO tx VALUES (1)")
        c.rollback()
        c.execute("INSERT INTO tx VALUES (2)")
        c.commit()
        try:
            c.execute("SELECT nosuch FROM tx")
        except psycopg.errors.UndefinedColumn as e:
            assert e.diag.statement_position == "8", e.diag.statement_position
        else:
            raise AssertionError("an unknown column went unnoticed")
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
        c.rollback()
        assert c.execute("SELECT a FROM tx").fetchall() == [(2,)]
        assert c.info.parameter_status("server_encoding") == "UTF8"
        c.commit()
        with c.transaction():
            c.execute("INSERT INTO tx VALUES (3)")
        assert c.execute("SELECT count(*) FROM tx").fetchone() == (2,)


for step in (prepared_statements, types_round_trip, pipelines, copies, named_cursors, transactions_and_errors):
    try:
        step()
    except BaseException:
        print(f"in {step.__name__}:", file=sys.stderr)
        raise
print("ok")
