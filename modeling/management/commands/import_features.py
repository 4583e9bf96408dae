from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from annotations.intake.csv_rows import FileRefused, RefusedRows, report_path
from modeling.core.feature_sets import FEATURE_SETS
from modeling.imports import import_features

# Rows of thousands of columns are longer than a CSV may have them.
IMPORTABLE = [name for name, feature_set in FEATURE_SETS.items() if not feature_set.on_request]


class Command(BaseCommand):
    help = "Import ready feature columns of tracks that are here: the columns of the set, and track_uri or Spotify's track_id."

    def add_arguments(self, parser):
        parser.add_argument("feature_set", metavar="SET", choices=IMPORTABLE)
        parser.add_argument("file", type=Path, metavar="FILE.csv")
        parser.add_argument(
            "--refused", type=Path, metavar="FILE.csv", help="default: beside FILE, ending in .refused.csv"
        )

    def handle(self, *, feature_set: str, file: Path, refused: Path | None, **options):
        if not file.is_file():
            raise CommandError(f"There is no file {file}.")
        if file.suffix == ".gz":
            raise CommandError(f"{file} is compressed. Unpack it first: gunzip -k {file}")
        try:
            with RefusedRows(report_path(file, refused)) as report:
                counts = import_features(file, feature_set=feature_set, refused=report)
        except FileRefused as problem:
            raise CommandError(str(problem)) from None
        replaced = f"{counts.replaced} replaced by a later row, " if counts.replaced else ""
        self.stdout.write(
            f"{counts.rows} rows: {counts.stored} {feature_set} vectors stored, {replaced}{counts.refused} refused."
        )
        if report.count:
            self.stdout.write(f"Refused rows with their reasons: {report.path}")
