"""Which track next. Orders are named; the queryset `Track.objects.open_to` says what may be handed out at all."""

from collections.abc import Callable

from annotations.models import Track, TrackQuerySet, User

# A second opinion that a lead waits for comes before anything new.
ORDERS: dict[str, Callable[[TrackQuerySet], TrackQuerySet]] = {
    "random": lambda tracks: tracks.order_by("-asked", "queue_order", "pk"),
    "oldest": lambda tracks: tracks.order_by("-asked", "pk"),
}


def next_track(annotator: User, *, order: str = "random") -> Track | None:
    """The track to hand to this annotator now, locked until the transaction ends. None when there is nothing left.

    Of two who ask at once, the second skips what the first has locked (Postgres) or waits for the first (SQLite).
    """
    candidates = ORDERS[order](Track.objects.open_to(annotator))
    return candidates.select_for_update(skip_locked=True, of=("self",)).first()
