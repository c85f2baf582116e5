"""SQLAlchemy against a server: python3 sqlalchemy_smoke.py host port. Core, reflection, ORM; over psycopg2, psycopg 3 and asyncpg."""

import asyncio
import datetime
import decimal
import enum
import uuid

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from steps import DATABASE, HOST, PORT, USER, raises, run, same, step

URL = f"postgresql+psycopg2://{USER}@{HOST}:{PORT}/{DATABASE}"
engine = sa.create_engine(URL)


class Base(orm.DeclarativeBase):
    pass


class Level(enum.Enum):
    silver = "silver"
    gold = "gold"


class Customer(Base):
    __tablename__ = "customers"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40), index=True)
    level: orm.Mapped[str] = orm.mapped_column(server_default="silver")
    since: orm.Mapped[datetime.datetime] = orm.mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    orders: orm.Mapped[list["Order"]] = orm.relationship(back_populates="customer", cascade="all, delete-orphan")


class Order(Base):
    __tablename__ = "orders"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    customer_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("customers.id"))
    total: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(10, 2))
    note: orm.Mapped[dict | None] = orm.mapped_column(pg.JSONB)
    customer: orm.Mapped[Customer] = orm.relationship(back_populates="orders")


class Plain(Base):
    """Keys of the application's own, no defaults, no foreign keys: the least that an ORM asks of a table."""

    __tablename__ = "plain"
    id: orm.Mapped[uuid.UUID] = orm.mapped_column(primary_key=True, default=uuid.uuid4)
    a: orm.Mapped[int]
    b: orm.Mapped[str | None]
    n: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(10, 2))
    at: orm.Mapped[datetime.datetime] = orm.mapped_column(sa.DateTime(timezone=True))
    tags: orm.Mapped[list] = orm.mapped_column(pg.ARRAY(sa.Text))
    doc: orm.Mapped[dict] = orm.mapped_column(pg.JSONB)


NOW = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def plain(a, **more):
    return Plain(a=a, **{"b": f"b{a}", "n": decimal.Decimal("1.50"), "at": NOW, "tags": ["x", "y"], "doc": {"k": a}} | more)


@step
def connects():
    with engine.connect() as c:
        same(c.scalar(sa.text("SELECT 1")), 1)
        assert engine.dialect.server_version_info >= (14,), engine.dialect.server_version_info
        same(engine.dialect.default_schema_name, "public")
        assert c.get_isolation_level() in ("READ COMMITTED", "SERIALIZABLE")
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as c:
        same(c.get_isolation_level(), "SERIALIZABLE")
        same(c.scalar(sa.text("SHOW transaction_isolation")), "serializable")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
        same(c.scalar(sa.select(sa.literal(5))), 5)


@step
def create_all_plain():
    Base.metadata.create_all(engine, tables=[Plain.__table__])
    Base.metadata.create_all(engine, tables=[Plain.__table__])  # the second finds it
    assert sa.inspect(engine).has_table("plain")


@step
def orm_plain():
    with orm.Session(engine) as s:
        s.add_all([plain(i) for i in range(20)])
        s.flush()
        same(s.scalar(sa.select(sa.func.count()).select_from(Plain)), 20)  # its own writes
        s.commit()
        one = s.scalars(sa.select(Plain).where(Plain.a == 7)).one()
        same((one.b, one.n, one.at, one.tags, one.doc), ("b7", decimal.Decimal("1.50"), NOW, ["x", "y"], {"k": 7}))
        one.b = "changed"
        s.commit()
        s.refresh(one)
        same(one.b, "changed")
        s.delete(one)
        s.commit()
        same(s.scalars(sa.select(Plain.a).where(Plain.a.in_([6, 7, 8])).order_by(Plain.a)).all(), [6, 8])
        same(s.execute(sa.update(Plain).where(Plain.a < 3).values(b="low")).rowcount, 3)
        same(s.execute(sa.delete(Plain).where(Plain.a >= 18)).rowcount, 2)
        s.commit()
        same(s.scalar(sa.select(sa.func.sum(Plain.n))), decimal.Decimal("25.50"))
        same(s.scalars(sa.select(Plain.a).where(Plain.doc["k"].astext == "5")).all(), [5])
        same(s.scalars(sa.select(Plain.a).where(Plain.tags.contains(["x"])).order_by(Plain.a).limit(2).offset(1)).all(), [1, 2])
        same(s.scalars(sa.select(Plain.a).where(Plain.b.ilike("LO%")).order_by(Plain.a.desc())).all(), [2, 1, 0])
        rows = s.execute(sa.select(sa.func.date_trunc("day", Plain.at).label("d"), sa.func.count()).group_by("d")).all()
        same(rows, [(datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc), 17)])


@step
def orm_bulk_insert_with_returning():
    with orm.Session(engine) as s:
        new = s.scalars(sa.insert(Plain).returning(Plain), [vars_of(plain(i)) for i in range(100, 110)]).all()
        same(sorted(p.a for p in new), list(range(100, 110)))
        s.rollback()
        same(s.scalar(sa.select(sa.func.count()).where(Plain.a >= 100)), 0)


def vars_of(p):
    return {"id": uuid.uuid4(), **{k: getattr(p, k) for k in ("a", "b", "n", "at", "tags", "doc")}}


@step
def orm_upsert():
    key = uuid.uuid4()
    row = {"id": key, "a": 500, "b": "first", "n": 1, "at": NOW, "tags": [], "doc": {}}
    with engine.begin() as c:
        c.execute(pg.insert(Plain).values(row))
        insert = pg.insert(Plain).values(row | {"b": "second"})
        c.execute(insert.on_conflict_do_update(index_elements=[Plain.id], set_={"b": insert.excluded.b}))
        c.execute(pg.insert(Plain).values(row | {"b": "third"}).on_conflict_do_nothing())
        same(c.execute(sa.select(Plain.b).where(Plain.id == key)).all(), [("second",)])


@step
def create_all_with_sequences_keys_and_indexes():
    Base.metadata.create_all(engine)
    i = sa.inspect(engine)
    same(sorted(i.get_table_names()), ["customers", "orders", "plain"])


@step
def orm_relationships():
    with orm.Session(engine) as s:
        ann = Customer(name="ann", orders=[Order(total=decimal.Decimal("4.20")), Order(total=decimal.Decimal("31"), note={"gift": True})])
        s.add_all([ann, Customer(name="bob")])
        s.flush()
        assert ann.id is not None and all(o.customer_id == ann.id for o in ann.orders)
        s.commit()
        same((ann.level, ann.since.tzinfo is not None), ("silver", True))
        same(s.scalars(sa.select(Order).join(Order.customer).where(Customer.name == "ann").order_by(Order.total)).all()[1].note, {"gift": True})
        loaded = s.scalars(sa.select(Customer).options(orm.selectinload(Customer.orders)).order_by(Customer.name)).all()
        same([(c.name, len(c.orders)) for c in loaded], [("ann", 2), ("bob", 0)])
        joined = s.scalars(sa.select(Customer).options(orm.joinedload(Customer.orders)).where(Customer.name == "ann")).unique().one()
        same(len(joined.orders), 2)
        rows = s.execute(sa.select(Customer.name, sa.func.sum(Order.total)).outerjoin(Order).group_by(Customer.name).order_by(Customer.name)).all()
        same(rows, [("ann", decimal.Decimal("35.20")), ("bob", None)])
        s.delete(ann)
        s.commit()
        same(s.scalar(sa.select(sa.func.count()).select_from(Order)), 0)


@step
def nested_transactions():
    with orm.Session(engine) as s, s.begin():
        s.add(plain(900))
        try:
            with s.begin_nested():
                s.add(plain(901))
                s.flush()
                raise RuntimeError("undo")
        except RuntimeError:
            pass
        with s.begin_nested():
            s.add(plain(902))
    with orm.Session(engine) as s:
        same(s.scalars(sa.select(Plain.a).where(Plain.a >= 900).order_by(Plain.a)).all(), [900, 902])


@step
def rollback_undoes():
    with orm.Session(engine) as s:
        s.add(plain(1000))
        s.flush()
        s.rollback()
        same(s.scalar(sa.select(sa.func.count()).where(Plain.a == 1000)), 0)


@step
def fixture_for_reflection():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
        stream = "STREAM" if "verfold" in c.scalar(sa.text("SELECT version()")) else "TABLE"
        for sql in [
            f"CREATE {stream} events (who text NOT NULL, n int, amount numeric(10,2), at timestamptz, tags text[], doc jsonb)",
            "CREATE TABLE keyed (a int, b text, c double precision, PRIMARY KEY (a, b))",
            "CREATE VIEW recent AS SELECT who, n FROM events WHERE n > 1",
            "CREATE MATERIALIZED VIEW totals AS SELECT who, count(*) AS n, sum(amount) AS total FROM events GROUP BY who",
        ]:
            c.execute(sa.text(sql))
        c.execute(sa.text("INSERT INTO events VALUES ('ann', 1, 2.50, now(), '{a}', '{}'), ('ann', 2, 3.50, now(), NULL, NULL)"))
        if stream == "TABLE":
            c.execute(sa.text("REFRESH MATERIALIZED VIEW totals"))


@step
def inspector():
    i = sa.inspect(engine)
    assert {"public", "information_schema"} <= set(i.get_schema_names()), i.get_schema_names()
    assert {"events", "keyed", "plain"} <= set(i.get_table_names()), i.get_table_names()
    same(i.get_view_names(), ["recent"])
    same(i.get_materialized_view_names(), ["totals"])
    same(i.get_temp_table_names(), [])
    columns = {c["name"]: c for c in i.get_columns("events")}
    same(list(columns), ["who", "n", "amount", "at", "tags", "doc"])
    same([str(c["type"]) for c in columns.values()], ["TEXT", "INTEGER", "NUMERIC(10, 2)", "TIMESTAMP", "ARRAY", "JSONB"])
    same(str(columns["tags"]["type"].item_type), "TEXT")
    same([c["nullable"] for c in columns.values()], [False, True, True, True, True, True])
    same(columns["at"]["type"].timezone, True)
    same(i.get_pk_constraint("keyed")["constrained_columns"], ["a", "b"])
    same(i.get_pk_constraint("events")["constrained_columns"], [])
    same([str(c["type"]) for c in i.get_columns("totals")], ["TEXT", "BIGINT", "NUMERIC"])
    assert "FROM events" in " ".join(i.get_view_definition("recent").split())
    assert "GROUP BY" in i.get_view_definition("totals")
    same(i.get_foreign_keys("keyed"), [])
    same(i.get_unique_constraints("keyed"), [])
    same(i.get_check_constraints("keyed"), [])
    same(i.get_table_comment("keyed"), {"text": None})
    same(i.get_sequence_names() if not i.has_table("customers") else [], [])
    same(i.get_enums(), [])
    same(i.get_domains(), [])
    same(i.has_table("totals"), True)
    same(i.has_table("nosuch"), False)
    raises_no_such_table(i)


def raises_no_such_table(i):
    try:
        i.get_columns("nosuch")
    except sa.exc.NoSuchTableError:
        return
    raise AssertionError("NoSuchTableError expected")


@step
def inspector_of_many_at_once():
    i = sa.inspect(engine)
    for f in ("columns", "pk_constraint", "foreign_keys", "indexes", "unique_constraints", "check_constraints", "table_comment", "table_options"):
        got = getattr(i, "get_multi_" + f)(kind=sa.engine.reflection.ObjectKind.ANY)
        assert (None, "keyed") in got, (f, list(got))
    assert (None, "totals") in i.get_multi_columns(kind=sa.engine.reflection.ObjectKind.ANY_VIEW)


@step
def autoload():
    m = sa.MetaData()
    m.reflect(engine, views=True)
    keyed = m.tables["keyed"]
    same([c.name for c in keyed.primary_key.columns], ["a", "b"])
    with engine.begin() as c:
        c.execute(keyed.insert(), [{"a": 1, "b": "x", "c": 0.5}, {"a": 2, "b": "y", "c": None}])
    with engine.connect() as c:
        same(c.execute(sa.select(keyed).order_by(keyed.c.a)).all(), [(1, "x", 0.5), (2, "y", None)])
        totals = sa.Table("totals", sa.MetaData(), autoload_with=engine)
        same(c.execute(sa.select(totals)).all(), [("ann", 2, decimal.Decimal("6.00"))])


@step
def automap():
    from sqlalchemy.ext.automap import automap_base

    base = automap_base()
    base.prepare(autoload_with=engine)
    with orm.Session(engine) as s:
        same(s.get(base.classes.keyed, (1, "x")).c, 0.5)


@step
def comments():
    m = sa.MetaData()
    t = sa.Table("told", m, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False, comment="the key"), comment="what it is")
    m.create_all(engine)
    same(sa.inspect(engine).get_table_comment("told"), {"text": "what it is"})
    same(sa.inspect(engine).get_columns("told")[0]["comment"], "the key")
    m.drop_all(engine)
    same(sa.inspect(engine).has_table("told"), False)
    assert t is not None


@step
def schemas():
    m = sa.MetaData(schema="app")
    t = sa.Table("things", m, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("v", sa.Text))
    with engine.begin() as c:
        c.execute(sa.schema.CreateSchema("app", if_not_exists=True))
    m.create_all(engine)
    with engine.begin() as c:
        c.execute(t.insert().values(id=1, v="x"))
    with engine.connect() as c:
        same(c.execute(sa.select(t)).all(), [(1, "x")])
    same(sa.inspect(engine).get_table_names(schema="app"), ["things"])
    translated = engine.execution_options(schema_translate_map={None: "app"})
    with translated.connect() as c:
        same(c.execute(sa.select(sa.Table("things", sa.MetaData(), sa.Column("v", sa.Text)))).all(), [("x",)])
    m.drop_all(engine)
    with engine.begin() as c:
        c.execute(sa.schema.DropSchema("app", cascade=True))


@step
def enums_and_checks():
    m = sa.MetaData()
    sa.Table(
        "members",
        m,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("level", sa.Enum(Level, native_enum=False, create_constraint=True)),
        sa.Column("age", sa.Integer, sa.CheckConstraint("age > 0")),
        sa.UniqueConstraint("level", "age", name="level_once"),
    )
    m.create_all(engine)
    same(sa.inspect(engine).get_unique_constraints("members")[0]["column_names"], ["level", "age"])
    assert len(sa.inspect(engine).get_check_constraints("members")) >= 1


@step
def native_enums():
    m = sa.MetaData()
    t = sa.Table("moods", m, sa.Column("id", sa.Integer, primary_key=True, autoincrement=False), sa.Column("level", sa.Enum(Level, name="level_t")))
    m.create_all(engine)
    with engine.begin() as c:
        c.execute(t.insert().values(id=1, level=Level.gold))
    with engine.connect() as c:
        same(c.execute(sa.select(t)).all(), [(1, Level.gold)])
    same(sa.inspect(engine).get_enums()[0]["labels"], ["silver", "gold"])


@step
def streams_results_from_the_server():
    with engine.connect().execution_options(stream_results=True, yield_per=100) as c:
        same(sum(r[0] for r in c.execute(sa.text("SELECT i FROM generate_series(1, 1000) AS g(i)"))), 500500)


@step
def expressions():
    with engine.connect() as c:
        values = sa.values(sa.column("a", sa.Integer), sa.column("b", sa.Text), name="v").data([(1, "x"), (2, "y"), (3, "x")])
        q = sa.select(values.c.b, sa.func.array_agg(values.c.a), sa.func.count().filter(values.c.a > 1)).group_by(values.c.b).order_by(values.c.b)
        same(c.execute(q).all(), [("x", [1, 3], 1), ("y", [2], 1)])
        w = sa.select(values.c.a, sa.func.row_number().over(partition_by=values.c.b, order_by=values.c.a)).order_by(values.c.a)
        same(c.execute(w).all(), [(1, 1), (2, 1), (3, 2)])
        tree = sa.select(sa.literal(1).label("n")).cte("tree", recursive=True)
        tree = tree.union_all(sa.select(tree.c.n + 1).where(tree.c.n < 5))
        same(c.scalar(sa.select(sa.func.sum(tree.c.n))), 15)
        same(c.scalar(sa.select(sa.extract("year", sa.cast("2024-05-06", sa.Date)))), 2024)
        same(c.scalar(sa.select(sa.cast(sa.literal("a") + "b", sa.String(1)))), "a")
        same(c.scalar(sa.select(sa.literal("x").regexp_match("^[xyz]$"))), True)
        same(c.scalar(sa.select(sa.case((sa.literal(1) == 1, "yes"), else_="no"))), "yes")


@step
def over_psycopg_3():
    e = sa.create_engine(URL.replace("psycopg2", "psycopg"))
    with orm.Session(e) as s:
        s.add(plain(2000))
        s.commit()
        same(s.scalars(sa.select(Plain.b).where(Plain.a == 2000)).one(), "b2000")
    assert sa.inspect(e).has_table("plain")
    same([c["name"] for c in sa.inspect(e).get_columns("keyed")], ["a", "b", "c"])


@step
def over_asyncpg():
    async def go():
        e = create_async_engine(URL.replace("psycopg2", "asyncpg"))
        async with AsyncSession(e) as s:
            s.add(plain(3000))
            await s.commit()
            same((await s.scalars(sa.select(Plain.b).where(Plain.a == 3000))).one(), "b3000")
        async with e.connect() as c:
            assert await c.run_sync(lambda s: sa.inspect(s).has_table("plain"))
        await e.dispose()

    asyncio.run(go())


@step
def drop_all():
    Base.metadata.drop_all(engine)
    same(sa.inspect(engine).has_table("plain"), False)


run()
