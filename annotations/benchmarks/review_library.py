"""A made-up library with flags and decisions, on which review is measured."""

import random
from itertools import islice

from django.contrib.auth.models import Group

from annotations.benchmarks.library import BATCH_SIZE, Library, gather_statistics
from annotations.models import Annotation, Decision, Flag, Genre, Track, User
from annotations.roles import LEAD

N_GENRES = 20
N_RUNS = 5
# A label in so many has a second reason against it.
SECOND_REASON = 4
# Of a hundred decisions, the newest of their labels; a few are taken back.
VERDICTS = {"keep": 50, "change": 30, "ask another": 10, "exclude": 5, "drop label": 5}
UNDONE = 50


def add_review(library: Library, *, n_flags: int, n_decisions: int, seed: int = 7) -> User:
    """Flags of every reason, the most suspicious decided first, as leads do. Returns the lead who goes on."""
    dice = random.Random(seed)
    _add_genres(library)
    decider, lead = (User.objects.create(username=f"lead-{n}", password="!") for n in range(2))
    Group.objects.get(name=LEAD).user_set.add(decider, lead)
    Flag.objects.bulk_create(_flags(n_flags, dice), batch_size=BATCH_SIZE)
    _add_decisions(decider, n_decisions, dice)
    gather_statistics()
    return lead


def _add_genres(library: Library) -> None:
    genres = Genre.objects.bulk_create(Genre(name=f"Genre {n}") for n in range(N_GENRES))
    link = Track.genres.through
    link.objects.bulk_create(
        (link(track_id=track, genre=genres[n % N_GENRES]) for n, track in enumerate(library.tracks)),
        batch_size=BATCH_SIZE,
    )


def _flags(n: int, dice: random.Random):
    labels = list(Annotation.objects.values_list("pk", "level"))
    reasons = list(Flag.Reason)
    n_labels = round(n * SECOND_REASON / (SECOND_REASON + 1))
    for number, (label, level) in enumerate(dice.sample(labels, n_labels)):
        chosen = dice.sample(reasons, 2 if number % SECOND_REASON == 0 else 1)
        for reason in chosen:
            yield _flag(label, level, reason, dice)


def _flag(label: int, level: int, reason: str, dice: random.Random) -> Flag:
    suspicion = dice.uniform(1, 6)
    expected = max(1.0, level - suspicion) if level > 5 else min(10.0, level + suspicion)
    evidence = {
        "score": expected,
        "level": round(expected),
        "interval": [expected - 1.5, expected + 1.5],
        "belief": [0.1] * 10,
        "bias": 0.3,
        "n_labels": 500,
        "neighbours": [],
        "biases": {},
    }
    return Flag(
        annotation_id=label,
        reason=reason,
        expected_level=expected,
        suspicion=suspicion,
        source=f"run {1 + dice.randrange(N_RUNS)}",
        evidence=evidence,
    )


def _add_decisions(lead: User, n: int, dice: random.Random) -> None:
    flags = Flag.objects.strongest().order_by("-suspicion", "pk").values_list("pk", "suspicion")
    verdicts = dice.choices(list(VERDICTS), list(VERDICTS.values()), k=n)
    made = Decision.objects.bulk_create(
        (
            Decision(
                flag_id=flag,
                decided_by=lead,
                blind_level=8,
                verdict=verdict,
                level=8 if verdict == "change" else None,
                suspicion=suspicion,
                level_before=5,
                level_after=8 if verdict == "change" else 5,
            )
            for (flag, suspicion), verdict in zip(islice(flags, n), verdicts, strict=False)
        ),
        batch_size=BATCH_SIZE,
    )
    Decision.objects.bulk_create(
        Decision(flag_id=made[n].flag_id, decided_by=lead, verdict="undo", undoes=made[n])
        for n in range(0, len(made), UNDONE)
    )
