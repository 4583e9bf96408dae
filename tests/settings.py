"""The product's settings, on a state folder of this test run's own: no test touches what `make run` keeps in var/."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_var = tempfile.mkdtemp(prefix="energyapp-test-")
atexit.register(shutil.rmtree, _var, ignore_errors=True)
os.environ.pop("ENERGYAPP_MODELS", None)
os.environ["ENERGYAPP_VAR"] = _var

from energyapp.serve.programs import ONE_THREAD  # noqa: E402  (imports no numbers: they read it once)

# As workers have it. Tests keep every core busy, and threads that wait for one another make them take three times as long.
os.environ.update(ONE_THREAD)
# Each process keeps what it has compiled of librosa for itself: two that compile the same function at once leave
# behind, in the folder they share, what crashes all that load it.
_process = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).resolve().parent.parent / ".pytest_cache" / "numba" / _process)

from energyapp.settings import *  # noqa: E402, F403  (needs the folder)
from energyapp.settings import DATABASES, STORAGES, VAR_DIR  # noqa: E402

# A file, not memory: browser tests have a real server on the same database.
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Templates need no collected files; the browser tests' server collects and hashes them as production does.
(VAR_DIR / "static").mkdir()
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
CELERY_BROKER_URL = "memory://"
