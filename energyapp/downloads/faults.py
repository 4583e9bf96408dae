"""Why a file could not be had: for now, or for good. The messages are sentences for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

# A server that asks for more patience is asked again all the same.
MAX_RETRY_AFTER_S = 6 * 60 * 60
_PASSING_STATUSES = {408, 425, 429, *range(500, 600)}
_SENTENCES = {
    401: "The server wants a login",
    403: "The server refuses to give the file",
    404: "The server says that the file is gone",
    410: "The server says that the file is gone",
    429: "The server was asked too often and wants to be asked later",
    451: "The server may not give the file, for legal reasons",
}


class DownloadFailed(Exception):
    """The file was not had."""


class LastingFault(DownloadFailed):
    """It is not to be had: asking again would bring the same answer."""


class PassingFault(DownloadFailed):
    """It may be had later."""

    def __init__(self, message: str, *, retry_after_s: float = 0) -> None:
        super().__init__(message)
        # How long the server wants to be left alone.
        self.retry_after_s = retry_after_s


def fault_of(status: int, headers: Mapping[str, str]) -> DownloadFailed:
    """What an answer without a file means.

    >>> fault_of(404, {})
    LastingFault('The server says that the file is gone (404)')
    >>> fault_of(503, {"Retry-After": "120"}).retry_after_s
    120.0
    """
    default = "The server has a fault of its own" if status >= 500 else "The server's answer is not a file"
    sentence = f"{_SENTENCES.get(status, default)} ({status})"
    if status in _PASSING_STATUSES:
        return PassingFault(sentence, retry_after_s=_retry_after_s(headers.get("Retry-After", "")))
    return LastingFault(sentence)


def _retry_after_s(header: str) -> float:
    """What a Retry-After header asks for, as seconds or as a date (RFC 9110, 10.2.3); 0 for nonsense.

    >>> _retry_after_s("120"), _retry_after_s("99999999"), _retry_after_s("soon"), _retry_after_s("-1")
    (120.0, 21600.0, 0.0, 0.0)
    >>> _retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT")
    0.0
    """
    if header.isascii() and header.isdigit():
        return float(min(int(header[:9]), MAX_RETRY_AFTER_S))
    try:
        wait_s = (parsedate_to_datetime(header) - dt.datetime.now(dt.UTC)).total_seconds()
    except (ValueError, TypeError):  # no date; one without a zone
        return 0.0
    return min(max(wait_s, 0.0), float(MAX_RETRY_AFTER_S))
