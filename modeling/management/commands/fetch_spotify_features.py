from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from modeling.spotify.client import SpotifyClient, SpotifyUnavailable
from modeling.spotify.features import SPOTIFY, FetchedBatch, fetch_features, tracks_without_features


class Command(BaseCommand):
    help = (
        "Fetch Spotify's audio features of the tracks with a Spotify uri that lack them, for applications that still may "
        "(docs/spotify.md, also on Spotify's terms). May be interrupted: the next run goes on."
    )

    def add_arguments(self, parser):
        parser.add_argument("--limit", type=int, metavar="N", help="ask for N tracks at most, for a first try")

    def handle(self, *, limit: int | None, **options):
        if limit is not None and limit < 1:
            raise CommandError(f"--limit is {limit}; expected 1 or more.")
        if not (settings.SPOTIFY_CLIENT_ID and settings.SPOTIFY_CLIENT_SECRET):
            raise CommandError(
                "ENERGYAPP_SPOTIFY_CLIENT_ID and ENERGYAPP_SPOTIFY_CLIENT_SECRET are not both set. "
                "docs/spotify.md says where they come from, and what to do without them."
            )
        wanted = tracks_without_features(limit=limit)
        client = SpotifyClient(settings.SPOTIFY_CLIENT_ID, settings.SPOTIFY_CLIENT_SECRET)
        n_asked = n_stored = 0
        try:
            for batch in fetch_features(wanted, client=client):
                n_asked += batch.n_stored + len(batch.refused)
                n_stored += batch.n_stored
                self._tell(batch, f"{n_asked} of {len(wanted)} tracks asked for, {n_stored} stored as {SPOTIFY.key}.")
        except SpotifyUnavailable as problem:
            raise CommandError(f"{problem}\n{n_stored} tracks were stored; the next run asks for the others.") from None
        if not wanted:
            self.stdout.write(f"No track with a Spotify uri lacks {SPOTIFY.key}.")

    def _tell(self, batch: FetchedBatch, progress: str) -> None:
        for spotify_id, reason in batch.refused.items():
            self.stdout.write(f"spotify:track:{spotify_id}: {reason}")
        self.stdout.write(progress)
