"""What leads and admins tell the queue: rules, a list to go by, examples and gold, assignments. One transaction each, safe to repeat."""

import random
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.forms.models import model_to_dict

from annotations.guiding.track_lists import HEARABLE
from annotations.models import Assignment, LabellingRules, RankedTrack, Reference, Track, User
from annotations.models.guidance import AssignmentQuerySet

LIST_ORDER = "by list"
MAX_ASSIGNED = 10_000
BATCH = 5_000


class NotDone(Exception):
    """Nothing was changed; the message says why, to whoever asked."""


# ---- Rules


@transaction.atomic
def set_rules(*, changed_by: User, seen: int | None, **values: Any) -> LabellingRules:
    """From now on these; what is not named stays as it is. The same as before change nothing.

    Parameters
    ----------
    seen
        The rules that the admin has changed; None for the defaults.

    Raises
    ------
    NotDone
        Somebody has changed them meanwhile.
    """
    before = LabellingRules.objects.current()
    if before.pk != seen:
        who = before.changed_by.display_name if before.changed_by else "Somebody"
        raise NotDone(f"{who} has changed the rules meanwhile: see the history below, then save again what you want.")
    if all(getattr(before, name) == value for name, value in values.items()):
        return before
    kept = model_to_dict(before, exclude=["id", "changed_by", "created_at"])
    return LabellingRules.objects.create(changed_by=changed_by, **(kept | values))


def lead_by(*, changed_by: User, seen: int | None, order: str, random_share: int) -> LabellingRules:
    """Have new tracks come by this order, which a strategy may rank, and so many per cent of them at random all the same.

    Raises
    ------
    NotDone
        Somebody has changed the rules meanwhile.
    """
    return set_rules(changed_by=changed_by, seen=seen, order=order, random_share=random_share)


# ---- The order that is a list


@transaction.atomic
def propose_list(*, proposed_by: User, track_ids: Sequence[int]) -> str:
    """Keep a list beside the one in use, until the same admin takes it by the name that is returned. Only their newest is kept."""
    mine = f"proposal {proposed_by.pk}."
    RankedTrack.objects.filter(order__startswith=mine).delete()
    name = mine + secrets.token_hex(4)
    places = (RankedTrack(order=name, position=at, track_id=pk) for at, pk in enumerate(track_ids))
    RankedTrack.objects.bulk_create(places, batch_size=BATCH)
    return name


@transaction.atomic
def take_list(*, proposed_by: User, name: str) -> int:
    """Put a proposed list in place of the one in use: how many tracks it has, without those labelled since.

    Raises
    ------
    NotDone
        The proposal is gone: taken already, or replaced by a newer one.
    """
    proposal = RankedTrack.objects.filter(order=name)
    if not name.startswith(f"proposal {proposed_by.pk}.") or not proposal.exists():
        raise NotDone(
            "This list is no longer waiting to be taken: it has been taken, or a newer one was sent. Send it again."
        )
    RankedTrack.objects.filter(order=LIST_ORDER).delete()
    return proposal.update(order=LIST_ORDER)


# ---- Examples and gold


@dataclass(frozen=True)
class Chosen:
    """What choosing references did."""

    n_new: int
    n_withdrawn_assignments: int


@transaction.atomic
def choose_references(*, track_ids: Collection[int], use: Reference.Use, level: int, chosen_by: User) -> Chosen:
    """Make tracks examples, or gold, of a level; one that is so already gets the level. All of them or none.

    Open assignments of tracks that become examples are withdrawn: nobody is given an example to label.

    Raises
    ------
    NotDone
        One of them cannot be heard, or is the other of the two.
    """
    # Locked, so that of two leads who choose the same track the second finds what the first has made of it.
    found = Track.objects.select_for_update(no_key=True).filter(pk__in=track_ids).defer("peaks").order_by("pk")
    tracks = {track.pk: track for track in found}
    chosen = {reference.track_id: reference for reference in Reference.objects.filter(track__in=tracks)}
    for track in tracks.values():
        _check_choosable(track, chosen.get(track.pk), use)
    about = {"use": use, "level": level, "chosen_by": chosen_by}
    new = [Reference(track=track, **about) for pk, track in tracks.items() if pk not in chosen]
    Reference.objects.bulk_create(new)
    Reference.objects.filter(track__in=chosen).exclude(level=level).update(**about)
    pointless = Assignment.objects.filter(track__in=tracks if use == Reference.Use.EXAMPLE else [])
    return Chosen(len(new), withdraw_assignments(assignments=pointless))


def _check_choosable(track: Track, reference: Reference | None, use: Reference.Use) -> None:
    if track.audio_state not in HEARABLE:
        raise NotDone(f"“{track}” cannot be heard ({track.get_audio_state_display()}), so it can be no {use.value}.")
    if reference and reference.use != use:
        raise NotDone(
            f"“{track}” is {reference.get_use_display().lower()} of level {reference.level} already, and nothing is both. "
            "Withdraw that first."
        )


def withdraw_reference(*, track_id: int) -> int:
    """The track is like any other again: how many references that ended, 0 or 1."""
    return Reference.objects.filter(track=track_id).delete()[0]


# ---- Assignments


@dataclass(frozen=True)
class Given:
    """What one annotator was given."""

    annotator: User
    n_new: int
    n_open_before: int


@transaction.atomic
def assign(*, shares: Sequence[tuple[User, Sequence[int]]], assigned_by: User) -> list[Given]:
    """Give each of these annotators these tracks. What is open for one of them already stays as it is.

    Raises
    ------
    NotDone
        They are more than a person could mean.
    """
    if (n_asked := sum(len(track_ids) for _, track_ids in shares)) > MAX_ASSIGNED:
        raise NotDone(f"These are {n_asked:,} assignments; at most {MAX_ASSIGNED:,} can be made at once.")
    people = [annotator.pk for annotator, _ in shares]
    # Locked, so that of two leads who assign the same the second sees what the first has.
    list(User.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk").values_list("pk"))
    is_open = set(Assignment.objects.open().filter(annotator__in=people).values_list("annotator", "track"))
    wanted = [(annotator, pk) for annotator, track_ids in shares for pk in dict.fromkeys(track_ids)]
    new = [(annotator, pk) for annotator, pk in wanted if (annotator.pk, pk) not in is_open]
    rows = [Assignment(annotator=annotator, track_id=pk, assigned_by=assigned_by) for annotator, pk in new]
    Assignment.objects.bulk_create(rows, batch_size=BATCH)
    n_wanted, n_new = Counter(who.pk for who, _ in wanted), Counter(who.pk for who, _ in new)
    return [Given(who, n_new[who.pk], n_wanted[who.pk] - n_new[who.pk]) for who, _ in shares]


def all_to_each(track_ids: Sequence[int], n_people: int) -> list[Sequence[int]]:
    return [track_ids] * n_people


def evenly(track_ids: Sequence[int], n_people: int) -> list[Sequence[int]]:
    """Dealt out like cards.

    >>> evenly([1, 2, 3, 4, 5], 2)
    [[1, 3, 5], [2, 4]]
    """
    return [track_ids[at::n_people] for at in range(n_people)]


# Name -> which of the tracks each of n people gets.
WAYS = {"each": all_to_each, "split": evenly}


def withdraw_assignments(*, assignments: QuerySet[Assignment] | AssignmentQuerySet) -> int:
    """Those of them that are still open: how many. What has been answered stays."""
    return Assignment.objects.open().filter(pk__in=assignments.values("pk")).delete()[0]


def draw_unlabelled(n: int, *, dice: random.Random | None = None) -> list[int]:
    """Tracks that nobody has labelled and nobody is asked to, drawn uniformly.

    Raises
    ------
    NotDone
        There are fewer.
    """
    asked = Assignment.objects.open().filter(track=OuterRef("pk"))
    free = Track.objects.playable().filter(~Exists(asked), n_annotators=0, reference=None)
    found = list(free.order_by("pk").values_list("pk", flat=True))
    if len(found) < n:
        raise NotDone(f"{n:,} unlabelled tracks were asked for; there are {len(found):,} that are not assigned yet.")
    return (dice or random.SystemRandom()).sample(found, n)
