"""`python -m energyapp.serve`: check, prepare, start everything, say where it is, end it all together."""

import argparse
import http.client
import json
import os
import sys
from pathlib import Path

from energyapp.serve import checks, programs
from energyapp.serve.checks import CannotStart
from energyapp.serve.supervisor import NotReady, ProgramEnded, ProgramFailed, StopRequested, Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent
BROKER_TIMEOUT_S = 20.0
# A cold disk and two busy cores; it is about two seconds otherwise.
WEB_TIMEOUT_S = 90.0


def main() -> int:
    options = read_options()
    try:
        serve(port=checks.port_number(options.port), demo=options.demo)
    except StopRequested:
        pass
    except BrokenPipeError:  # the reader of our output has gone (`make run | head`): the same as being told to stop
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (CannotStart, NotReady, ProgramEnded, ProgramFailed, OSError) as error:
        print(f"energyapp: {error}", file=sys.stderr)
        return 1
    return 0


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m energyapp.serve", description=__doc__)
    parser.add_argument("--port", default=os.environ.get("PORT") or "8000", help="on 127.0.0.1 (8000)")
    parser.add_argument(
        "--no-demo",
        dest="demo",
        action="store_false",
        default=os.environ.get("ENERGYAPP_DEMO", "1") != "0",
        help="start with an empty library (also ENERGYAPP_DEMO=0)",
    )
    return parser.parse_args()


def serve(*, port: int, demo: bool) -> None:
    """Run until stopped.

    Raises
    ------
    CannotStart, NotReady, ProgramEnded, ProgramFailed
        With one line for the person at the terminal.
    """
    os.chdir(ROOT)
    var = Path(os.environ.get("ENERGYAPP_VAR") or ROOT / "var").absolute()
    checks.make_writable_folder(var)
    with checks.lock_folder(var), Supervisor() as supervisor:
        checks.require_packages()
        checks.require_free_port(port)
        redis_server = checks.find_redis_server()
        checks.require_worker_imports(supervisor, marker=var / "imports-were-checked")

        broker = programs.Broker.in_folder(var / "redis")
        os.environ.update(ENERGYAPP_VAR=str(var), ENERGYAPP_REDIS_URL=broker.url)
        os.environ.setdefault("ENERGYAPP_LOG_LEVEL", "WARNING")
        if broker.answers():
            broker.ask_to_end()
            supervisor.wait_until(lambda: not broker.answers(), what="an older redis", timeout_s=BROKER_TIMEOUT_S)
        supervisor.start(broker.program(redis_server))
        supervisor.wait_until(broker.answers, what="redis", timeout_s=BROKER_TIMEOUT_S)

        supervisor.run_to_end(programs.prepare(*([] if demo else ["--no-demo"])))
        # One after the other: on two cores the workers' start would keep the page waiting.
        supervisor.start(programs.web(port))
        supervisor.wait_until(lambda: page_answers(port), what="the web server", timeout_s=WEB_TIMEOUT_S)
        for program in (programs.features_worker(), programs.intake_worker(), programs.train_worker(), programs.beat()):
            supervisor.start(program)
        announce(port=port, logins_file=var / "demo-logins.json")
        supervisor.run_until_stopped()


def page_answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announce(*, port: int, logins_file: Path) -> None:
    """Print the address and, where the demo library was made here, how to log in."""
    lines = ["", f"  energyapp is ready: http://127.0.0.1:{port}/", ""]
    if logins_file.exists():
        logins = json.loads(logins_file.read_text())
        lines += [f"    {role:<10} {login['username']:<12} {login['password']}" for role, login in logins.items()]
    else:
        lines.append("    Make yourself an account: .venv/bin/python manage.py add_user NAME --role admin")
    print(*lines, "", "  Ctrl-C ends it.", "", sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
