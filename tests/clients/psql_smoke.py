"""psql against a server: python3 psql_smoke.py host port. Its backslash commands, scripts, and tab completion in a terminal."""

import os
import pathlib
import re
import subprocess
import tempfile
import time

import pexpect
from steps import DATABASE, HOST, PORT, USER, run, same, step

home = pathlib.Path(tempfile.mkdtemp(prefix="psql-"))
ARGS = ["psql", "-X", "-h", HOST, "-p", str(PORT), "-U", USER, "-d", DATABASE, "-v", "VERBOSITY=verbose"]
ENV = os.environ | {"HOME": str(home), "PAGER": "cat", "TERM": "xterm", "LC_ALL": "C.UTF-8", "PSQL_HISTORY": "/dev/null"}
VERSION = int(re.search(r"(\d+)", subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout).group(1))


def psql(text, *more, check=True):
    """Output of a script; its standard error has to be empty, unless `check` is off (then it is returned too)."""
    done = subprocess.run([*ARGS, *more], input=text, capture_output=True, text=True, env=ENV, cwd=home, timeout=60)
    print(f"$ {text.strip()}\n{done.stdout}{done.stderr}")
    if check:
        assert not done.stderr, f"{text.strip().splitlines()[0]}: {done.stderr}"
        return done.stdout
    return done.stdout, done.stderr


def value(text):
    return psql(text, "-qAt").strip()


def has(output, *parts):
    for part in parts:
        assert part in output, f"{part!r} is not in:\n{output}"


@step
def fixture():
    everfold = "verfold" in value("SELECT version()")
    psql(
        f"""CREATE {'STREAM' if everfold else 'TABLE'} hits (who text NOT NULL, n int, amount numeric(10,2), at timestamptz);
CREATE TABLE ks (k int PRIMARY KEY, v text);
CREATE VIEW vw AS SELECT who FROM hits WHERE n > 1;
CREATE MATERIALIZED VIEW tot AS SELECT who, count(*) AS n FROM hits GROUP BY who;
INSERT INTO ks VALUES (1, 'one'), (2, 'two'), (3, NULL);"""
    )


@step
def describes_relations():
    out = psql("\\d")
    has(out, "| hits ", "| ks ", "| vw ", "| tot ", "materialized view", "List of relations")
    out = psql("\\d ks")
    has(out, 'Table "public.ks"', " k      | integer |           | not null |", '"ks_pkey" PRIMARY KEY, btree (k)')
    has(psql("\\d+ ks"), "Storage", "plain", "extended")
    has(psql("\\d+ vw"), 'View "public.vw"', "View definition:", "n > 1")
    has(psql("\\d+ tot"), 'Materialized view "public.tot"', "GROUP BY")
    has(psql("\\d hits"), 'Table "public.hits"', "numeric(10,2)", "timestamp with time zone")
    has(psql("\\d ks_pkey"), 'Index "public.ks_pkey"', 'primary key, btree, for table "public.ks"')
    has(psql("\\d nosuch", check=False)[1], 'Did not find any relation named "nosuch".')
    has(psql("\\d pg_class"), 'Table "pg_catalog.pg_class"', "relname")


# Each command, and what its output has to have
LISTS = [
    ("\\dt", " public | ks "), ("\\dt+", "Size"), ("\\dt pub*.k?", " public | ks "), ("\\dv", " public | vw "), ("\\dv+", "view"), ("\\dm", " public | tot "), ("\\dm+", "materialized view"),
    ("\\di", "ks_pkey"), ("\\di+", "btree"), ("\\ds", ""), ("\\dE", ""), ("\\dS pg_class", "pg_class"), ("\\dtvmS+ ks", "ks"), ("\\df", ""), ("\\df lower", "pg_catalog | lower"),
    ("\\dfS+ md5", "md5"), ("\\df nosuch*", ""), ("\\da count", "count"), ("\\dT", ""), ("\\dTS int4", "integer"), ("\\dTS+ text", "text"), ("\\do", ""), ("\\doS ||", "||"), ("\\dn", "public"),
    ("\\dn+", "public"), ("\\dnS", "pg_catalog"), ("\\du", USER), ("\\du+", USER), ("\\dg", USER), ("\\l", DATABASE), ("\\l+", DATABASE), ("\\dp", "ks"), ("\\z ks", "ks"), ("\\ddp", ""), ("\\drds", ""),
    ("\\dx", ""), ("\\dx+", ""), ("\\dy", ""), ("\\des", ""), ("\\dew", ""), ("\\det", ""), ("\\deu", ""), ("\\dD", ""), ("\\dc", ""), ("\\dC", ""), ("\\dd", ""), ("\\dF", ""), ("\\dFd", ""), ("\\dFp", ""),
    ("\\dFt", ""), ("\\dL", ""), ("\\dLS", ""), ("\\dO", ""), ("\\dOS", "C"), ("\\dP", ""), ("\\dRp", ""), ("\\dRs", ""), ("\\dX", ""), ("\\dA", "heap"), ("\\dA+", "heap"), ("\\dAc", ""), ("\\dAf", ""), ("\\dAo", ""),
    ("\\dAp", ""), ("\\db", ""), ("\\db+", ""), ("\\dconfig statement_timeout", "statement_timeout"), ("\\lo_list", ""), ("\\sv vw", "CREATE OR REPLACE VIEW public.vw AS"), ("\\sv+ vw", "1"),
]


@step
def lists_of_all_kinds():
    bad = []
    for command, expected in LISTS:
        out, err = psql(command, check=False)
        if err and "Did not find any" not in err:
            bad.append(f"{command}: {' / '.join(err.strip().splitlines())[:200]}")
        elif expected not in out:
            bad.append(f"{command}: no {expected!r} in {out[:300]!r}")
    same(bad, [])


@step
def shows_functions_and_views():
    out, err = psql("\\sf md5(text)", check=False)
    has(out, "FUNCTION pg_catalog.md5(text)")
    has(psql("\\sv tot", check=False)[1] or "is not a view", "is not a view")


@step
def comments_are_shown():
    psql("COMMENT ON TABLE ks IS 'keys'; COMMENT ON COLUMN ks.v IS 'a value'; COMMENT ON VIEW vw IS 'a view';")
    has(psql("\\dt+"), "keys")
    has(psql("\\d+ ks"), "a value")


@step
def output_forms():
    has(psql("\\timing on\nSELECT 1;"), "Time: ")
    has(psql("\\x on\nSELECT 1 AS a, 2 AS b;"), "-[ RECORD 1 ]", "a | 1")
    has(psql("SELECT 1 AS a \\gx"), "-[ RECORD 1 ]")
    same(value("\\pset format csv\n\\pset fieldsep_zero off\nSELECT 1, 'a,b';").splitlines()[-1], '1,"a,b"')
    has(psql("SELECT k, v FROM ks ORDER BY k;"), " 1 | one\n", "(3 rows)")
    has(psql("\\pset null '(none)'\nSELECT v FROM ks WHERE k = 3;"), "(none)")
    has(psql("\\H\nSELECT 1 AS a;"), "<table")
    same(value("SELECT 5 \\g out.txt\n\\! cat out.txt").strip(), "5")
    same(value("SELECT 6 \\g | cat"), "6")


@step
def crosstab():
    out = psql("SELECT * FROM (VALUES ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3)) AS t(r, c, n) ORDER BY 1, 2 \\crosstabview")
    has(out, " r | x | y ", " a | 1 | 2", " b | 3 |")


@step
def gdesc():
    out = psql("SELECT k, v, 1.5::numeric(4,1) AS n, ARRAY[1] AS a, now() AS t, 'x'::varchar(3) AS c FROM ks \\gdesc")
    has(out, " k      | integer", " v      | text", "numeric(4,1)", "integer[]", "timestamp with time zone", "character varying(3)")
    has(psql("CREATE TABLE nothing_happens (a int) \\gdesc"), "no result")


@step
def gexec_and_gset():
    out = psql("SELECT format('SELECT %s * 2 AS twice', k) FROM ks ORDER BY k \\gexec")
    has(out, "twice", "2", "4", "6")
    same(value("SELECT count(*) AS n, max(k) AS m FROM ks \\gset p_\n\\echo :p_n :p_m"), "3 3")
    same(value("\\set name o''ne\n\\set k 1\nSELECT v, :'name' FROM ks WHERE k = :k;"), "one|one")
    same(value('\\set col v\nSELECT :"col" FROM ks WHERE k = 2;'), "two")


@step
def scripts():
    (home / "sub").mkdir(exist_ok=True)
    (home / "one.sql").write_text("\\ir sub/two.sql\nSELECT 'one';\n")
    (home / "sub" / "two.sql").write_text("SELECT 'two';\n")
    same(value("\\i one.sql").split(), ["two", "one"])
    done = subprocess.run([*ARGS, "-qAt", "-f", "one.sql"], capture_output=True, text=True, env=ENV, cwd=home)
    same((done.stdout.split(), done.returncode), (["two", "one"], 0))
    same(value("SELECT EXISTS (SELECT 1 FROM ks) AS there \\gset\n\\if :there\n\\echo yes\n\\else\n\\echo no\n\\endif"), "yes")
    same(value("\\if false\nSELECT 1/0;\n\\elif true\nSELECT 7;\n\\endif"), "7")
    done = subprocess.run([*ARGS, "-v", "ON_ERROR_STOP=1", "-1", "-c", "INSERT INTO ks VALUES (50, 'x')", "-c", "SELECT 1/0"], capture_output=True, text=True, env=ENV)
    same(done.returncode, 1)
    same(value("SELECT count(*) FROM ks WHERE k = 50"), "0")


@step
def on_error_rollback():
    out, err = psql("\\set ON_ERROR_ROLLBACK on\nBEGIN;\nINSERT INTO ks VALUES (60, 'kept');\nSELECT 1/0;\nINSERT INTO ks VALUES (61, 'kept');\nCOMMIT;\nSELECT count(*) FROM ks WHERE v = 'kept';", check=False)
    has(err, "22012")
    has(out, "COMMIT", "     2")
    psql("DELETE FROM ks WHERE k >= 60;")


@step
def copies():
    (home / "in.csv").write_text("k,v\n10,ten\n11,\n")
    same(value("\\copy ks FROM in.csv WITH (FORMAT csv, HEADER)\nSELECT count(*) FROM ks WHERE k >= 10").splitlines()[-1], "2")
    psql("\\copy (SELECT k, v FROM ks WHERE k >= 10 ORDER BY k) TO out.csv CSV HEADER")
    same((home / "out.csv").read_text(), "k,v\n10,ten\n11,\n")
    has(psql("COPY ks FROM STDIN;\n20\ttwenty\n\\.\n"), "COPY 1")
    same(value("\\copy ks TO PROGRAM 'wc -l'").strip(), "6")
    psql("DELETE FROM ks WHERE k >= 10;")


@step
def watches():
    more = "\\watch i=0.1 c=2" if VERSION >= 16 else None
    if more:
        same(psql(f"SELECT 1 AS a {more}").count("(1 row)"), 2)
        return
    p = pexpect.spawn(ARGS[0], ARGS[1:], env=ENV, encoding="utf-8", timeout=20)
    p.sendline("SELECT 1 AS a \\watch 0.1")
    p.expect(r"\(1 row\)")
    p.expect(r"\(1 row\)")
    p.sendintr()
    p.sendline("\\q")
    p.expect(pexpect.EOF)


@step
def tells_of_the_connection():
    has(psql("\\conninfo"), f'user "{USER}"' if VERSION < 18 else USER, DATABASE)
    same(value("\\encoding"), "UTF8")
    has(psql("\\encoding NOWHERE\n", check=False)[1], "NOWHERE: invalid encoding name")
    same(value("\\encoding LATIN1\n\\encoding"), "LATIN1")
    has(psql("\\c\nSELECT 1;"), "You are now connected")
    same(value("\\echo :SERVER_VERSION_NUM :DBNAME :USER :ENCODING").split()[1:], [DATABASE, USER, "UTF8"])
    assert int(value("\\echo :SERVER_VERSION_NUM")) >= 140000


@step
def tells_of_errors():
    out, err = psql("SELECT 1/0;\n\\errverbose\n\\echo :LAST_ERROR_SQLSTATE :SQLSTATE :ERROR :ROW_COUNT", check=False)
    has(out, "22012")
    has(err, "ERROR:  22012: division by zero", "LOCATION:" if "LOCATION" in err else "")
    out, err = psql("SELECT nosuch\nFROM ks;", check=False)
    has(err, "42703", "LINE 1: SELECT nosuch", "               ^")
    has(psql("\\set ECHO errors\nSELECT 1;\n\\echo :SQLSTATE"), "00000")


@step
def passwords():
    p = pexpect.spawn(ARGS[0], ARGS[1:], env=ENV, encoding="utf-8", timeout=20)
    p.expect("=[#>]")
    p.sendline("CREATE ROLE smoke LOGIN;")
    same(p.expect(["CREATE ROLE\r", "ERROR"]), 0)
    p.sendline("\\password smoke")
    p.expect("Enter new password")
    p.sendline("secret")
    p.expect("Enter it again")
    p.sendline("secret")
    # With the first password all have to log in, so it is a superuser's.
    same(p.expect(["the first role with a password has to be a superuser", "ALTER ROLE"]), 0)
    p.sendline("DROP ROLE smoke;")
    same(p.expect(["DROP ROLE\r", "ERROR"]), 0)
    p.sendline("\\q")
    p.expect(pexpect.EOF)


@step
def binds():
    if VERSION < 16:
        print("psql has no \\bind before 16")
        return
    same(value("SELECT $1::int + $2::int \\bind 1 2 \\g"), "3")


@step
def several_statements_at_once():
    same(value("SELECT 1\\; SELECT 2;").split(), ["1", "2"])
    done = subprocess.run([*ARGS, "-qAt", "-c", "SELECT 3; SELECT 4"], capture_output=True, text=True, env=ENV)
    same(done.stdout.split(), ["3", "4"])


@step
def cursors_by_fetch_count():
    same(value("\\set FETCH_COUNT 7\nSELECT i FROM generate_series(1, 50) AS g(i);").split(), [str(i) for i in range(1, 51)])


@step
def interrupts():
    p = pexpect.spawn(ARGS[0], ARGS[1:], env=ENV, encoding="utf-8", timeout=30)
    p.expect("=[#>]")
    p.sendline("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c;")
    p.expect("b, generate_series.*c;")
    time.sleep(0.5)
    p.sendintr()
    p.expect("57014")
    p.sendline("\\q")
    p.expect(pexpect.EOF)


# What is typed before the tab key, and what psql has to complete or offer
COMPLETIONS = [
    ("SELECT * FROM k", "ks "), ("SELECT * FROM public.h", "public.hits "), ("UPDATE k", "ks "), ("INSERT INTO h", "hits "), ("\\d to", "tot "), ("SELECT k FROM ks WHERE v", "v "), ("DROP MATERIALIZED VIEW t", "tot "),
    ("DROP VIEW v", "vw "), ("DROP TABLE k", "ks "), ("REFRESH MATERIALIZED VIEW t", "tot "), ("SET statement_t", "statement_timeout "), ("SHOW statement_t", "statement_timeout"), ("\\dn pub", "public "), ("SET search_p", "search_path "),
    ("COPY h", "hits "), ("EXPLAIN SEL", "SELECT "), ("CREATE MATERIALIZED V", "VIEW "), ("\\df md", "md5 "), ("\\c ever", "everfold "), ("GRANT SELECT ON k", "ks "), ("COMMENT ON TABLE k", "ks "), ("ALTER TABLE k", "ks "), ("SELECT low", "low"),
    ("\\dT in", "in"), ("LOCK TABLE k", "ks "), ("TRUNCATE k", "ks "), ("ANALYZE k", "ks "), ("\\du an", "ann "),
]


@step
def tab_completion():
    bad = []
    for typed, expected in COMPLETIONS:
        p = pexpect.spawn(ARGS[0], ARGS[1:], env=ENV, encoding="utf-8", timeout=10, dimensions=(50, 200))
        p.expect("=[#>] ?")
        p.send(typed + "\t")
        try:
            p.expect_exact(typed[: len(typed) - len(typed.split()[-1])] + expected if not expected.startswith(typed.split()[-1]) else typed + expected[len(typed.split()[-1]) :], timeout=5)
        except pexpect.TIMEOUT:
            bad.append((typed, p.buffer[-200:]))
        p.close(force=True)
    same(bad, [])


run()
