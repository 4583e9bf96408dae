"""Which tracks a person must not see predictions of yet."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from annotations.models import Flag, Track, User


def covered_tracks(user: User) -> QuerySet:
    """Ids of those that this person is about to label or to review: a level, seen before, would lead there."""
    still_to_hear = Flag.objects.still_to_hear(user).exclude(of_track=None).order_by().values("of_track")
    return Track.objects.filter(Q(lease__annotator=user) | Q(pk__in=still_to_hear)).order_by().values("pk")
