"""Runs the steps of a client's script: a step that fails is told with its cause, and the others run all the same."""

import sys
import traceback

HOST, PORT = (sys.argv[1], int(sys.argv[2])) if len(sys.argv) > 2 else ("127.0.0.1", 5433)
USER, DATABASE = "ann", "everfold"
_steps = []


def step(f):
    """Marks a function as a step; steps run in the order of the file."""
    _steps.append(f)
    return f


def same(got, expected):
    """Asserts equality, and says both if there is none."""
    assert got == expected, f"got {got!r}, expected {expected!r}"


def raises(state, f, *args, **more):
    """Asserts that a call fails with a SQLSTATE, and gives the error."""
    try:
        f(*args, **more)
    except Exception as e:
        origin = getattr(e, "orig", None) or e.__cause__ or e
        got = getattr(origin, "pgcode", None) or getattr(origin, "sqlstate", None) or getattr(e, "sqlstate", None)
        assert got == state, f"SQLSTATE {got}, expected {state}: {e!r}"
        return e
    raise AssertionError(f"expected SQLSTATE {state}, but nothing was raised")


def run():
    """Runs all steps and ends the process: 0 if all went well. `ONLY=name,..` in the environment runs these alone."""
    import os

    only = os.environ.get("ONLY")
    failed = []
    for f in _steps:
        if only and f.__name__ not in only.split(","):
            continue
        try:
            f()
            print(f"ok      {f.__name__}", flush=True)
        except BaseException as e:
            failed.append(f.__name__)
            print(f"FAILED  {f.__name__}: {type(e).__name__}: {e}", flush=True)
            traceback.print_exc(file=sys.stdout)
            if isinstance(e, KeyboardInterrupt):
                break
    print(f"{len(failed)} of {len(_steps)} steps failed: {', '.join(failed)}" if failed else "ok", flush=True)
    sys.exit(1 if failed else 0)
