"""How often a token and its user may ask. A runaway script should not slow down those who are labelling.

The counters live in Redis, which all web processes share; in the database each read would become a write. With Redis away each
process counts for itself until it is back: the limit is then so many times higher, and nobody is kept waiting or refused.
"""

import logging
import time
from typing import Any

from django.conf import settings
from django.core.cache import caches
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)

WINDOW_S = 60
# After Redis was found away: asking each time would make each request wait for it.
RETRY_AFTER_S = 5.0
_away_until = 0.0


class _Throttle(BaseThrottle):
    rate = ""  # its name in settings.API_REQUESTS_PER_MINUTE

    def allow_request(self, request: Any, view: Any) -> bool:
        who = self.who(request)
        return who is None or count(f"{self.rate}:{who}") <= settings.API_REQUESTS_PER_MINUTE[self.rate]

    def wait(self) -> float:
        return WINDOW_S - time.time() % WINDOW_S

    def who(self, request: Any) -> int | None:
        raise NotImplementedError


class PerToken(_Throttle):
    rate = "token"

    def who(self, request: Any) -> int | None:
        return request.auth.pk if request.auth else None


class PerUser(_Throttle):
    """Of all their tokens, and of their browser, together."""

    rate = "user"

    def who(self, request: Any) -> int | None:
        return request.user.pk


def count(key: str) -> int:
    """How often this key has come within this minute, this time included."""
    from redis.exceptions import RedisError  # loads with the first request, not with the process

    global _away_until
    key = f"{key}:{int(time.time() // WINDOW_S)}"
    if time.monotonic() >= _away_until:
        try:
            return _count(caches["shared"], key)
        except (RedisError, OSError) as problem:
            _away_until = time.monotonic() + RETRY_AFTER_S
            logger.warning("requests are counted by each process alone: Redis cannot be reached (%s)", problem)
    return _count(caches["default"], key)


def _count(counters: Any, key: str) -> int:
    # Longer than the window: between the two statements the key is not to vanish.
    if counters.add(key, 1, timeout=2 * WINDOW_S):
        return 1
    try:
        return counters.incr(key)
    except ValueError:  # it has all the same, where memory was short
        return 1
