"""Many people who label at once, each in a thread of their own: is each label stored, and stored once?"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from django.db import connections
from django.db.models import Max

from annotations.benchmarks.library import Library
from annotations.benchmarks.requests import NO_SHARES, Cost, WrongAnswer, logged_in, post
from annotations.models import Annotation, LabellingRules, Lease, Track, User

N_PEOPLE = 16
OVERLAP = 2
# One answer in so many is sent once more, as browsers do that heard no reply.
SENT_TWICE = 5


@dataclass(frozen=True)
class Outcome:
    """Of answers that were all said to be saved."""

    n_answers: int
    n_stored: int
    n_lost: int  # of the answers
    n_too_many: int  # tracks with more labels than the rules ask for
    n_held_by_two: int
    wall_s: float

    def __str__(self) -> str:
        return (
            f"{N_PEOPLE} people at once, {self.n_answers:,} labels: {self.n_stored:,} stored, "
            f"{self.n_stored - self.n_answers:,} twice, {self.n_lost:,} lost, {self.n_too_many:,} tracks labelled too often, "
            f"{self.n_held_by_two:,} held by two; {self.wall_s:.0f} s"
        )


@dataclass
class Held:
    """Who has which track, as the people themselves have been told."""

    by: dict[int, int] = field(default_factory=dict)
    by_two: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, person: User, tracks: list[int]) -> None:
        with self.lock:
            self.by_two.update(track for track in tracks if self.by.setdefault(track, person.pk) != person.pk)

    def let_go(self, track: int) -> None:
        with self.lock:
            del self.by[track]


def label_at_once(library: Library, *, n_labels: int) -> Outcome:
    """New tracks and second opinions, through the doors that the page uses."""
    Lease.objects.all().delete()
    shares = {**NO_SHARES, "second_share": 50}
    LabellingRules.objects.create(labels_per_track=OVERLAP, min_listened_s=0, **shares)
    newest = Annotation.objects.aggregate(newest=Max("pk"))["newest"] or 0
    people, held, began = library.people[:N_PEOPLE], Held(), time.perf_counter()
    parts = [len(range(n, n_labels, N_PEOPLE)) for n in range(N_PEOPLE)]
    with ThreadPoolExecutor(N_PEOPLE) as pool:
        sent = [each for part in pool.map(_in_own_connection(held), people, parts) for each in part]
    wall_s = time.perf_counter() - began
    stored = Annotation.objects.filter(pk__gt=newest)
    tracks = Track.objects.filter(pk__in=stored.values("track"), n_annotators__gt=OVERLAP)
    lost = set(sent) - set(stored.values_list("submission_id", flat=True))
    return Outcome(len(sent), stored.count(), len(lost), tracks.count(), len(held.by_two), wall_s)


def _in_own_connection(held: Held) -> Callable[[User, int], list[UUID]]:
    def label(person: User, n: int) -> list[UUID]:
        try:
            return list(_label(person, n, held))
        finally:
            connections.close_all()

    return label


def _label(person: User, n: int, held: Held) -> Iterator[UUID]:
    """What was sent and said to be saved."""
    client, cost = logged_in(person), Cost()
    for number in range(n):
        tracks = post(client, "claim", {"held": []}, cost)["held"]
        if not tracks:
            raise WrongAnswer(f"Nothing was left for {person} after {number} labels.")
        held.take(person, tracks)
        held.let_go(tracks[0])
        submission_id = uuid4()
        about = {"track_id": tracks[0], "level": 1 + number % 10, "submission_id": str(submission_id), "listened_s": 0}
        for _ in range(1 + (number % SENT_TWICE == 0)):
            said = post(client, "outbox", {"kind": "label", "annotator": person.pk, **about}, cost)
            if said["state"] != "saved":
                raise WrongAnswer(f"A label of {person} was answered by {said}.")
        yield submission_id
