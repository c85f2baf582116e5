"""sqlsmith against a server: python3 sqlsmith_smoke.py host port seconds errors.

Random statements for a time; the server may refuse them, but neither close a connection nor answer with an internal error. sqlsmith does
not tell what it was told: the relay in front of the server (errors.py) writes that into the file `errors`, which is counted here by
SQLSTATE and message, so that refusals which hit many statements are seen.
"""

import collections
import re
import subprocess
import sys
import tempfile
import time

host, port, seconds, errors = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
TARGET = f"host={host} port={port} user=ann dbname=everfold"


def psql(sql):
    return subprocess.run(["psql", "-qXAt", TARGET, "-c", sql], capture_output=True, text=True)


everfold = "verfold" in psql("SELECT version()").stdout
for sql in [
    f"CREATE {'STREAM' if everfold else 'TABLE'} ev (who text NOT NULL, n int, amount numeric(10,2), at timestamptz, tags text[], doc jsonb)",
    "CREATE TABLE ks (k int PRIMARY KEY, v text, ok boolean, d date, x double precision, u uuid)",
    "INSERT INTO ev SELECT 'w' || i % 7, i, i / 4.0, now(), ARRAY['a', 'b'], '{\"a\": 1}' FROM generate_series(1, 100) AS g(i)",
    "INSERT INTO ks SELECT i, 'v' || i, i % 2 = 0, '2024-01-01', i / 3.0, NULL FROM generate_series(1, 50) AS g(i)",
    "CREATE VIEW vw AS SELECT who, n FROM ev WHERE n > 1",
    "CREATE MATERIALIZED VIEW tot AS SELECT who, count(*) AS n, sum(amount) AS total FROM ev GROUP BY who",
]:
    done = psql(sql)
    if done.returncode:
        print(f"FAILED  fixture: {done.stderr}")

failed, end, seed, statements, told = [], time.time() + seconds, 1, 0, collections.Counter()
while time.time() < end:
    with tempfile.TemporaryFile("w+") as out:
        p = subprocess.Popen(["sqlsmith", f"--target={TARGET}", f"--seed={seed}", "--verbose", "--exclude-catalog"], stdout=subprocess.DEVNULL, stderr=out)
        try:
            p.wait(timeout=max(1.0, end - time.time()))
        except subprocess.TimeoutExpired:
            p.terminate()
            p.wait()
        ended = p.returncode if time.time() < end else 0
        out.seek(0)
        text = out.read()
    # a letter per statement: . it ran, S syntax error, C connection lost, t timed out, e another error
    statements += sum(len(line) for line in text.splitlines() if re.fullmatch(r"[.SCet]+", line))
    # C: the server closed the connection, which it may for no statement
    if any("C" in line for line in text.splitlines() if re.fullmatch(r"[.SCet]+", line)):
        failed.append(f"seed {seed}: a connection was lost")
    if ended:
        failed.append(f"seed {seed}: sqlsmith ended with {ended}: {text[-600:]}")
        time.sleep(0.5)
        if len(failed) > 20:
            break
    seed += 1

for line in open(errors):
    if re.match(r"(ERROR|FATAL|PANIC) ", line):
        told[re.sub(r'"[^"]*"|\d+(?!\d*:)', "?", line.strip())[:150]] += 1
        if " XX" in line[:12]:
            failed.append(f"an internal error: {line.strip()}")
print(f"{statements} statements in {seed - 1} runs; what they were told (a text once), with counts:")
for line, n in told.most_common(60):
    print(f"{n:7} {line}")
for line in failed:
    print(f"FAILED  {line}")
if not failed and not statements:
    failed.append("nothing ran")
    print("FAILED  no statement ran")
print("ok" if not failed else f"{len(failed)} failures")
sys.exit(1 if failed else 0)
