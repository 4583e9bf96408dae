import csv
import json
import os
import secrets
import tempfile
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from annotations.annotators import report
from annotations.consensus import median_level
from annotations.guiding import guidance
from annotations.intake.csv_import import import_tracks
from annotations.intake.csv_rows import RefusedRows
from annotations.models import Annotation, Reference, Stream, Track, User
from annotations.roles import LEAD, ROLE_PERMISSIONS
from modeling.core.dataset import in_evaluation_slice
from modeling.core.demo_music import (
    DemoTrack,
    SimulatedAnnotations,
    simulated_annotations,
    simulated_answers,
    write_library,
)

TABLE = "demo.csv"
# Simulated annotators who differ by more do not agree what a track's level is; planted mistakes are farther off.
MAX_SPREAD = 2
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
        if taken := User.objects.filter(username__in=ROLE_PERMISSIONS).values_list("username", flat=True):
            raise CommandError(
                f"There are accounts already: {', '.join(taken)}. The demo makes its own of these names."
            )
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            try:
                library = write_library(folder, seed=seed, n_tracks=tracks)
                simulated = simulated_annotations(library, seed=seed, may_plant=may_plant)
            except ValueError as problem:  # a number of tracks or a seed that is out of range
                raise CommandError(str(problem)) from None
            write_table(folder / TABLE, library, simulated)
            # Whole or not at all: with tracks and no logins it could neither be used nor be made again.
            with transaction.atomic():
                import_demo(folder)
                logins = make_accounts()
                choose_references(User.objects.get(username=LEAD))
                n_planted = len(simulated.planted) + answer_on_the_label_page(library, seed=seed)
                write_logins(settings.VAR_DIR / "demo-logins.json", logins)
        report.refresh()  # a worker would within a minute: the page is to be full at once
        self.stdout.write(
            f"Demo library: {tracks} synthetic tracks, {n_planted} planted mistakes; "
            f"logins in {settings.VAR_DIR / 'demo-logins.json'}."
        )


def write_table(path: Path, library: list[DemoTrack], simulated: SimulatedAnnotations) -> None:
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
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows([*simulated.rows, *unlabelled])


def may_plant(uri: str) -> bool:
    """The evaluation slice is never flagged, so a mistake there could not be found."""
    return not in_evaluation_slice(uri)


def import_demo(folder: Path) -> None:
    with RefusedRows(folder / "refused.csv") as refused:
        counts = import_tracks(folder / TABLE, audio_dir=folder, refused=refused, is_synthetic=True)
    if counts.refused:
        raise CommandError(f"{counts.refused} rows of the demo library were refused: {refused.path.read_text()}")


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


def choose_references(lead: User) -> None:
    """Tracks that several simulated annotators agree on: of each level an example, and gold where there is another."""
    said: dict[int, list[int]] = defaultdict(list)
    for track_id, level in Annotation.objects.order_by("pk").values_list("track", "level"):
        said[track_id].append(level)
    uses: dict[int, list[Reference.Use]] = defaultdict(lambda: [Reference.Use.GOLD, Reference.Use.EXAMPLE])
    for track_id, levels in sorted(said.items(), key=lambda item: max(item[1]) - min(item[1])):
        left = uses[median_level(levels)]
        if left and len(levels) > 1 and max(levels) - min(levels) <= MAX_SPREAD:
            guidance.choose_references(track_ids=[track_id], use=left.pop(), level=median_level(levels), chosen_by=lead)


def answer_on_the_label_page(library: list[DemoTrack], *, seed: int) -> int:
    """Labels with the times that an import cannot bring, by two more simulated people; how many are planted mistakes."""
    tracks = {track.uri: track for track in Track.objects.filter(n_annotators__gt=0)}
    gold = set(Reference.objects.filter(use=Reference.Use.GOLD).values_list("track__uri", flat=True))
    answers = simulated_answers(
        [track for track in library if track.uri in tracks],
        seed=seed,
        may_plant=set(filter(may_plant, tracks)),
        gold=gold,
    )
    names = sorted({answer.annotator for answer in answers})
    people = {name: User.objects.create(username=f"simulated:{name}", alias=name, password="!") for name in names}
    now = timezone.now()
    Annotation.objects.bulk_create(
        Annotation(
            track=tracks[answer.uri],
            annotator=people[answer.annotator],
            level=answer.level,
            submission_id=uuid4(),
            stream=Stream.GOLD if answer.uri in gold else Stream.SECOND,
            answered_s=answer.answered_s,
            created_at=now - timedelta(days=answer.days_ago),
        )
        for answer in answers
    )
    return sum(answer.is_mistake for answer in answers)


def write_logins(path: Path, logins: dict[str, dict[str, str]]) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(logins, file, indent=2)
