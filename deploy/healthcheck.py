"""Whether this container does its work: `python deploy/healthcheck.py web|worker|beat`. Exit code 0 means yes."""

import http.client
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

# beat writes its schedule at the latest every three minutes.
BEAT_SILENCE_S = 600


def web() -> bool:
    """The server answers and reaches its database, spoken to as nginx does: under a name that it serves, as if by https.

    Not whether workers and broker are there: pages go on without them, and say so.
    """
    host = os.environ["ENERGYAPP_ALLOWED_HOSTS"].split(",")[0].strip().lstrip("*.")
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
    connection.request(
        "GET", "/readyz?parts=database,migrations,disk", headers={"Host": host, "X-Forwarded-Proto": "https"}
    )
    return connection.getresponse().status == 200


def worker() -> bool:
    """The worker in this container answers through the broker."""
    name = f"celery@{socket.gethostname()}"
    command = ["celery", "-A", "energyapp", "inspect", "ping", "-d", name, "--timeout", "10"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=18).returncode == 0


def beat() -> bool:
    """The schedule was written not long ago."""
    age_s = time.time() - max(path.stat().st_mtime for path in Path("/tmp").glob("celerybeat-schedule*"))
    return age_s < BEAT_SILENCE_S


CHECKS = {"web": web, "worker": worker, "beat": beat}

if __name__ == "__main__":
    sys.exit(0 if CHECKS[sys.argv[1]]() else 1)
