"""Which track next. Orders are named; the queryset says what may be handed out at all."""

from annotations.models import Track, TrackQuerySet, User

ORDERS: dict[str, tuple[str, ...]] = {
    # Each by an index: the next track is found, not sorted for.
    "random": ("queue_order", "pk"),
    "oldest": ("pk",),
}


def next_track(annotator: User, *, order: str = "random") -> Track | None:
    """The track to hand to this annotator now, locked until the transaction ends. None when there is nothing left.

    A second opinion that a lead waits for comes before anything new. Of two who ask at once, the second skips what the
    first has locked (Postgres) or waits for the first (SQLite).
    """
    open_to_them = Track.objects.open_to(annotator).order_by(*ORDERS[order])
    return _first_free(open_to_them.awaiting_second_opinion()) or _first_free(open_to_them.wanting_labels())


def _first_free(tracks: TrackQuerySet) -> Track | None:
    # `no_key`: on Postgres whoever is labelling a track commits while a search that began before still finds it.
    free = tracks.select_for_update(skip_locked=True, of=("self",), no_key=True)
    while track := free.first():
        # What was free when the search began may have been taken, or labelled, before it was locked: look again.
        if tracks.filter(pk=track.pk).exists():
            return track
    return None
