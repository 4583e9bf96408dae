from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from energyapp.jobs.claims import JobRefused
from modeling.exports.forms import FEATURE_SET_CHOICES
from modeling.exports.models import Export
from modeling.exports.registry import TABLES
from modeling.exports.tables import Options
from modeling.exports.writing import write_table


class Command(BaseCommand):
    help = "Write labels, levels, decisions, predictions, features or tracks to a file."

    def add_arguments(self, parser):
        parser.add_argument("table", metavar="TABLE", choices=list(TABLES), help=", ".join(TABLES))
        parser.add_argument("out", type=Path, metavar="FILE", help="a new file, ending in .csv, .jsonl or .parquet")
        parser.add_argument("--pseudonyms", action="store_true", help="people are told apart, but not by their names")
        parser.add_argument("--feature-set", choices=[name for name, _ in FEATURE_SET_CHOICES], default="")

    def handle(self, *, table: str, out: Path, pseudonyms: bool, feature_set: str, **options):
        format = out.suffix.removeprefix(".")
        if format not in Export.Format:
            raise CommandError(f"{out} ends in {out.suffix or 'nothing'!r}; expected .csv, .jsonl or .parquet")
        if (table == "features") != bool(feature_set):
            raise CommandError("--feature-set belongs to the table of features, which needs it")
        try:
            written = write_table(
                table, Options(is_pseudonymous=pseudonyms, feature_set=feature_set), out, format=format
            )
        except FileExistsError:
            raise CommandError(f"{out} is there already; name a new file") from None
        except OSError as problem:
            raise CommandError(f"{out} cannot be written: {problem.strerror}") from None
        except JobRefused as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(f"{written.n_rows:,} rows in {out}, sha256 {written.sha256}")
