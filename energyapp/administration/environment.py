"""What operators set by the environment, as it is now: to be read, not to be changed. Of secrets, only whether there is one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.db import connection


class Variable(NamedTuple):
    name: str
    about: str
    value: str


def variables() -> list[Variable]:
    return [Variable(f"ENERGYAPP_{name}", about, value or "none") for name, about, value in _rows()]


def _rows() -> list[tuple[str, str, str]]:
    https = getattr(settings, "SECURE_SSL_REDIRECT", False)
    return [
        ("MODE", "Mode", "production" if settings.PRODUCTION else "local"),
        ("LABELS_PER_TRACK", "Labels of a track, before rules were set", str(settings.LABELS_PER_TRACK)),
        ("FLAG_SHARE", "Share that a model may doubt, before rules were set", str(settings.FLAG_SHARE)),
        ("LEASE_MINUTES", "Minutes a track is kept for somebody", str(settings.LEASE_MINUTES)),
        ("TIME_ZONE", "Time zone", settings.TIME_ZONE),
        ("PREVIEW_HOSTS", "Servers that previews come from", _list(settings.PREVIEW_HOSTS) or "any public server"),
        ("PREVIEW_CONNECTIONS", "Previews at a time from one server", str(settings.PREVIEW_CONNECTIONS)),
        ("WEBHOOK_NETWORKS", "Private networks that may be told of events", _list(settings.WEBHOOK_RULES["networks"])),
        ("API_TOKEN_RATE", "Requests a minute of an API token", str(settings.API_REQUESTS_PER_MINUTE["token"])),
        ("API_USER_RATE", "Requests a minute of a person", str(settings.API_REQUESTS_PER_MINUTE["user"])),
        ("SPOTIFY_CLIENT_ID", "Spotify application", _whether(settings.SPOTIFY_CLIENT_ID)),
        ("SPOTIFY_CLIENT_SECRET", "Secret of the Spotify application", _whether(settings.SPOTIFY_CLIENT_SECRET)),
        ("ALLOWED_HOSTS", "Names of this site", _list(settings.ALLOWED_HOSTS)),
        ("CSRF_TRUSTED_ORIGINS", "Where forms may come from", _list(settings.CSRF_TRUSTED_ORIGINS)),
        ("TRUSTED_PROXIES", "Proxies in front", str(settings.TRUSTED_PROXIES)),
        ("HTTPS_REDIRECT", "Visitors are sent to https", _yes(https)),
        ("HSTS_SECONDS", "Seconds that browsers remember https", str(settings.SECURE_HSTS_SECONDS)),
        ("SECRET_KEY", "Secret key", _whether(settings.SECRET_KEY)),
        ("DATABASE_URL", "Database", connection.vendor),
        ("DB_POOL", "The web process keeps connections", _yes("pool" in connection.settings_dict.get("OPTIONS", {}))),
        ("REDIS_URL", "Redis, the broker", _whether(settings.CELERY_BROKER_URL)),
        ("VAR", "Folder of the state", str(settings.VAR_DIR)),
        ("MEDIA", "Audio, runs, uploads", str(settings.MEDIA_ROOT)),
        ("MODELS", "Weights of the transfer network", str(settings.MODELS_DIR)),
        ("STATIC", "Collected static files", str(settings.STATIC_ROOT)),
        ("X_ACCEL", "nginx sends audio", _yes(settings.X_ACCEL_REDIRECT)),
        ("LOG_LEVEL", "Log level", logging.getLevelName(logging.getLogger().level)),
        ("LOG_FORMAT", "Log format", settings.LOG_FORMAT),
        ("METRICS_TOKEN", "Token for /metrics", _whether(settings.METRICS_TOKEN)),
        ("METRICS", "Folder in which requests are counted", str(settings.METRICS_DIR)),
        ("DEBUG", "Debug pages", _yes(settings.DEBUG)),
    ]


def _whether(value: str) -> str:
    return "set" if value else "not set"


def _list(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _yes(value: bool) -> str:
    return "yes" if value else "no"
