"""What leads decide about flags, and the opinion that comes before: one transaction each, safe to repeat."""

from uuid import UUID

from django.db import transaction

from annotations.models import Annotation, Decision, Flag, Track, User


class OwnLabel(Exception):
    """A reviewer was about to decide on their own label."""


class NoBlindOpinion(Exception):
    """A decision was sent before the reviewer had said what they hear."""


class DecidedMeanwhile(Exception):
    """Somebody, perhaps the same person in another tab, has decided about the track since the page was opened."""


class FlagGone(Exception):
    """A training has withdrawn the flag while somebody was deciding about it."""


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
    if not Flag.objects.select_for_update().filter(pk=flag.pk).exists():
        raise FlagGone("The newest training no longer doubts this label, so there is nothing to decide.")
    if flag.annotation.annotator_id == reviewer.pk:
        raise OwnLabel("Nobody decides on their own label; leave this one to another lead.")
    opinion = blind_opinion(reviewer=reviewer, track=flag.annotation.track)
    if opinion is None:
        raise NoBlindOpinion("Say what you hear first; the decision comes after the evidence.")
    newest = Decision.objects.filter(flag__annotation__track=flag.annotation.track_id).first()
    if newest and newest.pk != seen_decision:
        raise DecidedMeanwhile(
            f"Meanwhile {newest.decided_by.display_name} has decided about this track; look at the history and decide again."
        )
    return Decision.objects.create(
        flag=flag, decided_by=reviewer, blind_level=opinion.level, verdict=verdict, level=level, note=note
    )
