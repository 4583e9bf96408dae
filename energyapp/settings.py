"""The one settings file. Everything that differs between installations comes from the environment.

`ENERGYAPP_MODE=local` (the default) needs nothing: SQLite and all state under `var/`. `ENERGYAPP_MODE=production` refuses to
start without what it needs (see deploy/.env.example).
"""

import os
import secrets
from ipaddress import ip_network
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from urllib.parse import quote

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    return os.environ.get(f"ENERGYAPP_{name}", default)


def env_flag(name: str, default: str = "0") -> bool:
    return env(name, default).lower() in {"1", "true", "yes", "on"}


def env_list(name: str, default: str = "") -> list[str]:
    return [item.strip() for item in env(name, default).split(",") if item.strip()]


def required(name: str) -> str:
    """The value of a variable that production cannot do without."""
    if not (value := env(name)):
        raise ImproperlyConfigured(f"ENERGYAPP_{name} is not set; production needs it (see deploy/.env.example)")
    return value


if (mode := env("MODE", "local")) not in {"local", "production"}:
    raise ImproperlyConfigured(f"ENERGYAPP_MODE is {mode!r}; expected 'local' or 'production'")
PRODUCTION = mode == "production"

# ---- State: one folder holds all of it

VAR_DIR = Path(env("VAR", str(BASE_DIR / "var"))).resolve()
MEDIA_ROOT = Path(env("MEDIA", str(VAR_DIR / "media")))
STATIC_ROOT = Path(env("STATIC", str(VAR_DIR / "static")))
MODELS_DIR = Path(env("MODELS", str(VAR_DIR / "models")))
RUNS_DIR = MEDIA_ROOT / "runs"
WINDOWS_DIR = MEDIA_ROOT / "windows"
# Beside the media, which web process and workers share.
UPLOADS_DIR = MEDIA_ROOT / "uploads"
# A form with a hundred audio files and their CSV; where there is JavaScript each goes in a request of its own.
DATA_UPLOAD_MAX_NUMBER_FILES = 101
# A list of 100,000 tracks, pasted.
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 2**20
PREVIEWS_DIR = MEDIA_ROOT / "previews"
EXPORTS_DIR = MEDIA_ROOT / "exports"
# `modeling.core` knows no Django: it looks for the convnet's weights where the environment says.
os.environ.setdefault("ENERGYAPP_MODELS", str(MODELS_DIR))


def local_secret_key() -> str:
    """Random, made once for this installation, readable by its owner only."""
    VAR_DIR.mkdir(parents=True, exist_ok=True)
    path = VAR_DIR / "secret_key"
    try:
        # O_EXCL: of two processes that start at once, one makes the key and the other reads it.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
    except FileExistsError:
        pass
    return path.read_text()


# ---- Security

DEBUG = env_flag("DEBUG")
SECRET_KEY = required("SECRET_KEY") if PRODUCTION else env("SECRET_KEY") or local_secret_key()
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "" if PRODUCTION else "127.0.0.1,localhost")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")

if PRODUCTION:
    if DEBUG:
        raise ImproperlyConfigured("ENERGYAPP_DEBUG is on; production does not start with it")
    if len(SECRET_KEY) < 50 or len(set(SECRET_KEY)) < 10 or "change" in SECRET_KEY.lower():
        raise ImproperlyConfigured("ENERGYAPP_SECRET_KEY is a default or too short; draw 50 random characters")
    if not ALLOWED_HOSTS:
        required("ALLOWED_HOSTS")
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = env_flag("HTTPS_REDIRECT", "1")
    # The load balancer's health check and the scraper speak plain http.
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = int(env("HSTS_SECONDS", "31536000"))
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "energyapp.middleware.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "media-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# ---- Application

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "axes",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "energyapp.jobs",
    "energyapp.audit",
    "energyapp.api",
    "energyapp.webhooks",
    "annotations",
    "annotations.intake",
    "annotations.accounts",
    "modeling",
    "modeling.scoring",
    "modeling.ranking",
    "modeling.exports",
]
MIDDLEWARE = [
    # Outermost: what the others answer is counted and logged too.
    "energyapp.logs.log_requests",
    "energyapp.metrics.measure_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # A forgotten decorator cannot leak labels.
    "energyapp.middleware.LoginRequired",
    "energyapp.middleware.private_pages",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "energyapp.urls"
WSGI_APPLICATION = "energyapp.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "annotations.context.navigation",
            ],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- Database

DATABASES = {"default": dj_database_url.parse(env("DATABASE_URL") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}")}
if PRODUCTION and not env("DATABASE_URL"):
    required("DATABASE_URL")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # To open one costs as much as all else that storing a label does: functions are registered, pragmas set.
    DATABASES["default"]["CONN_MAX_AGE"] = 600
    DATABASES["default"]["OPTIONS"] = {
        # A transaction that reads first and writes later would else fail at once when another has written in between.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728; PRAGMA cache_size=-20000;"
        ),
    }
elif env_flag("DB_POOL"):
    # For the web process only: a pool's threads do not survive the workers' fork.
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 2, "max_size": 16, "timeout": 10}

# ---- People

AUTH_USER_MODEL = "annotations.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "annotations.backends.OneQueryBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "log_in"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "log_in"
# Someone else's wrong passwords must not lock a person out, nor one person's everybody behind the same proxy.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 8
AXES_COOLOFF_TIME = 0.25  # hours
AXES_CLIENT_IP_CALLABLE = "energyapp.proxies.client_ip"
TRUSTED_PROXIES = int(env("TRUSTED_PROXIES", "0"))
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"

# ---- Language and files

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env("TIME_ZONE", "UTC")
USE_TZ = True
STATIC_URL = "static/"
MEDIA_URL = "media/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "energyapp.storage.ModuleManifestStaticFilesStorage"},
}
# Audio bytes are sent by nginx from its internal location after our permission check.
X_ACCEL_REDIRECT = env_flag("X_ACCEL")

# ---- Background work (see docs/adr/0002-the-jobs-table.md)

CELERY_BROKER_URL = (
    required("REDIS_URL")
    if PRODUCTION
    else env(
        # Where `make run` keeps its Redis, so that commands reach it too.
        "REDIS_URL",
        f"redis+socket://{quote(str(VAR_DIR / 'redis' / 'redis.sock'))}",
    )
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # Above the longest task, or a slow training would be delivered a second time while it runs.
    "visibility_timeout": 6 * 60 * 60,
    "socket_connect_timeout": 2,
    # Without it a broker that hangs would hang whoever publishes: a page, for ever. Above the one second of a worker's BRPOP.
    "socket_timeout": 2,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2}
CELERY_TASK_DEFAULT_QUEUE = "upkeep"
CELERY_TASK_ROUTES = {
    "features.*": {"queue": "features"},
    "previews.*": {"queue": "intake"},
    # Not with other upkeep: that is done by the processes that compute features, whose memory is limited.
    "upkeep.refresh_annotator_report": {"queue": "intake"},
    "upkeep.retrain_if_due": {"queue": "intake"},
    "upkeep.refresh_predictions": {"queue": "intake"},
    "webhooks.*": {"queue": "intake"},
    "jobs.import": {"queue": "intake"},
    "jobs.fetch": {"queue": "intake"},
    "jobs.features": {"queue": "features"},
    "jobs.score": {"queue": "intake"},
    # Somebody looks at the page meanwhile: not behind a training.
    "jobs.curve": {"queue": "intake"},
    "jobs.export": {"queue": "intake"},
    "jobs.predict": {"queue": "train"},
    # Behind the predictions it goes by: of a run that is put to use both are asked for, and one worker takes them in turn.
    "jobs.rank": {"queue": "train"},
    "jobs.train": {"queue": "train"},
    "jobs.experiment": {"queue": "train"},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    # `expires`: after an outage one run of each is enough, not one for every tick that was missed.
    "reap": {"task": "upkeep.reap_jobs", "schedule": 10, "options": {"expires": 10}},
    "features": {"task": "upkeep.enqueue_features", "schedule": 5, "options": {"expires": 5}},
    "uploads": {"task": "upkeep.remove_stale_uploads", "schedule": 3600, "options": {"expires": 3600}},
    "previews": {"task": "upkeep.enqueue_previews", "schedule": 5, "options": {"expires": 5}},
    "exports": {"task": "upkeep.remove_old_exports", "schedule": 3600, "options": {"expires": 3600}},
    "webhooks": {"task": "webhooks.sweep", "schedule": 10, "options": {"expires": 10}},
    "annotators": {"task": "upkeep.refresh_annotator_report", "schedule": 60, "options": {"expires": 60}},
    "retraining": {"task": "upkeep.retrain_if_due", "schedule": 60, "options": {"expires": 60}},
    "predictions": {"task": "upkeep.refresh_predictions", "schedule": 30, "options": {"expires": 30}},
}

# ---- API (docs/api.md)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "energyapp.api.authentication.BearerToken",
        "energyapp.api.authentication.Session",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["energyapp.api.permissions.MayDoThis"],
    "DEFAULT_THROTTLE_CLASSES": ["energyapp.api.throttling.PerToken", "energyapp.api.throttling.PerUser"],
    "DEFAULT_PARSER_CLASSES": ["energyapp.api.parsing.SmallJson"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer", "energyapp.api.rendering.Page"],
    "DEFAULT_SCHEMA_CLASS": "energyapp.api.schema.Schema",
    # OPTIONS tells nothing that the schema does not.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "energyapp.api.problems.answer",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Energy lab",
    "DESCRIPTION": "A role sees here what it sees in the pages. Refusals are problem details (RFC 9457).",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "RENDERER_WHITELIST": ["rest_framework.renderers.JSONRenderer"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],
}
API_REQUESTS_PER_MINUTE = {"token": int(env("API_TOKEN_RATE", "300")), "user": int(env("API_USER_RATE", "600"))}
_IN_PROCESS = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
_IN_REDIS = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": CELERY_BROKER_URL.replace("redis+socket://", "unix://", 1),
    "KEY_PREFIX": "energyapp",
    "OPTIONS": {"socket_connect_timeout": 0.2, "socket_timeout": 0.2},
}
CACHES = {
    "default": _IN_PROCESS,
    # What all web processes share; whoever uses it does without when Redis is away (energyapp/api/throttling.py).
    "shared": _IN_REDIS if CELERY_BROKER_URL.startswith("redis") else _IN_PROCESS,
}

# ---- What operators tune

LABELS_PER_TRACK = int(env("LABELS_PER_TRACK", "1"))
LEASE_MINUTES = int(env("LEASE_MINUTES", "15"))
FLAG_SHARE = float(env("FLAG_SHARE", "0.05"))
# Where previews may be fetched from: names, or .example.org for all below it too. None: any public server.
PREVIEW_HOSTS = env_list("PREVIEW_HOSTS")
PREVIEW_CONNECTIONS = int(env("PREVIEW_CONNECTIONS", "4"))
if PREVIEW_CONNECTIONS not in range(1, 33):
    raise ImproperlyConfigured(
        f"ENERGYAPP_PREVIEW_CONNECTIONS is {PREVIEW_CONNECTIONS}; expected 1 to 32 to each server"
    )
# Further energyapp.downloads.links.Rules, for tests with a server of their own. Never from the environment: it opens our network.
PREVIEW_TEST_RULES: dict[str, Any] = {}
# Servers that are not public and may be told of events all the same, for instance 10.0.0.0/8.
try:
    WEBHOOK_RULES: dict[str, Any] = {"networks": tuple(ip_network(each) for each in env_list("WEBHOOK_NETWORKS"))}
except ValueError as problem:
    raise ImproperlyConfigured(f"ENERGYAPP_WEBHOOK_NETWORKS: {problem}; expected networks like 10.0.0.0/8") from None
# For manage.py fetch_spotify_features only (docs/spotify.md).
SPOTIFY_CLIENT_ID = env("SPOTIFY_CLIENT_ID")
SPOTIFY_CLIENT_SECRET = env("SPOTIFY_CLIENT_SECRET")

# ---- Operation (see docs/administration.md)

# Who scrapes /metrics sends it; without one there is no such page, and nothing is counted.
METRICS_TOKEN = env("METRICS_TOKEN")
if METRICS_TOKEN and len(METRICS_TOKEN) < 20:
    raise ImproperlyConfigured("ENERGYAPP_METRICS_TOKEN is too short; draw 20 or more random characters")
# Where the web server's processes put their counts together.
METRICS_DIR = Path(env("METRICS", str(Path(gettempdir()) / "energyapp-metrics" if PRODUCTION else VAR_DIR / "metrics")))
# Read when Prometheus's library is loaded, whoever loads it.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS_DIR)

if (LOG_FORMAT := env("LOG_FORMAT", "json" if PRODUCTION else "plain")) not in {"plain", "json"}:
    raise ImproperlyConfigured(f"ENERGYAPP_LOG_FORMAT is {LOG_FORMAT!r}; expected 'plain' or 'json'")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"context": {"()": "energyapp.logs.Context"}},
    "formatters": {
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "energyapp.logs.Json"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["context"]}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", "INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        # A page that somebody may not open is an answer, not a fault: no traceback.
        "django.request": {"level": "ERROR"},
        # A line for each request is for machines; at somebody's desk it would bury the rest.
        "energyapp.access": {"level": "INFO" if LOG_FORMAT == "json" else "WARNING"},
    },
}
