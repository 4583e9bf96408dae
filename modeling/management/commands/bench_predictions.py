from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from annotations.benchmarks.database import database_of_its_own
from modeling.core.feature_sets import FEATURE_SETS
from modeling.recipe_choices import RECIPE_CHOICES


class Command(BaseCommand):
    help = (
        "Measure how many tracks a minute are predicted from stored features, on a made-up library in a database of its own "
        "that is removed at the end: SQLite, or beside the one that ENERGYAPP_DATABASE_URL names."
    )

    def add_arguments(self, parser):
        parser.add_argument("--tracks", type=int, default=50_000, metavar="N")
        parser.add_argument(
            "--recipe", action="append", metavar="NAME", help="may be given again; ridge_thresholds and auto"
        )
        parser.add_argument("--one-by-one", type=int, default=300, metavar="N", help="so many for the comparison")

    def handle(self, *, tracks: int, recipe: list[str] | None, one_by_one: int, **options):
        from modeling.retraining import benchmark

        if tracks < benchmark.N_LABELLED:
            raise CommandError(f"--tracks is {tracks}; expected {benchmark.N_LABELLED} or more.")
        if not 1 <= one_by_one <= tracks:
            raise CommandError(f"--one-by-one is {one_by_one}; expected 1 to {tracks:,}, the number of tracks.")
        if unknown := set(recipe or ()) - set(RECIPE_CHOICES):
            raise CommandError(f"--recipe is {unknown.pop()}; expected one of {', '.join(RECIPE_CHOICES)}.")
        computed = [name for name in ("signal", "transfer") if FEATURE_SETS[name].used_in_training]
        with database_of_its_own("bench_predictions"):
            benchmark.make_library(tracks, feature_sets=computed)
            n_columns = sum(len(FEATURE_SETS[name].columns) for name in computed)
            self.stdout.write(f"{connection.vendor}, {tracks:,} tracks of {n_columns} features")
            for name in recipe or ["ridge_thresholds", "auto"]:
                cost = benchmark.measure(name, n_one_by_one=one_by_one, say=self.stderr.write)
                for line in benchmark.lines(name, cost):
                    self.stdout.write(line)
