"""asyncpg against a server: python3 asyncpg_smoke.py host port."""

import asyncio
import datetime
import decimal
import functools
import ipaddress
import uuid

import asyncpg
from steps import DATABASE, HOST, PORT, USER, run, same, step


def connect(**more):
    return asyncpg.connect(host=HOST, port=PORT, user=USER, database=DATABASE, **more)


def connected(f):
    """A step over one connection, in an event loop of its own."""

    @functools.wraps(f)
    def inner():
        async def go():
            c = await connect()
            try:
                await asyncio.wait_for(f(c), 60)
            finally:
                await c.close(timeout=5)

        asyncio.run(go())

    return step(inner)


@connected
async def queries_with_parameters(c):
    same(await c.fetchval("SELECT $1::int + 1", 41), 42)
    same(await c.fetchrow("SELECT $1::text AS a, $2::bigint AS b", "x", 2**40), ("x", 2**40))
    same(await c.execute("SELECT 1; SELECT 2"), "SELECT 1")
    same(dict(await c.fetchrow("SELECT 1 AS a, NULL::text AS b")), {"a": 1, "b": None})
    assert c.get_server_version().major >= 14
    same(c.get_settings().server_encoding, "UTF8")


VALUES = [
    ("boolean", True),
    ("smallint", -32768),
    ("int", 2147483647),
    ("bigint", 2**63 - 1),
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
    ("jsonb", '{"a": [1, 2.5, null]}'),
    ("json", '{"a": 1}'),
    ("int[]", [1, None, 3]),
    ("text[]", ["a", 'with "quotes"', None, ""]),
    ("bigint[]", []),
    ("timestamptz[]", [datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)]),
]


@connected
async def values_of_every_type(c):
    for n, (kind, value) in enumerate(VALUES):
        await c.execute(f"CREATE TABLE t{n} (id int PRIMARY KEY, v {kind})")
        same(await c.execute(f"INSERT INTO t{n} VALUES ($1, $2), (2, NULL)", 1, value), "INSERT 0 2")
        rows = await c.fetch(f"SELECT v FROM t{n} ORDER BY id")
        same([r["v"] for r in rows], [value, None])
        same(await c.fetchval(f"SELECT $1::{kind}", value), value)


@connected
async def executemany_and_copy(c):
    await c.execute("CREATE TABLE m (id int PRIMARY KEY, v text, at timestamptz)")
    now = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
    await c.executemany("INSERT INTO m VALUES ($1, $2, $3)", [(i, f"v{i}", now) for i in range(1000)])
    same(await c.fetchval("SELECT count(*) FROM m"), 1000)
    records = [(i, "copied", now) for i in range(1000, 3000)]
    same(await c.copy_records_to_table("m", records=records), "COPY 2000")
    same(await c.fetchval("SELECT count(*) FROM m WHERE v = $1", "copied"), 2000)
    rows = await c.fetchmany("INSERT INTO m VALUES ($1, $2, $3) RETURNING id", [(9001, "r", now), (9002, "r", None)])
    same([r["id"] for r in rows], [9001, 9002])


@connected
async def cursors_with_prefetch(c):
    async with c.transaction():
        seen = [r[0] async for r in c.cursor("SELECT i FROM generate_series(1, $1::int) AS g(i) ORDER BY i", 500, prefetch=50)]
        same(seen, list(range(1, 501)))
        cur = await c.cursor("SELECT i FROM generate_series(1, 100) AS g(i) ORDER BY i")
        same(await cur.forward(10), 10)
        same([r[0] for r in await cur.fetch(3)], [11, 12, 13])


@connected
async def transactions_and_savepoints(c):
    await c.execute("CREATE TABLE tx (id int PRIMARY KEY)")
    async with c.transaction(isolation="serializable"):
        await c.execute("INSERT INTO tx VALUES (1)")
        try:
            async with c.transaction():
                await c.execute("INSERT INTO tx VALUES (2)")
                raise RuntimeError("undo")
        except RuntimeError:
            pass
        async with c.transaction():
            await c.execute("INSERT INTO tx VALUES (3)")
        same([r[0] for r in await c.fetch("SELECT id FROM tx ORDER BY id")], [1, 3])
    same([r[0] for r in await c.fetch("SELECT id FROM tx ORDER BY id")], [1, 3])
    async with c.transaction(isolation="repeatable_read", readonly=True):
        same(await c.fetchval("SHOW transaction_read_only"), "on")
        same(await c.fetchval("SHOW transaction_isolation"), "repeatable read")


@connected
async def prepared_statements(c):
    p = await c.prepare("SELECT $1::int AS a, $2::text AS b")
    same([(t.oid, t.name) for t in p.get_parameters()], [(23, "int4"), (25, "text")])
    same([(a.name, a.type.name) for a in p.get_attributes()], [("a", "int4"), ("b", "text")])
    same(await p.fetchval(5, "x"), 5)
    await c.execute("CREATE TABLE inferred (id int PRIMARY KEY, v text, n numeric(10,2))")
    p = await c.prepare("INSERT INTO inferred VALUES ($1, $2, $3)")
    same([t.name for t in p.get_parameters()], ["int4", "text", "numeric"])
    p = await c.prepare("SELECT v FROM inferred WHERE id = $1 AND n > $2 LIMIT $3")
    same([t.name for t in p.get_parameters()], ["int4", "numeric", "int8"])
    plan = await (await c.prepare("SELECT 1")).explain()
    assert isinstance(plan, list) and "Plan" in plan[0], plan


@connected
async def listens(c):
    got = asyncio.Queue()
    await c.add_listener("news", lambda *a: got.put_nowait(a[2:]))
    other = await connect()
    await other.execute("NOTIFY news, 'hello'")
    same(await asyncio.wait_for(got.get(), 5), ("news", "hello"))
    await other.close()
    await c.reset()


@connected
async def cancels_by_timeout(c):
    try:
        await c.fetchval("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c", timeout=0.3)
    except asyncio.TimeoutError:
        pass
    else:
        raise AssertionError("no timeout")
    same(await c.fetchval("SELECT 1"), 1)


@connected
async def type_look_up_and_codecs(c):
    import json

    await c.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    same(await c.fetchval("SELECT $1::jsonb", {"a": 1}), {"a": 1})
    # types that the driver does not know are looked up in the catalog
    same(await c.fetchval("SELECT 'pg_class'::regclass::text"), "pg_class")
    same(await c.fetch("SELECT nspname FROM pg_namespace WHERE nspname = 'public'"), [("public",)])
    same(await c.fetchval("SELECT proargtypes FROM pg_proc WHERE proname = 'lower' AND pronargs = 1 LIMIT 1"), [25])


@step
def pools_reset_their_connections():
    async def go():
        async with asyncpg.create_pool(host=HOST, port=PORT, user=USER, database=DATABASE, min_size=2, max_size=5) as pool:
            async with pool.acquire() as c:
                await c.execute("SET statement_timeout = '5s'")
            same(await asyncio.gather(*[pool.fetchval("SELECT $1::int", i) for i in range(50)]), list(range(50)))
            async with pool.acquire() as c:
                same(await c.fetchval("SHOW statement_timeout"), "0")

    asyncio.run(go())


@connected
async def errors_have_classes(c):
    for sql, kind in [
        ("SELECT nosuch", asyncpg.UndefinedColumnError),
        ("SELECT * FROM nosuch", asyncpg.UndefinedTableError),
        ("SELEC 1", asyncpg.PostgresSyntaxError),
        ("SELECT 1/0", asyncpg.DivisionByZeroError),
    ]:
        try:
            await c.fetch(sql)
        except kind:
            pass
        else:
            raise AssertionError(sql)


run()
