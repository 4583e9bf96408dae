"""Which tracks are Spotify's, however their uri is written."""

from __future__ import annotations

import re
from collections import defaultdict

from django.db.models import Q, QuerySet

from annotations.models import Track

# 22 digits to base 62 of a number of 128 bits, which is why the first is at most 7: Spotify answers an impossible id with an
# error for the whole request. Links are copied with a language in front and what they were shared by behind: /intl-de/track/ID?si=...
_URI = re.compile(
    r"(?:spotify:track:|(?:https?://)?open\.spotify\.com/(?:[\w-]+/)?track/)([0-7][0-9A-Za-z]{21})(?:[/?#].*)?"
)


def spotify_id(uri: str) -> str | None:
    """The 22 characters by which Spotify knows a track; None for anything else.

    >>> spotify_id("spotify:track:03ZnP4f6xyY6sDrPX3fz83")
    '03ZnP4f6xyY6sDrPX3fz83'
    >>> spotify_id("https://open.spotify.com/intl-de/track/03ZnP4f6xyY6sDrPX3fz83?si=1")
    '03ZnP4f6xyY6sDrPX3fz83'
    >>> spotify_id("spotify:album:03ZnP4f6xyY6sDrPX3fz83")
    """
    match = _URI.fullmatch(uri)
    return match and match[1]


def tracks_by_spotify_id(tracks: QuerySet[Track]) -> dict[str, list[int]]:
    """Track ids by Spotify id: several, where one track came in as a uri and again as a link."""
    found = defaultdict(list)
    maybe = tracks.filter(Q(uri__startswith="spotify:track:") | Q(uri__contains="open.spotify.com/"))
    for track_id, uri in maybe.order_by("pk").values_list("pk", "uri"):
        if key := spotify_id(uri):
            found[key].append(track_id)
    return dict(found)
