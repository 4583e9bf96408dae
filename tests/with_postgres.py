"""Run a command against a Postgres that lives as long as the command: `tests/with_postgres.py pytest tests/jobs`.

Nothing needs to be set up: the server is made in a temporary folder, listens on a unix socket there and is removed at the end.
Where no Postgres is installed this says so and ends well, except under CI=true, where a check that did not run is a failure.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

# Postgres refuses to run as root; Debian's package brings this account.
ACCOUNT = "postgres"
# Durability is of no use to a database that is thrown away.
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=", "max_connections=60")
# As in docker-compose.yml.
AS_DEPLOYED = ("jit=off",)


class PostgresFailed(Exception):
    """The server cannot be made or started."""


def find_programs() -> Path | None:
    """The folder with initdb and pg_ctl: from PATH, else the newest that Debian keeps off PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), key=lambda folder: float(folder.parent.name), default=None)


def as_postgres(command: Sequence[str | Path]) -> list[str]:
    prefix = ["runuser", "-u", ACCOUNT, "--"] if os.geteuid() == 0 else []
    return [*prefix, *map(str, command)]


def run(*command: str | Path) -> None:
    # The server inherits standard output: a pipe would be held open for as long as it lives.
    with tempfile.TemporaryFile() as output:
        code = subprocess.run(as_postgres(command), cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        if code.returncode:
            output.seek(0)
            raise PostgresFailed(f"{Path(command[0]).name} failed:\n{output.read().decode(errors='replace')}")


@contextlib.contextmanager
def postgres(programs: Path) -> Iterator[str]:
    """A running server; gives its address as a database URL."""
    # Short, because a socket's path may have 107 bytes at most; /tmp, because other accounts must be able to get there.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, ACCOUNT)
        data = folder / "data"
        run(
            programs / "initdb",
            "--no-sync",
            "--auth=trust",
            f"--username={ACCOUNT}",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
            data,
        )
        options = " ".join(f"-c {option}" for option in (*FAST, *AS_DEPLOYED, f"unix_socket_directories={folder}"))
        try:
            run(programs / "pg_ctl", "start", "-w", "-D", data, "-l", folder / "log", "-o", options)
            yield f"postgres://{ACCOUNT}@{quote(name, safe='')}/postgres"
        finally:
            if (data / "postmaster.pid").exists():
                run(programs / "pg_ctl", "stop", "-w", "-m", "immediate", "-D", data)


def main() -> int:
    command = sys.argv[1:]
    # So that `finally` runs: a server would be left behind otherwise.
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    programs = find_programs()
    if programs is None:
        print("Postgres is not installed (apt install postgresql); what needs it was NOT checked.")
        return 1 if os.environ.get("CI") == "true" else 0
    with postgres(programs) as url:
        return subprocess.run(command, env={**os.environ, "ENERGYAPP_DATABASE_URL": url}).returncode


if __name__ == "__main__":
    sys.exit(main())
