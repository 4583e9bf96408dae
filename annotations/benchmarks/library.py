"""A made-up library as large as ours may become, on which labelling is measured: tracks, and labels of twenty people."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, cycle
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection
from django.utils import timezone

from annotations.models import Annotation, Decision, Flag, NearTrack, RankedTrack, Reference, Track, User
from annotations.roles import ANNOTATOR

BATCH_SIZE = 2000
N_PEOPLE = 20
# How many labels a track has, and of how many tracks in a hundred: three on average, and most lack some.
N_LABELS = {0: 10, 1: 30, 2: 40, 9: 10, 10: 10}
# One who has labelled most: of a thousand tracks with labels all but these.
FEW_LEFT = 10
STRATEGY = "made up"
# A thousand places of 100,000 tracks. Of the first three in ten a neighbour has a label; the others are new, or lack opinions.
N_NEAR = 5
PEAKS = bytes(range(250)) * 4


@dataclass(frozen=True)
class Library:
    """Who labels while it is measured: one with as many labels as anybody, and one who has labelled nearly all."""

    people: list[User]
    busiest: User
    tracks: list[int]


def build(*, n_tracks: int, seed: int = 7) -> Library:
    dice = random.Random(seed)
    people = _people()
    tracks = _tracks(n_tracks, dice)
    Annotation.objects.bulk_create(_annotations(tracks, people, dice), batch_size=BATCH_SIZE)
    unlabelled = list(Track.objects.filter(n_annotators=0).values_list("pk", flat=True))
    dice.shuffle(unlabelled)
    n_references = max(1, n_tracks // 500)
    Reference.objects.bulk_create(
        Reference(track_id=track, use=Reference.Use.GOLD, level=5, chosen_by=people[1])
        for track in unlabelled[:n_references]
    )
    RankedTrack.objects.bulk_create(
        (
            RankedTrack(order="by list", position=position, track_id=track)
            for position, track in enumerate(unlabelled[n_references:])
        ),
        batch_size=BATCH_SIZE,
    )
    gather_statistics()
    return Library(people[1:], people[0], tracks)


def gather_statistics() -> None:
    """What Postgres does by itself after a while; SQLite is never asked to in the product, and so not here."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # In a test's transaction Postgres refuses to vacuum.
            cursor.execute("ANALYZE" if connection.in_atomic_block else "VACUUM ANALYZE")


def _people() -> list[User]:
    joined = timezone.now() - timedelta(days=120)
    people = [User.objects.create(username=f"annotator-{n}", date_joined=joined, password="!") for n in range(N_PEOPLE)]
    Group.objects.get(name=ANNOTATOR).user_set.add(*people)
    return people


def _tracks(n_tracks: int, dice: random.Random) -> list[int]:
    tracks = (
        Track(
            uri=f"made-up:{number}",
            title=f"Title {number}",
            audio=f"audio/{number}.mp3",
            audio_state=Track.AudioState.READY,
            duration_s=30.0,
            loudest_start_s=5.0,
            loudest_end_s=15.0,
            loudness_lufs=-12.0,
            peaks=PEAKS,
            queue_order=dice.randrange(2**31),
        )
        for number in range(n_tracks)
    )
    Track.objects.bulk_create(tracks, batch_size=BATCH_SIZE)
    return list(Track.objects.order_by("pk").values_list("pk", flat=True))


def _annotations(tracks: list[int], people: list[User], dice: random.Random) -> Iterator[Annotation]:
    busiest, others = people[0], people[1:]
    n_labels = dice.choices(list(N_LABELS), list(N_LABELS.values()), k=len(tracks))
    since, numbers = timezone.now() - timedelta(days=100), count()
    for index, (track, n) in enumerate(zip(tracks, n_labels, strict=True)):
        annotators = dice.sample(others, n)
        if n and dice.randrange(1000) >= FEW_LEFT:
            annotators[0] = busiest
        said_at = since + timedelta(days=99) * index / len(tracks)
        for annotator in annotators:
            yield _annotation(annotator, track, dice.randint(1, 10), said_at, next(numbers))


def _annotation(annotator: User, track: int, level: int, said_at: datetime, number: int) -> Annotation:
    return Annotation(
        annotator=annotator,
        track_id=track,
        level=level,
        submission_id=UUID(int=number),
        stream="new",
        listened_s=8.0,
        answered_s=9.0,
        created_at=said_at,
    )


def add_flags(library: Library, *, n: int) -> None:
    """Flags with decisions, of every kind; one in thirty still waits for another label."""
    lead = library.people[-1]
    accused = Annotation.objects.exclude(annotator=lead).order_by("track")[: 4 * n : 4]
    flags = Flag.objects.bulk_create(
        Flag(annotation=annotation, reason=Flag.Reason.MODEL_ERROR, expected_level=8, suspicion=3, source="run 1")
        for annotation in accused
    )
    verdicts = [*["keep"] * 20, *["change"] * 6, *["exclude"] * 3, "ask another"]
    Decision.objects.bulk_create(
        Decision(
            flag=flag,
            decided_by=lead,
            blind_level=8,
            verdict=(verdict := verdicts[index % len(verdicts)]),
            level=8 if verdict == "change" else None,
        )
        for index, flag in enumerate(flags)
    )
    gather_statistics()


def rank(library: Library) -> None:
    """As a strategy does, some time ago: since then some of the neighbours have got a label."""
    n_places = max(10, len(library.tracks) // 100)
    n_stale = 3 * n_places // 10
    n_opinions = (n_places - n_stale) // 2
    n_new = n_places - n_opinions
    in_order = Track.objects.filter(reference=None).order_by("queue_order").values_list("pk", flat=True)
    new, labelled = list(in_order.filter(n_annotators=0)), list(in_order.filter(n_annotators__in=(1, 2)))
    pairs = zip(new[n_stale:n_new], labelled[:n_opinions], strict=False)
    places = new[:n_stale] + [track for pair in pairs for track in pair]
    RankedTrack.objects.bulk_create(
        RankedTrack(order=STRATEGY, position=position, track_id=track) for position, track in enumerate(places)
    )
    unranked, said = cycle(new[n_new:]), cycle(labelled[n_opinions:])
    NearTrack.objects.bulk_create(
        NearTrack(order=STRATEGY, track_id=track, near_id=next(unranked if at or number >= n_stale else said))
        for number, track in enumerate(places)
        for at in range(N_NEAR)
    )
    gather_statistics()


def label_all_that_is_left(library: Library, annotator: User) -> None:
    """Afterwards there is nothing that this annotator has not labelled."""
    theirs = set(Annotation.objects.filter(annotator=annotator).values_list("track", flat=True))
    first = Annotation.objects.count() + 10**9
    Annotation.objects.bulk_create(
        (
            _annotation(annotator, track, 5, timezone.now(), number)
            for number, track in enumerate(library.tracks, first)
            if track not in theirs
        ),
        batch_size=BATCH_SIZE,
    )
    gather_statistics()
