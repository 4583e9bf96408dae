"""Previews: from the links of imported tracks to audio in the media storage.

Tracks in the state `not fetched` are the list of what is wanted; each has a PreviewFetch that remembers its attempts.
Beat wakes a worker for each server that has some due; a worker that holds the server takes a turn at them. Killed at any
moment, it leaves tracks that are still wanted, and parts of files that the next turn goes on with.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import random
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from celery import current_app
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.http import http_date
from kombu.exceptions import OperationalError as BrokerUnavailable

from annotations.intake.audio_kinds import audio_suffix
from annotations.intake.audio_store import store_audio
from annotations.intake.csv_import import MAX_AUDIO_BYTES
from annotations.intake.models import PreviewFetch, PreviewHost
from annotations.models import Track
from energyapp.downloads.client import Downloader
from energyapp.downloads.faults import LastingFault, PassingFault
from energyapp.downloads.links import Rules, parse_link
from energyapp.downloads.parts import Version
from energyapp.jobs import waves
from energyapp.jobs.models import Job

logger = logging.getLogger(__name__)

BATCH_SIZE = 500
MAX_HOSTS_SENT = 20
# A message that nobody took until the next tick of beat is sent again then.
MESSAGE_EXPIRES_S = 5
# A worker takes no new files after this long, so that other servers, and imports, get their turn.
TURN_S = 50
LEASE = dt.timedelta(seconds=60)
HOLD_EVERY_S = 1
# 30 s, 2.5 min, 12.5 min, 1 h, 5 h between six attempts: an evening's outage costs no track.
MAX_ATTEMPTS = 6
FIRST_WAIT_S, WAIT_FACTOR, LONGEST_WAIT_S = 30, 5, 6 * 60 * 60
# What is written to now is younger.
ORPHANED_AFTER = dt.timedelta(hours=1)


@transaction.atomic
def try_again(tracks: QuerySet[Track]) -> int:
    """Fetch the previews among these that could not be had or not be used, from the first attempt on; how many."""
    failed = [Track.AudioState.UNREACHABLE, Track.AudioState.BAD]
    wanted = tracks.filter(audio_state__in=failed, preview_url__istartswith="https://")
    _lock(wanted)
    return wanted.update(
        audio_state=Track.AudioState.NOT_FETCHED, audio_problem="", features_queued_at=None, features_attempts=0
    )


# ---- What is wanted


def enqueue() -> int:
    """Wake a worker for each server that has previews due; how many. Called every few seconds.

    All that is wanted at a time is one job, a wave, which somebody may stop.
    """
    _remove_orphaned_parts()
    # Before the wave: what it has counted when nothing is left is then all of it.
    n_left = Track.objects.filter(audio_state=Track.AudioState.NOT_FETCHED).count()
    if (wave := waves.take_up("fetch", is_wanted=lambda: n_left > 0)) is None:
        return 0
    _report(wave, n_left)
    take_up_wanted_tracks()
    n_sent = 0
    for name in PreviewHost.objects.due().values_list("name", flat=True)[:MAX_HOSTS_SENT]:
        try:
            current_app.send_task("previews.fetch_host", args=[name], expires=MESSAGE_EXPIRES_S)
        except BrokerUnavailable:
            break
        n_sent += 1
    return n_sent


def _report(wave: Job, n_left: int) -> None:
    n_ended = wave.n_done + wave.n_failed
    message = f"{n_ended:,} of {n_ended + n_left:,} previews" if n_left else f"{wave.n_done:,} previews fetched"
    if wave.n_failed:
        message += f"; {wave.n_failed:,} could not be"
    waves.report(wave, n_left=n_left, message=message)


def take_up_wanted_tracks() -> None:
    new = Track.objects.filter(audio_state=Track.AudioState.NOT_FETCHED, preview_fetch=None)
    while batch := dict(new.order_by("pk").values_list("pk", "preview_url")[:BATCH_SIZE]):
        _take_up(batch)


@transaction.atomic
def _take_up(links: dict[int, str]) -> None:
    """A row for each of these tracks; a link that may not be followed ends here."""
    servers, rules = {}, _rules()
    for track_id, link in links.items():
        try:
            servers[track_id] = parse_link(link, rules).server
        except LastingFault as problem:
            _mark_unreachable(Track.objects.filter(pk=track_id), str(problem))
    # Sorted, and conflicts ignored: two callers at once do the same.
    PreviewHost.objects.bulk_create(
        [PreviewHost(name=name) for name in sorted(set(servers.values()))], ignore_conflicts=True
    )
    PreviewFetch.objects.bulk_create(
        [PreviewFetch(track_id=track_id, host_id=name) for track_id, name in servers.items()], ignore_conflicts=True
    )


def _rules() -> Rules:
    return Rules(hosts=tuple(settings.PREVIEW_HOSTS), max_bytes=MAX_AUDIO_BYTES, **settings.PREVIEW_TEST_RULES)


def _remove_orphaned_parts() -> None:
    """What is left of downloads that were killed, of tracks that are no longer wanted."""
    orphaned_before = (timezone.now() - ORPHANED_AFTER).timestamp()
    old = {
        path: int(path.stem) for path in settings.PREVIEWS_DIR.glob("[0-9]*.*") if _modified_at(path) < orphaned_before
    }
    wanted = set(PreviewFetch.objects.filter(pk__in=old.values()).values_list("pk", flat=True))
    for path, track_id in old.items():
        if track_id not in wanted:
            path.unlink(missing_ok=True)


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # a worker has done with it since we saw its name
        return math.inf


# ---- A turn at one server


class HostTaken(Exception):
    """Another worker holds this server, or it is to be left alone: a message delivered twice ends here."""


class LeaseLost(Exception):
    """This worker was silent for so long that another may hold the server now."""


class HostLease:
    """`with HostLease(name) as lease:` asks a server as the one worker that does. Hold it again and again."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._token = uuid4()
        self._mine = PreviewHost.objects.filter(pk=name, token=self._token)

    def __enter__(self) -> HostLease:
        self._until = timezone.now() + LEASE
        if not PreviewHost.objects.free().filter(pk=self.name).update(token=self._token, leased_until=self._until):
            raise HostTaken
        self.n_failures = PreviewHost.objects.get(pk=self.name).n_failures
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.write(token=None, leased_until=None)

    def write(self, **facts: object) -> None:
        self._mine.update(**facts)

    def hold(self) -> None:
        """By the clock on the wall: the monotonic one stands still while a machine sleeps."""
        now = timezone.now()
        if now > self._until - LEASE / 2:
            if now > self._until or not self._mine.update(leased_until=now + LEASE):
                raise LeaseLost
            self._until = now + LEASE


def fetch_host(name: str) -> None:
    """Take a turn at a server's previews. What is left when it ends is sent again by beat."""
    settings.PREVIEWS_DIR.mkdir(parents=True, exist_ok=True)
    n = settings.PREVIEW_CONNECTIONS
    try:
        # Connections are closed before the server is given to others, who may make as many.
        with HostLease(name) as lease, Downloader(_rules(), n_connections=n) as downloader:
            turn = Turn(lease, downloader)
            with ThreadPoolExecutor(n, thread_name_prefix=name) as threads:
                turn.take(threads)
            turn.conclude()
    except HostTaken:
        return
    except LeaseLost:
        logger.warning("%s was given to another worker while this one was silent", name)


class Turn:
    """Files of one server, several at a time. The threads only download: what came of it is written here, in one place."""

    def __init__(self, lease: HostLease, downloader: Downloader) -> None:
        self._lease, self._downloader = lease, downloader
        self._ends_at = time.monotonic() + TURN_S
        self._due: deque[PreviewFetch] = deque()
        self._running: dict[Future[bool], PreviewFetch] = {}
        self._n_answers = 0
        self._n_faults_in_a_row = 0
        self._retry_after_s = 0.0
        self._last_fault: PassingFault | None = None

    def take(self, threads: ThreadPoolExecutor) -> None:
        while True:
            self._lease.hold()
            while self._wants_more() and (fetch := self._next()):
                known = _known_version(fetch.track)
                future = threads.submit(self._downloader.fetch, fetch.track.preview_url, fetch.part, known=known)
                self._running[future] = fetch
            if not self._running:
                return
            done, _ = wait(self._running, timeout=HOLD_EVERY_S, return_when=FIRST_COMPLETED)
            for future in done:
                self._settle(self._running.pop(future), future)

    def _wants_more(self) -> bool:
        is_in_time = time.monotonic() < self._ends_at
        has_room = is_in_time and len(self._running) < settings.PREVIEW_CONNECTIONS and not self._is_turned_away()
        return has_room and not waves.stopped("fetch")

    def _is_turned_away(self) -> bool:
        """The server asks for patience, or fails on all connections: the next files would fare no better."""
        return self._retry_after_s > 0 or self._n_faults_in_a_row >= settings.PREVIEW_CONNECTIONS

    def _next(self) -> PreviewFetch | None:
        if not self._due:
            under_way = [fetch.pk for fetch in self._running.values()]
            due = PreviewFetch.objects.due().filter(host=self._lease.name).exclude(pk__in=under_way)
            self._due.extend(due.order_by("next_attempt_at", "pk").select_related("track").defer("track__peaks")[:100])
        while self._due:
            if _begin(fetch := self._due.popleft()):
                return fetch
        return None

    def _settle(self, fetch: PreviewFetch, future: Future[bool]) -> None:
        try:
            is_new = future.result()
        except PassingFault as fault:
            self._n_faults_in_a_row += 1
            self._last_fault = fault
            self._retry_after_s = max(self._retry_after_s, fault.retry_after_s)
            _try_later(fetch, fault)
            return
        except LastingFault as fault:
            _give_up(fetch, str(fault))
        else:
            _store(fetch) if is_new else _keep(fetch)
        self._n_answers += 1
        self._n_faults_in_a_row = 0

    def conclude(self) -> None:
        """Leave a server alone that turned us away; after too many turns that brought nothing, want nothing more of it."""
        n_failures, pause_s = 0, 0.0
        if self._is_turned_away():
            n_failures = 0 if self._n_answers else self._lease.n_failures + 1
            pause_s = max(_wait_s(max(n_failures, 1)), self._retry_after_s)
            logger.warning("%s is left alone for %.0f s: %s", self._lease.name, pause_s, self._last_fault)
        if n_failures >= MAX_ATTEMPTS:
            _give_up_host(self._lease.name, f"{self._last_fault}. So it went {n_failures} times in a row")
            n_failures, pause_s = 0, 0.0
        self._lease.write(n_failures=n_failures, not_before=timezone.now() + dt.timedelta(seconds=pause_s))


# ---- One file


def _begin(fetch: PreviewFetch) -> bool:
    """Count the attempt before it is made: a file that stops its worker each time must not hold up the others for ever."""
    if fetch.track.audio_state != Track.AudioState.NOT_FETCHED:
        fetch.delete()  # its audio has come in another way
        return False
    if fetch.attempts >= MAX_ATTEMPTS:
        _give_up(fetch, f"Fetching it was cut short again and again. Tried {fetch.attempts} times")
        return False
    fetch.attempts += 1
    _ask_again(fetch, after_s=_wait_s(fetch.attempts))
    return True


def _ask_again(fetch: PreviewFetch, *, after_s: float, last_answer: str = "") -> None:
    PreviewFetch.objects.filter(pk=fetch.pk).update(
        attempts=fetch.attempts,
        next_attempt_at=timezone.now() + dt.timedelta(seconds=after_s),
        last_answer=last_answer[:300],
    )


def _store(fetch: PreviewFetch) -> None:
    path = fetch.part.with_suffix(_suffix(fetch.part))
    fetch.part.replace(path)
    name, digest = store_audio(path)
    _end(fetch, audio=name, sha256=digest, audio_state=Track.AudioState.WAITING)
    path.unlink()


def _keep(fetch: PreviewFetch) -> None:
    """The server has nothing newer: let the workers have another look at what we have."""
    _end(fetch, audio_state=Track.AudioState.WAITING)
    fetch.part.unlink(missing_ok=True)


def _give_up(fetch: PreviewFetch, reason: str) -> None:
    _end(fetch, audio_state=Track.AudioState.UNREACHABLE, audio_problem=reason[:300])


@transaction.atomic
def _end(fetch: PreviewFetch, **facts: str) -> None:
    """Note what came of it, and that nothing more is wanted; unless something else was wanted in the meantime."""
    track = Track.objects.filter(pk=fetch.pk, audio_state=Track.AudioState.NOT_FETCHED)
    is_done = facts["audio_state"] == Track.AudioState.WAITING
    if track.filter(preview_url=fetch.track.preview_url).update(**facts):
        waves.count("fetch", **{"n_done" if is_done else "n_failed": 1})
    PreviewFetch.objects.filter(pk=fetch.pk).delete()


@transaction.atomic
def _give_up_host(name: str, reason: str) -> None:
    wanted = Track.objects.filter(preview_fetch__host=name)
    _lock(wanted)
    _mark_unreachable(wanted, reason)
    PreviewFetch.objects.filter(host=name).delete()


def _lock(tracks: QuerySet[Track]) -> None:
    """In the order in which an import locks them: otherwise the two could wait for each other."""
    list(tracks.select_for_update(of=("self",)).order_by("pk").values_list("pk"))


def _mark_unreachable(tracks: QuerySet[Track], reason: str) -> None:
    wanted = tracks.filter(audio_state=Track.AudioState.NOT_FETCHED)
    n_failed = wanted.update(audio_state=Track.AudioState.UNREACHABLE, audio_problem=reason[:300])
    waves.count("fetch", n_failed=n_failed)


def _try_later(fetch: PreviewFetch, fault: PassingFault) -> None:
    if fetch.attempts >= MAX_ATTEMPTS:
        _give_up(fetch, f"{fault}. Tried {fetch.attempts} times")
    else:
        _ask_again(fetch, after_s=max(_wait_s(fetch.attempts), fault.retry_after_s), last_answer=str(fault))


def _wait_s(attempts: int) -> float:
    """How long to wait after so many attempts; at random somewhat less, so that not all come back at once."""
    return min(FIRST_WAIT_S * WAIT_FACTOR ** (attempts - 1), LONGEST_WAIT_S) * random.uniform(0.8, 1)


def _known_version(track: Track) -> Version:
    """Of the file that the track has already: asked for again, only another is worth sending."""
    if not track.audio or not default_storage.exists(track.audio.name):
        return Version()
    return Version(last_modified=http_date(default_storage.get_modified_time(track.audio.name).timestamp()))


def _suffix(path: Path) -> str:
    """By the first bytes: links of previews often end in no suffix, and browsers are told the kind by it."""
    with path.open("rb") as file:
        return audio_suffix(file.read(12)) or ".bin"
