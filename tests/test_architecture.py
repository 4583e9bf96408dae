"""What keeps the parts apart. The layers themselves are contracts of import-linter (pyproject.toml)."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_AT_THE_TOP = {
    *("manage.py", "pyproject.toml", "energyapp", "annotations", "modeling", "templates", "static", "tests"),
    *("docker-compose.yml", "README.md", "Makefile", "docs", "deploy"),
    *("requirements-dev.lock", "requirements-web.lock", "requirements-worker.lock"),
}

LOADED_BY_THE_WEB_PROCESS = """
import sys
from energyapp.wsgi import application
from django.urls import get_resolver, resolve
resolve("/dashboard/")
from django.test import RequestFactory, Client
Client().get("/log-in/")
print(sorted({name.split(".")[0] for name in sys.modules} & {%s}))
"""
NUMERIC_STACK = [
    "tensorflow",
    "keras",
    "xgboost",
    "librosa",
    "sklearn",
    "pandas",
    "scipy",
    "h5py",
    "soundfile",
    "av",
    "openvino",
]


def test_the_web_process_loads_nothing_of_the_numeric_stack():
    program = LOADED_BY_THE_WEB_PROCESS % ", ".join(map(repr, NUMERIC_STACK))

    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


def test_nothing_else_lies_at_the_top():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("this is no git checkout, so what belongs to it cannot be told")

    top = {name.split("/")[0] for name in tracked.stdout.splitlines()}

    assert {name for name in top if not name.startswith(".")} <= ALLOWED_AT_THE_TOP
