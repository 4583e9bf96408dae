"""What leads decide about flags, and the opinion that comes before: one transaction each, safe to repeat."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from annotations.levels import levels_of
from annotations.models import Annotation, Decision, Flag, Track, User

# What may be said of labels that nobody has listened to again.
UNHEARD = (Decision.Verdict.KEEP, Decision.Verdict.ASK_ANOTHER)


class OwnLabel(Exception):
    """A reviewer was about to decide on their own label."""


class NoBlindOpinion(Exception):
    """A decision was sent before the reviewer had said what they hear."""


class DecidedMeanwhile(Exception):
    """Somebody, perhaps the same person in another tab, has decided about the track since the page was opened."""


class FlagGone(Exception):
    """A training has withdrawn the flag while somebody was deciding about it."""


@dataclass
class Outcome:
    """Of a decision about many labels: those that were made, and how many labels were left out, by why."""

    decisions: list[Decision] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@transaction.atomic
def give_blind_opinion(*, reviewer: User, track: Track, level: int, submission_id: UUID) -> Annotation:
    """What the reviewer hears before any evidence is shown: kept as one more label of the track.

    A reviewer who has labelled the track before has already said so blind; that label stands.
    """
    # Lock the track, so that of two identical POSTs the second sees the first's row.
    Track.objects.select_for_update().get(pk=track.pk)
    if theirs := blind_opinion(reviewer=reviewer, track=track):
        return theirs
    return Annotation.objects.create(
        annotator=reviewer, track=track, level=level, submission_id=submission_id, source=Annotation.Source.REVIEW
    )


def blind_opinion(*, reviewer: User, track: Track) -> Annotation | None:
    return Annotation.objects.current().filter(annotator=reviewer, track=track).first()


@transaction.atomic
def decide(
    *,
    reviewer: User,
    flag: Flag,
    verdict: str,
    level: int | None = None,
    note: str = "",
    seen_decision: int | None = None,
) -> Decision:
    """Settle a flag, or ask another annotator first.

    Parameters
    ----------
    seen_decision
        The newest decision about the track that the reviewer has seen; None when there was none.

    Raises
    ------
    DecidedMeanwhile
        There is a newer one.
    OwnLabel
        The accused label is the reviewer's own.
    NoBlindOpinion
        The reviewer has not said what they hear.
    FlagGone
        A training that ended in this moment no longer doubts the label.
    """
    # Lock before looking: of two leads who decide at once the second must see the first's row.
    Track.objects.select_for_update().get(pk=flag.annotation.track_id)
    # Against `raise_flags`, which withdraws flags without decisions.
    if flag.pk not in _lock_flags([flag.annotation_id]):
        raise FlagGone("The newest training no longer doubts this label, so there is nothing to decide.")
    _refuse_own(reviewer, flag)
    opinion = blind_opinion(reviewer=reviewer, track=flag.annotation.track)
    if opinion is None:
        raise NoBlindOpinion("Say what you hear first; the decision comes after the evidence.")
    newest = Decision.objects.filter(flag__annotation__track=flag.annotation.track_id).first()
    if newest and newest.pk != seen_decision:
        raise DecidedMeanwhile(
            f"Meanwhile {newest.decided_by.display_name} has decided about this track; look at the history and decide again."
        )
    decision = Decision(
        flag=flag, decided_by=reviewer, blind_level=opinion.level, verdict=verdict, level=level, note=note
    )
    return _add([decision])[0]


@transaction.atomic
def undo(*, reviewer: User, decision: Decision, note: str = "") -> Decision:
    """Take back what holds of a label: afterwards all is as if it had not been decided.

    Raises
    ------
    DecidedMeanwhile
        It does not hold any more: somebody has undone it, or decided again.
    OwnLabel
        It is about the reviewer's own label.
    """
    flag = decision.flag
    # Before looking, as in `decide`.
    Track.objects.select_for_update().get(pk=flag.annotation.track_id)
    _lock_flags([flag.annotation_id])
    _refuse_own(reviewer, flag)
    if not Decision.objects.standing().filter(pk=decision.pk).exists():
        raise DecidedMeanwhile("This decision does not hold any more; look at the history for what came after it.")
    opinion = blind_opinion(reviewer=reviewer, track=flag.annotation.track)
    undone = Decision(
        flag=flag,
        decided_by=reviewer,
        blind_level=opinion.level if opinion else None,
        verdict=Decision.Verdict.UNDO,
        undoes=decision,
        note=note,
    )
    return _add([undone])[0]


@transaction.atomic
def decide_many(*, reviewer: User, flags: Collection[int], verdict: str) -> Outcome:
    """Keep all of these labels, or ask another annotator about each: what a lead may say without having listened.

    Own labels are left out, and those that somebody has decided about since the page was opened, or that nothing doubts
    any more.

    Parameters
    ----------
    flags
        Ids. Of several about one label the first counts.
    """
    if verdict not in UNHEARD:
        raise ValueError(f"verdict is {verdict!r}; of labels nobody has heard one can decide: {', '.join(UNHEARD)}")
    open_flags, outcome = _locked_open_flags(flags), Outcome()
    outcome.left_out["decided meanwhile"] = len(set(flags)) - len(open_flags)
    by_label = {flag.annotation_id: flag for flag in reversed(open_flags)}
    others = [flag for flag in by_label.values() if flag.annotation.annotator_id != reviewer.pk]
    outcome.left_out["your own label"] = len(by_label) - len(others)
    tracks = {flag.annotation.track_id for flag in others}
    heard = Annotation.objects.current().filter(annotator=reviewer, track__in=tracks)
    blind_level = dict(heard.values_list("track", "level"))
    outcome.decisions = _add(
        [
            Decision(
                flag=flag,
                decided_by=reviewer,
                blind_level=blind_level.get(flag.annotation.track_id),
                verdict=verdict,
            )
            for flag in others
        ]
    )
    return outcome


def _locked_open_flags(flags: Collection[int]) -> list[Flag]:
    tracks = Track.objects.filter(annotations__flags__in=flags).values("pk")
    list(Track.objects.select_for_update().filter(pk__in=tracks).order_by("pk").values_list("pk"))
    labels = Annotation.objects.filter(flags__in=flags)
    _lock_flags(labels.values_list("pk", flat=True))
    return list(Flag.objects.open().filter(pk__in=flags).select_related("annotation").order_by("pk"))


def _lock_flags(labels: Iterable[int]) -> set[int]:
    """All that are about these labels, as a decision about one changes what all of them say; their ids. After the tracks, and
    in the order of ids: two who lock the same then wait for each other, and never in a circle."""
    flags = Flag.objects.select_for_update().filter(annotation__in=labels).order_by("pk")
    return set(flags.values_list("pk", flat=True))


def _refuse_own(reviewer: User, flag: Flag) -> None:
    if flag.annotation.annotator_id == reviewer.pk:
        raise OwnLabel("Nobody decides on their own label; leave this one to another lead.")


# ---- What is kept of a decision


def _add(decisions: Sequence[Decision]) -> list[Decision]:
    """With how suspicious each label was, and the level that its track showed before and shows from now on."""
    labels = {decision.flag.annotation_id for decision in decisions}
    tracks = {decision.flag.annotation.track_id for decision in decisions}
    suspicion = dict(Flag.objects.filter(annotation__in=labels).values_list("annotation").annotate(Max("suspicion")))
    before, after = _levels(tracks), _levels_after(decisions, tracks)
    for decision in decisions:
        label = decision.flag.annotation
        decision.suspicion = suspicion[label.pk]
        decision.level_before, decision.level_after = before.get(label.track_id), after.get(label.track_id)
    return Decision.objects.bulk_create(decisions)


def _levels_after(decisions: Sequence[Decision], tracks: Collection[int]) -> dict[int, int]:
    """The decisions are tried and taken back: once they are made, nothing can be added to them."""
    with transaction.atomic():
        Decision.objects.bulk_create(map(copy, decisions))
        levels = _levels(tracks)
        transaction.set_rollback(True)
    return levels


def _levels(tracks: Collection[int]) -> dict[int, int]:
    decided = Decision.objects.filter(flag__annotation__track__in=tracks).levels_of_tracks()
    return levels_of(Annotation.objects.counted().filter(track__in=tracks), decided=decided)
