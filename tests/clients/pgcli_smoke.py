"""pgcli against a server: python3 pgcli_smoke.py host port. Its command line, its completion's look-ups, and its prompt in a terminal."""

import pathlib
import subprocess
import sys
import tempfile

import pexpect
from pgcli.pgexecute import PGExecute
from steps import DATABASE, HOST, PORT, USER, run, same, step

home = tempfile.mkdtemp(prefix="pgcli-")
program = str(pathlib.Path(sys.executable).parent / "pgcli")
ARGS = ["-h", HOST, "-p", str(PORT), "-u", USER, "-d", DATABASE, "-w"]
ENV = {"HOME": home, "XDG_CONFIG_HOME": home, "PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8", "PAGER": "cat"}


def execute():
    return PGExecute(DATABASE, USER, "", HOST, PORT, "")


@step
def fixture():
    e = execute()
    everfold = "verfold" in list(e.run("SELECT version()"))[0][1].fetchall()[0][0]
    for sql in [
        f"CREATE {'STREAM' if everfold else 'TABLE'} ev (who text NOT NULL, n int, at timestamptz)",
        "CREATE TABLE ks (k int PRIMARY KEY, v text)",
        "CREATE VIEW vw AS SELECT who FROM ev",
        "CREATE MATERIALIZED VIEW tot AS SELECT who, count(*) AS n FROM ev GROUP BY who",
        "INSERT INTO ks VALUES (1, 'one'), (2, NULL)",
    ]:
        for _, _, _, status, *_ in e.run(sql):
            assert status is not None


@step
def look_ups_of_the_completion():
    e = execute()
    same(e.search_path(), ["pg_catalog", "public"])
    assert "public" in e.schemata()
    same(sorted(t for t in e.tables() if t[0] == "public"), [("public", "ev"), ("public", "ks")])
    same(sorted(t for t in e.views() if t[0] == "public"), [("public", "tot"), ("public", "vw")])
    columns = [c[:5] for c in e.table_columns()]
    same([c for c in columns if c[1] == "ks"], [("public", "ks", "k", "integer", False), ("public", "ks", "v", "text", False)])
    same([c[:4] for c in e.view_columns() if c[1] == "tot"], [("public", "tot", "who", "text"), ("public", "tot", "n", "bigint")])
    same(list(e.foreignkeys()), [])
    assert DATABASE in e.databases()
    assert any(f.func_name == "lower" for f in e.functions())
    assert any(t[1] == "int4" for t in e.datatypes()) or list(e.datatypes()) == []
    list(e.casing())
    assert USER in [r[0] if isinstance(r, tuple) else r for r in roles(e)]


def roles(e):
    return [r[0] for r in list(e.run("SELECT rolname FROM pg_roles"))[0][1].fetchall()]


@step
def refreshes_its_completion():
    from pgcli.completion_refresher import CompletionRefresher

    refresher, done = CompletionRefresher(), []
    from pgspecial.main import PGSpecial

    refresher.refresh(execute(), PGSpecial(), done.append, settings={})
    refresher._completer_thread.join(60)
    same(len(done), 1)
    from prompt_toolkit.document import Document

    # the look-up finds tables and columns
    text = "SELECT * FROM "
    assert {"ev", "ks", "tot", "vw"} <= {c.text for c in done[0].get_completions(Document(text, len(text)), None)}
    text = "SELECT  FROM ks"
    assert {"k", "v"} <= {c.text for c in done[0].get_completions(Document(text, 7), None)}


@step
def piped_statements():
    done = subprocess.run([program, *ARGS, "--less-chatty"], input="SELECT k, v FROM ks ORDER BY k;\n\\q\n", capture_output=True, text=True, env=ENV, timeout=60)
    print(done.stdout, done.stderr)
    assert "| 1 | one    |" in done.stdout and "| 2 | <null> |" in done.stdout and "SELECT 2" in done.stdout


@step
def lists_databases():
    done = subprocess.run([program, *ARGS, "--list"], capture_output=True, text=True, env=ENV, timeout=60)
    print(done.stdout, done.stderr)
    assert DATABASE in done.stdout and done.returncode == 0


@step
def special_commands():
    from pgspecial.main import PGSpecial

    e = execute()
    special = PGSpecial()
    bad = []
    for command in ["\\d", "\\d ks", "\\d+ ks", "\\d tot", "\\d+ tot", "\\d ev", "\\dt", "\\dt+", "\\dv", "\\dm", "\\di", "\\ds", "\\df", "\\df md5", "\\dT", "\\dn", "\\du", "\\dx", "\\l", "\\dp", "\\ddp", "\\dD", "\\dE", "\\dF", "\\db", "\\sf version", "\\timing"]:
        for title, rows, headers, status, sql, success, *_ in e.run(command, special):
            if rows is not None and not isinstance(rows, list):
                rows = rows.fetchall()
            print(command, headers, rows and rows[:3], status)
            if not success:
                bad.append(f"{command}: {str(status).strip().splitlines()[0]}")
    same(bad, [])


@step
def at_its_prompt():
    p = pexpect.spawn(program, [*ARGS, "--less-chatty"], env=ENV, encoding="utf-8", timeout=30, dimensions=(40, 160))
    p.expect("everfold>")
    p.sendline("SELECT 6 * 7 AS answer;")
    p.expect("42")
    p.expect("SELECT 1")
    p.sendline("BEGIN;")
    p.expect("BEGIN")
    p.sendline("SELECT nosuch;")
    p.expect("does not exist")
    p.sendline("ROLLBACK;")
    p.expect("ROLLBACK")
    p.sendline("\\q")
    p.expect([pexpect.EOF, "Goodbye"])


run()
