"""Django against a server: python3 django_project/smoke.py host port. Migrations of an app and of contrib, inspectdb, the ORM."""

import datetime
import decimal
import io
import pathlib
import sys

import django
from django.conf import settings

sys.path[0] = str(pathlib.Path(__file__).parent)
from steps import DATABASE, HOST, PORT, USER, run, same, step  # noqa: E402

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.admin", "django.contrib.messages", "shop"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": HOST, "PORT": PORT, "USER": USER, "NAME": DATABASE}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    TIME_ZONE="America/Chicago",
    SECRET_KEY="not secret",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"context_processors": ["django.contrib.auth.context_processors.auth", "django.contrib.messages.context_processors.messages", "django.template.context_processors.request"]},
        }
    ],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware", "django.contrib.messages.middleware.MessageMiddleware"],
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from django.db.models import Avg, Count, F, Q, Sum  # noqa: E402
from django.db.models.functions import Coalesce, Lower, TruncDay  # noqa: E402
from shop.models import Article, Category, Reading  # noqa: E402

DAY = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


def command(*args, **more):
    out = io.StringIO()
    call_command(*args, stdout=out, **more)
    return out.getvalue()


@step
def checks_the_database():
    command("check", databases=["default"])
    with connection.cursor() as c:
        c.execute("SELECT %s::int + 1", [1])
        same(c.fetchone(), (2,))
    assert connection.pg_version >= 140000


@step
def inspects_without_migrations():
    with connection.cursor() as c:
        stream = "STREAM" if connection_is_everfold(c) else "TABLE"
        c.execute(f"CREATE {stream} ev (who varchar(20) NOT NULL, n int, amount numeric(10,2), at timestamptz)")
        c.execute("CREATE TABLE ks (id bigint PRIMARY KEY, v text, ok boolean, d date, x double precision, u uuid, j jsonb)")
        c.execute("CREATE MATERIALIZED VIEW tot AS SELECT who, count(*) AS n FROM ev GROUP BY who")
    told = command("inspectdb", include_views=True)
    for line in [
        "class Ev(models.Model):",
        "who = models.CharField(max_length=20)",
        "amount = models.DecimalField(max_digits=10, decimal_places=2, blank=True, null=True)",
        "at = models.DateTimeField(blank=True, null=True)",
        "class Ks(models.Model):",
        "id = models.BigIntegerField(primary_key=True)",
        "v = models.TextField(blank=True, null=True)",
        "ok = models.BooleanField(blank=True, null=True)",
        "d = models.DateField(blank=True, null=True)",
        "x = models.FloatField(blank=True, null=True)",
        "u = models.UUIDField(blank=True, null=True)",
        "j = models.JSONField(blank=True, null=True)",
        "class Tot(models.Model):",
    ]:
        assert line in told, f"{line!r} is not in:\n{told}"


def connection_is_everfold(c):
    c.execute("SELECT version()")
    return "verfold" in c.fetchone()[0]


@step
def migrates_a_table_with_a_key_of_its_own():
    command("migrate", "shop", "0001", interactive=False)
    same("shop_reading" in connection.introspection.table_names(), True)


@step
def orm_on_that_table():
    Reading.objects.all().delete()
    Reading.objects.bulk_create([Reading(id=i, name=f"n{i % 3}", value=decimal.Decimal(i) / 4, at=DAY + datetime.timedelta(hours=i), doc={"k": i}) for i in range(30)])
    same(Reading.objects.count(), 30)
    same(Reading.objects.get(pk=7).value, decimal.Decimal("1.75"))
    same(list(Reading.objects.filter(name="n1", id__lt=10).order_by("-id").values_list("id", flat=True)), [7, 4, 1])
    same(Reading.objects.filter(id__gte=20).update(name="late"), 10)
    same(list(Reading.objects.values("name").annotate(n=Count("id"), t=Sum("value")).order_by("name").values_list("name", "n")), [("late", 10), ("n0", 7), ("n1", 7), ("n2", 6)])
    same(Reading.objects.aggregate(a=Avg("value"))["a"], decimal.Decimal("3.625"))
    same(list(Reading.objects.annotate(d=TruncDay("at")).values("d").annotate(n=Count("*")).order_by("d").values_list("n", flat=True)), [3, 24, 3])
    same(Reading.objects.filter(Q(doc__k=5) | Q(id__in=[1, 2])).count(), 3)
    same(Reading.objects.filter(doc__has_key="k").count(), 30)
    same(Reading.objects.filter(name__icontains="LAT", at__date=datetime.date(2024, 1, 3)).count(), 3)
    same(Reading.objects.filter(name__startswith="n", at__year=2024).exists(), True)
    same([r.id for r in Reading.objects.order_by("id")[5:8]], [5, 6, 7])
    r = Reading.objects.get(pk=3)
    r.name = "saved"
    r.save()
    r.refresh_from_db()
    same(r.name, "saved")
    Reading.objects.filter(pk=3).update(value=F("value") + 1)
    same(Reading.objects.get(pk=3).value, decimal.Decimal("1.75"))
    same(Reading.objects.filter(id__gte=25).delete()[0], 5)
    same(Reading.objects.annotate(l=Lower("name"), c=Coalesce("name", models.Value("x"))).first().l, "n0")
    same(sum(r.id for r in Reading.objects.iterator(chunk_size=5)), sum(range(25)))
    same(Reading.objects.update_or_create(pk=1, defaults={"name": "x", "value": 1, "at": DAY, "doc": {}})[1], False)
    same(Reading.objects.get_or_create(pk=99, defaults={"name": "y", "value": 1, "at": DAY, "doc": {}})[1], True)


@step
def dumps_and_loads():
    told = command("dumpdata", "shop.reading")
    path = pathlib.Path("/tmp") / f"shop-{PORT}.json"
    path.write_text(told)
    n = Reading.objects.count()
    Reading.objects.all().delete()
    command("loaddata", str(path))
    path.unlink()
    same(Reading.objects.count(), n)


@step
def atomic_blocks():
    Reading.objects.filter(pk__gte=1000).delete()
    new = lambda i: Reading.objects.create(id=i, name="a", value=1, at=DAY, doc={})  # noqa: E731
    with transaction.atomic():
        new(1000)
        same(Reading.objects.filter(pk=1000).count(), 1)
        try:
            with transaction.atomic():
                new(1001)
                raise ValueError
        except ValueError:
            pass
        with transaction.atomic():
            new(1002)
    same(list(Reading.objects.filter(pk__gte=1000).order_by("pk").values_list("pk", flat=True)), [1000, 1002])
    with transaction.atomic():
        same(Reading.objects.select_for_update().get(pk=1000).name, "a")


@step
def migrates_identity_foreign_keys_and_indexes():
    command("migrate", "shop", "0002", interactive=False)


@step
def orm_with_foreign_keys():
    books = Category.objects.create(name="books")
    Category.objects.create(name="empty")
    assert books.pk is not None
    a = Article.objects.create(title="One", category=books, price=decimal.Decimal("9.90"))
    Article.objects.create(title="Two", category=books, price=decimal.Decimal("1.10"))
    same(Article.objects.select_related("category").get(pk=a.pk).category.name, "books")
    same(list(Category.objects.annotate(n=Count("articles")).order_by("name").values_list("name", "n")), [("books", 2), ("empty", 0)])
    same([len(c.articles.all()) for c in Category.objects.prefetch_related("articles").order_by("name")], [2, 0])
    books.delete()
    same(Article.objects.count(), 0)


@step
def migrates_alterations():
    command("migrate", "shop", interactive=False)
    same([c.name for c in connection.introspection.get_table_description(connection.cursor(), "shop_reading")], ["id", "name", "value", "at", "doc", "note"])
    with connection.cursor() as c:
        c.execute("SELECT DISTINCT note FROM shop_reading")
        same(c.fetchall(), [("none",)])


@step
def migrates_contrib():
    command("migrate", interactive=False)
    assert "auth_user" in connection.introspection.table_names()
    assert "[ ]" not in command("showmigrations")


@step
def users_and_sessions():
    from django.contrib.auth import authenticate
    from django.contrib.auth.models import Group, Permission, User
    from django.contrib.sessions.backends.db import SessionStore

    u = User.objects.create_user("ann", "ann@example.org", "secret")
    same(authenticate(username="ann", password="secret"), u)
    g = Group.objects.create(name="staff")
    g.permissions.add(Permission.objects.get(codename="add_article"))
    u.groups.add(g)
    same(User.objects.get(pk=u.pk).has_perm("shop.add_article"), True)
    s = SessionStore()
    s["k"] = 1
    s.save()
    same(SessionStore(s.session_key)["k"], 1)


@step
def inspects_constraints_and_sequences():
    with connection.cursor() as c:
        i = connection.introspection
        same(i.get_primary_key_column(c, "shop_reading"), "id")
        assert any(d["primary_key"] and d["columns"] == ["id"] for d in i.get_constraints(c, "shop_reading").values())
        assert any(d["foreign_key"] == ("shop_category", "id") for d in i.get_constraints(c, "shop_article").values())
        same(len(i.get_sequences(c, "shop_article")), 1)
        same({t.name: t.type for t in i.get_table_list(c)}["tot"], "v")


@step
def migrates_back_and_flushes():
    command("flush", interactive=False)
    same(Reading.objects.count(), 0)
    command("migrate", "shop", "zero", interactive=False)
    same("shop_reading" in connection.introspection.table_names(), False)


run()
