"""`make test`: every check, until one fails. `tests/run.py lint types` runs the steps named."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PYTHON = sys.executable
# Tests differ too much in what they take to be dealt out beforehand: who is done takes from who is not.
PYTEST = [PYTHON, "-m", "pytest", "-q", "-n", "auto", "--dist", "worksteal"]
# What talks to the database, for a second run on Postgres (tests/conftest.py leaves out all that does not): most of it is SQL.
# Of what starts servers only what is marked, each with the reason: decoding, killing and clicking are the same on any
# database. A demo is never made on Postgres, and a program that asks at random asks on SQLite.
DATABASE_TESTS = [
    *("tests/accounts", "tests/administration", "tests/annotations", "tests/api", "tests/exports", "tests/intake"),
    *("tests/jobs", "tests/modeling", "tests/webhooks", "tests/services", "tests/browser"),
    *("--ignore=tests/modeling/core", "--ignore=tests/modeling/test_bench_features.py"),
    *("--ignore=tests/modeling/test_make_demo.py", "--ignore=tests/api/test_schemathesis.py"),
    *("-m", "postgres or not (services or browser)"),
]
# What settings refuse to start without; nothing connects to these.
PRODUCTION = {
    "ENERGYAPP_MODE": "production",
    "ENERGYAPP_SECRET_KEY": secrets.token_urlsafe(50),
    "ENERGYAPP_DATABASE_URL": "postgres://nobody@127.0.0.1/none",
    "ENERGYAPP_REDIS_URL": "redis://127.0.0.1:1/0",
    "ENERGYAPP_ALLOWED_HOSTS": "energy.example.org",
    "ENERGYAPP_CSRF_TRUSTED_ORIGINS": "https://energy.example.org",
}
STEPS: dict[str, list[str]] = {
    "lint": [str(BIN / "ruff"), "check", "--quiet", "."],
    "format": [str(BIN / "ruff"), "format", "--check", "--quiet", "."],
    # Of the Python that runs: numpy's own stubs for 3.12 cannot be read as 3.11.
    "types": [str(BIN / "mypy"), "--python-version", f"{sys.version_info.major}.{sys.version_info.minor}"],
    "imports": [str(BIN / "lint-imports"), "--no-logo"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "deployment": [PYTHON, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
    "browser": [PYTHON, "tests/ensure_browser.py"],
    "tests": PYTEST,
    "postgres": [PYTHON, "tests/with_postgres.py", *PYTEST, *DATABASE_TESTS],
}
# Takes one core for a minute, and runs beside the others: they leave one idle, the tests too where they wait for servers.
BESIDE = "types"
EXTRA_ENVIRONMENT: dict[str, Mapping[str, str]] = {"deployment": PRODUCTION}


def main() -> int:
    names = sys.argv[1:] or list(STEPS)
    if unknown := set(names) - set(STEPS):
        print(f"unknown steps: {', '.join(sorted(unknown))}; expected some of {', '.join(STEPS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    # A folder of their own: no test may touch, or depend on, what `make run` keeps in var/.
    with tempfile.TemporaryDirectory(prefix="energyapp-tests-") as var:
        if failed := next(failures(names, var=var), None):
            print(f"\nFAILED at the step '{failed}'.", flush=True)
            return 1
    print(f"\nPassed: {', '.join(names)}; {time.monotonic() - began:.0f} s.", flush=True)
    return 0


def failures(names: list[str], *, var: str) -> Iterator[str]:
    """The steps that fail, as they end; what runs beside them is heard of when the next of them has ended."""
    beside = start(BESIDE, var=var, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) if BESIDE in names else None
    try:
        for name in names:
            if name != BESIDE and run_step(name, var=var):
                yield name
            if beside and (name == names[-1] or beside.poll() is not None):
                print(f"== {BESIDE}", beside.communicate()[0], sep="\n", end="", flush=True)
                if beside.returncode:
                    yield BESIDE
                beside = None
    finally:
        if beside:
            beside.kill()


def run_step(name: str, *, var: str) -> bool:
    """Whether it fails."""
    print(f"== {name}", flush=True)
    began = time.monotonic()
    code = start(name, var=var).wait()
    print(f"== {name}: {time.monotonic() - began:.1f} s, exit code {code}", flush=True)
    return code != 0 and (name != "browser" or os.environ.get("CI") == "true")


def start(name: str, *, var: str, **options: int) -> subprocess.Popen[str]:
    environment = {**environment_without_ours(), "ENERGYAPP_VAR": var, **EXTRA_ENVIRONMENT.get(name, {})}
    return subprocess.Popen(STEPS[name], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, text=True, **options)


def environment_without_ours() -> dict[str, str]:
    """The environment without the settings of an installation, which would reach its database."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ENERGYAPP_") or name == "ENERGYAPP_SHARED_DATA"
    }


if __name__ == "__main__":
    sys.exit(main())
