from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from annotations.benchmarks.database import database_of_its_own
from modeling.core.acquisition import STRATEGIES


class Command(BaseCommand):
    help = (
        "Measure how long it takes to rank the open tracks of a made-up library, and in how much memory, in a database of its "
        "own that is removed at the end: SQLite, or beside the one that ENERGYAPP_DATABASE_URL names."
    )

    def add_arguments(self, parser):
        parser.add_argument("--open", type=int, default=100_000, metavar="N", help="tracks that can be chosen")
        parser.add_argument("--labelled", type=int, default=5_000, metavar="N", help="tracks with a label")
        parser.add_argument("--strategy", action="append", metavar="NAME", help="may be given again; else all")

    def handle(self, *, labelled: int, strategy: list[str] | None, **options):
        from modeling.ranking import benchmark

        n_open = options["open"]
        if n_open < 1 or labelled < benchmark.MIN_LABELLED:
            raise CommandError(
                f"--open is {n_open} and --labelled {labelled}; expected 1 and {benchmark.MIN_LABELLED} or more."
            )
        if unknown := set(strategy or ()) - set(STRATEGIES):
            raise CommandError(f"--strategy is {unknown.pop()}; expected one of {', '.join(STRATEGIES)}.")
        with database_of_its_own("bench_ranking"):
            benchmark.make(n_open, labelled)
            self.stdout.write(
                f"{connection.vendor}, {n_open:,} open and {labelled:,} labelled tracks of {benchmark.N_COLUMNS} features"
            )
            for name in strategy or STRATEGIES:
                for line in benchmark.lines(name, benchmark.measure(name)):
                    self.stdout.write(line)
