from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from annotations.intake.csv_import import import_tracks
from annotations.intake.csv_rows import FileRefused, RefusedRows, report_path
from annotations.intake.history_import import import_history, is_history


class Command(BaseCommand):
    help = (
        "Import tracks and labels from a CSV: energy, track_uri, track_preview_url, annotator_id, genres, title, artist; "
        "or an export of the history, with all that it holds."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument("--audio-dir", type=Path, metavar="DIR", help="where track_preview_url is a file name")
        parser.add_argument(
            "--refused", type=Path, metavar="FILE.csv", help="default: beside FILE, ending in .refused.csv"
        )

    def handle(self, *, file: Path, audio_dir: Path | None, refused: Path | None, **options):
        if not file.is_file():
            raise CommandError(
                f"{file} is a folder; expected a CSV file." if file.is_dir() else f"There is no file {file}."
            )
        if audio_dir and not audio_dir.is_dir():
            raise CommandError(f"There is no folder {audio_dir}.")
        try:
            with RefusedRows(report_path(file, refused)) as report:
                if is_history(file):
                    counts = import_history(file, refused=report)
                else:
                    counts = import_tracks(file, audio_dir=audio_dir, refused=report)
        except FileRefused as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(str(counts))
        if report.count:
            self.stdout.write(f"Refused rows with their reasons: {report.path}")
