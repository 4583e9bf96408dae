import os
import random
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from contextlib import closing

from django.core.management.base import BaseCommand, CommandError

from annotations.models import Track
from modeling import feature_queue, feature_workers, window_features
from modeling.core.feature_sets import FEATURE_SETS, FeatureSet

SAY_EVERY_S = 5
MAX_PROBLEMS_SHOWN = 50
MADE_FROM_AUDIO = [name for name, feature_set in FEATURE_SETS.items() if feature_set.compute]
ON_REQUEST = " and ".join(name for name, feature_set in FEATURE_SETS.items() if feature_set.on_request)


def at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"found {text!r}; expected a whole number from 1")
    return int(text)


class Command(BaseCommand):
    help = (
        "Compute the features that tracks lack, on this machine and without the queue. It can be stopped at any time: what "
        "is done is stored, and the next run goes on from there. Workers may run beside it."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--set",
            dest="names",
            action="append",
            choices=MADE_FROM_AUDIO,
            help=f"only this one; may be repeated; else all but {ON_REQUEST}, which takes much room",
        )
        parser.add_argument("--limit", type=at_least_one, metavar="N", help="no more tracks than that")
        parser.add_argument(
            "--workers", type=at_least_one, default=os.cpu_count() or 1, metavar="N", help="processes; else one a core"
        )
        parser.add_argument("--retry", action="store_true", help="also what could not be read or computed before")

    def handle(self, *, names: list[str] | None, limit: int | None, workers: int, retry: bool, **options):
        feature_sets = chosen_sets(names)
        if retry:
            feature_queue.forget_failures(feature_sets)
        track_ids = tracks_to_do(feature_sets)[:limit]
        progress = Progress(len(track_ids), say=self.stdout.write)
        try:
            with closing(feature_workers.compute(track_ids, feature_sets, n_workers=workers)) as done:
                for track_id, problem in done:
                    progress.add(track_id, problem)
        except KeyboardInterrupt:
            raise CommandError(f"Stopped: {progress}. The next run goes on from there.", returncode=130) from None
        except feature_workers.WorkersKeepDying as problem:
            raise CommandError(f"{problem} So far: {progress}.") from None
        self.stdout.write(f"Done: {progress}." if track_ids else "No track lacks features.")
        for line in problem_lines(progress.problems):
            self.stdout.write(line)


def chosen_sets(names: list[str] | None) -> list[FeatureSet]:
    computable = {feature_set.name: feature_set for feature_set in feature_queue.computable_sets(also=names or ())}
    for name in names or ():
        if name not in computable:
            raise CommandError(f"{name} cannot be computed here; use manage.py install_convnet")
    return [computable[name] for name in names or computable]


def tracks_to_do(feature_sets: Sequence[FeatureSet]) -> list[int]:
    """New tracks first. Otherwise at random, so that two who do this at once seldom meet at the same track."""
    parts = [
        list(feature_queue.waiting().values_list("pk", flat=True)),
        list(feature_queue.lacking(feature_sets).values_list("pk", flat=True)),
        list(window_features.tracks_without(feature_sets)),
    ]
    for part in parts:
        random.shuffle(part)
    return list(dict.fromkeys(track_id for part in parts for track_id in part))


class Progress:
    """Counts, and says every few seconds how fast it goes and what time is left."""

    def __init__(self, n_tracks: int, *, say: Callable[[str], object]) -> None:
        self.n_tracks, self.n_done = n_tracks, 0
        self.problems: dict[int, str] = {}
        self._say = say
        self._began = self._said_at = time.monotonic()

    def add(self, track_id: int, problem: str) -> None:
        self.n_done += 1
        if problem:
            self.problems[track_id] = problem
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            left_s = (now - self._began) / self.n_done * (self.n_tracks - self.n_done)
            self._say(f"{self}, {duration(left_s)} left")

    def __str__(self) -> str:
        elapsed_s = time.monotonic() - self._began
        counts = f"{self.n_done:,} of {self.n_tracks:,} tracks in {duration(elapsed_s)}"
        failed = f", {len(self.problems):,} failed" if self.problems else ""
        return f"{counts} ({self.n_done / max(elapsed_s, 0.001):.1f} a second){failed}"


def duration(seconds: float) -> str:
    """
    >>> duration(59), duration(125), duration(7300)
    ('59 s', '2 min', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def problem_lines(problems: dict[int, str]) -> list[str]:
    shown = list(problems)[:MAX_PROBLEMS_SHOWN]
    uris = Track.objects.in_bulk(shown)
    lines = [f"  {uris[track_id].uri}: {problems[track_id]}" for track_id in shown if track_id in uris]
    n_more = len(problems) - len(shown)
    return [*lines, f"  and {n_more:,} more; the page Tracks has the reasons"] if n_more else lines
