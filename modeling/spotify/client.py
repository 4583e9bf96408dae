"""Spotify's Web API, as far as audio features need it. Knows no Django and stores nothing."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

import certifi
import urllib3

TOKEN_URL = "https://accounts.spotify.com/api/token"
API_URL = "https://api.spotify.com/v1"

MAX_IDS = 100
"""In one request: Spotify's own limit."""

MAX_ANSWER_BYTES = 2**20
"""A hundred tracks are 60 KB: more than this is something else."""

PAUSES_S = (1, 2, 4, 8)
"""Before each further try. Spotify counts requests over 30 seconds, and mostly says itself how long to wait."""

MAX_WAIT_S = 300
"""Whoever is told to wait longer (a used-up day is answered with many hours) had better come again."""

TOKEN_MARGIN_S = 30
"""A token is renewed so long before its end: it must not end on the way."""

CLOSED = (
    "Spotify answers 403: this application may not read audio features. Since 27 November 2024 they are closed to new "
    "applications and to those in development mode. Import them from a CSV instead (manage.py import_features), or go "
    "without: docs/spotify.md."
)
WRONG_CREDENTIALS = (
    "Spotify refuses the credentials. Compare ENERGYAPP_SPOTIFY_CLIENT_ID and ENERGYAPP_SPOTIFY_CLIENT_SECRET with the "
    "application's page on developer.spotify.com/dashboard."
)


class SpotifyUnavailable(Exception):
    """Spotify does not give what it is asked for. The message says why and what to do."""


class _PassingFault(Exception):
    """What may be better in a moment."""

    def __init__(self, message: str, *, wait_s: int = 0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class SpotifyClient:
    """Asks in an application's own name (the client-credentials flow), one request after the other.

    `timeout_s` bounds each wait for the server, and the reading of one answer as a whole.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        token_url: str = TOKEN_URL,
        api_url: str = API_URL,
        timeout_s: float = 20,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._credentials = b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._token_url, self._api_url = token_url, api_url
        self._timeout_s, self._sleep = timeout_s, sleep
        # No retries of its own, which also means no redirects: credentials go to these two addresses only.
        self._http = urllib3.PoolManager(
            cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(), timeout=timeout_s, retries=False
        )
        self._token, self._token_ends_at = "", 0.0

    def audio_features(self, spotify_ids: Sequence[str]) -> list[Any]:
        """What Spotify says of each of at most MAX_IDS tracks, in their order and unchecked; None where it knows nothing.

        Raises
        ------
        SpotifyUnavailable
            If the credentials or the application are refused, the wait would be unreasonable, or nothing usable comes.
        """
        url = f"{self._api_url}/audio-features?ids={','.join(spotify_ids)}"
        status, body = self._ask("GET", url, headers=self._bearer())
        if status == 401:  # tokens can end before their time
            self._renew_token()
            status, body = self._ask("GET", url, headers=self._bearer())
        if status == 403:
            raise SpotifyUnavailable(CLOSED)
        entries = _json(status, body).get("audio_features")
        if not isinstance(entries, list) or len(entries) != len(spotify_ids):
            raise SpotifyUnavailable(f"Spotify's answer does not hold one entry for each of {len(spotify_ids)} tracks.")
        return entries

    def _bearer(self) -> dict[str, str]:
        if time.monotonic() > self._token_ends_at:
            self._renew_token()
        return {"Authorization": f"Bearer {self._token}"}

    def _renew_token(self) -> None:
        status, body = self._ask(
            "POST",
            self._token_url,
            headers={
                "Authorization": f"Basic {self._credentials}",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body="grant_type=client_credentials",
        )
        if status in (400, 401):
            raise SpotifyUnavailable(WRONG_CREDENTIALS)
        answer = _json(status, body)
        token, lifetime_s = answer.get("access_token"), answer.get("expires_in")
        # Printable, as it goes into a header.
        if not isinstance(token, str) or not re.fullmatch("[!-~]+", token):
            token = None
        if token is None or not isinstance(lifetime_s, int) or not 0 < lifetime_s < 10**6:
            raise SpotifyUnavailable("Spotify takes the credentials, but its answer holds no usable token.")
        self._token, self._token_ends_at = token, time.monotonic() + lifetime_s - TOKEN_MARGIN_S

    def _ask(self, method: str, url: str, **request: Any) -> tuple[int, bytes]:
        """Status and body of the first answer that is no passing fault."""
        pauses_s = iter(PAUSES_S)
        while True:
            try:
                return self._send(method, url, **request)
            except _PassingFault as fault:
                if (pause_s := next(pauses_s, None)) is None:
                    raise SpotifyUnavailable(f"{fault}, {len(PAUSES_S) + 1} times in a row. Try again later.") from None
                self._sleep(max(pause_s, fault.wait_s))

    def _send(self, method: str, url: str, **request: Any) -> tuple[int, bytes]:
        try:
            response = self._http.request(method, url, preload_content=False, decode_content=False, **request)
            body = self._read(response)
        except urllib3.exceptions.HTTPError as error:
            raise _PassingFault(f"Spotify cannot be reached: {error}") from None
        if response.status == 429 or response.status >= 500:
            wait_s = _retry_after_s(response.headers.get("Retry-After", ""))
            raise _PassingFault(f"Spotify answers {response.status}", wait_s=wait_s)
        return response.status, body

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        body = b""
        while part := response.read1(2**16):
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                response.close()
                raise SpotifyUnavailable(
                    f"Spotify's answer has more than {MAX_ANSWER_BYTES} bytes: it is not audio features."
                )
            if time.monotonic() > deadline:  # a server that drips never reaches the socket's own timeout
                response.close()
                raise _PassingFault(f"Spotify's answer took more than {self._timeout_s:g} s")
        return body


def _retry_after_s(header: str) -> int:
    """Seconds, which is what Spotify sends; 0 where it says nothing, as it sometimes does."""
    wait_s = int(header) if re.fullmatch("[0-9]{1,9}", header) else 0
    if wait_s > MAX_WAIT_S:
        raise SpotifyUnavailable(
            f"Spotify wants no more requests for {wait_s / 3600:.1f} hours (Retry-After: {wait_s}). "
            "Run this again then."
        )
    return wait_s


def _json(status: int, body: bytes) -> dict[str, Any]:
    """The object in an answer. Says nothing of its text when there is none, as a token may stand in it."""
    if status != 200:
        raise SpotifyUnavailable(f"Spotify answers {status} {_reason(body)}; expected 200.")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise SpotifyUnavailable(f"Spotify's answer ({len(body)} bytes) is no JSON object. Does a proxy answer for it?")
    return answer


def _reason(body: bytes) -> str:
    try:
        return ascii(json.loads(body)["error"]["message"])[:200]
    except (ValueError, RecursionError, KeyError, TypeError):
        return "without a reason"
