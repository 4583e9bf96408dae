import csv
import json
import os
import secrets
import tempfile
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotations.csv_rows import RefusedRows
from annotations.imports import import_tracks
from annotations.models import Track, User
from annotations.roles import ROLE_PERMISSIONS
from modeling.core.dataset import in_evaluation_slice
from modeling.core.demo_music import simulated_annotations, write_library

FIELDS = ("energy", "track_uri", "track_preview_url", "annotator_id", "genres", "title", "artist")


class Command(BaseCommand):
    help = "Make a library of synthetic music with simulated annotators and a few planted mistakes, to try the product out."

    def add_arguments(self, parser):
        parser.add_argument("--seed", type=int, default=2018)
        parser.add_argument("--tracks", type=int, default=60, metavar="N")

    def handle(self, *, seed: int, tracks: int, **options):
        if settings.PRODUCTION:
            raise CommandError("This is a production installation: it holds real labels and gets no demo accounts.")
        if Track.objects.exists():
            raise CommandError("There are tracks already. The demo library is for an empty installation.")
        with tempfile.TemporaryDirectory() as folder:
            n_planted = self._make_library(Path(folder), seed=seed, n_tracks=tracks)
        logins = make_accounts()
        write_logins(settings.VAR_DIR / "demo-logins.json", logins)
        self.stdout.write(
            f"Demo library: {tracks} synthetic tracks, {n_planted} planted mistakes; "
            f"logins in {settings.VAR_DIR / 'demo-logins.json'}."
        )

    def _make_library(self, folder: Path, *, seed: int, n_tracks: int) -> int:
        library = write_library(folder, seed=seed, n_tracks=n_tracks)
        # The evaluation slice is never flagged, so a mistake there could not be found.
        simulated = simulated_annotations(library, seed=seed, may_plant=lambda uri: not in_evaluation_slice(uri))
        labelled = {row["track_uri"] for row in simulated.rows}
        unlabelled = [
            {
                "track_uri": track.uri,
                "track_preview_url": track.file_name,
                "genres": ",".join(track.genres),
                "title": track.title,
                "artist": track.artist,
            }
            for track in library
            if track.uri not in labelled
        ]
        table = folder / "demo.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows([*simulated.rows, *unlabelled])
        refused = RefusedRows(folder / "refused.csv")
        counts = import_tracks(table, audio_dir=folder, refused=refused, is_synthetic=True)
        if counts.refused:
            raise CommandError(f"{counts.refused} rows of the demo library were refused: {refused.path.read_text()}")
        return len(simulated.planted)


@transaction.atomic
def make_accounts() -> dict[str, dict[str, str]]:
    """One account a role, each with a password drawn for this installation: role -> username and password."""
    logins = {}
    for role in ROLE_PERMISSIONS:
        password = secrets.token_urlsafe(9)
        user = User.objects.create_user(
            username=role, password=password, is_demo=True, first_name="Demo", last_name=role
        )
        user.groups.set([Group.objects.get(name=role)])
        logins[role] = {"username": role, "password": password}
    return logins


def write_logins(path: Path, logins: dict[str, dict[str, str]]) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(logins, file, indent=2)
