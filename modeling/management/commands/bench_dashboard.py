from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from annotations.benchmarks import library
from annotations.benchmarks.database import database_of_its_own
from annotations.benchmarks.review import table_lines
from annotations.benchmarks.review_library import add_review
from modeling.dashboard import benchmark


class Command(BaseCommand):
    help = (
        "Measure what the dashboard, runs and their comparison cost the server, on a made-up library in a database of its "
        "own that is removed at the end: SQLite, or beside the one that ENERGYAPP_DATABASE_URL names."
    )

    def add_arguments(self, parser):
        parser.add_argument("--tracks", type=int, default=100_000, metavar="N", help="three times as many labels")
        parser.add_argument("--flags", type=int, default=10_000, metavar="N", help="half as many decisions")
        parser.add_argument("--runs", type=int, default=60, metavar="N", help="the last two with predictions")
        parser.add_argument("--labelled", type=int, default=40_000, metavar="N", help="tracks that these had held out")
        parser.add_argument("--requests", type=int, default=50, metavar="N", help="of each kind")

    def handle(self, *, tracks: int, flags: int, runs: int, labelled: int, requests: int, **options):
        if tracks < 1000:
            raise CommandError(f"--tracks is {tracks}; expected 1,000 or more.")
        if not 200 <= flags <= tracks:
            raise CommandError(f"--flags is {flags}; expected 200 to {tracks:,} with {tracks:,} tracks.")
        if runs < 2 or requests < 1:
            raise CommandError(f"--runs is {runs} and --requests {requests}; expected at least 2 and 1.")
        if not 100 <= labelled <= tracks:
            raise CommandError(f"--labelled is {labelled}; expected 100 to {tracks:,} with {tracks:,} tracks.")
        with database_of_its_own("bench_dashboard"):
            made = library.build(n_tracks=tracks)
            add_review(made, n_flags=flags, n_decisions=flags // 2)
            admin, trained = benchmark.add_runs(made, n_runs=runs, n_labelled=labelled)
            self.stdout.write(
                f"{connection.vendor}, {tracks:,} tracks, {flags:,} flags, {runs} runs of {labelled:,} tracks, "
                f"{requests} requests of each kind"
            )
            for line in table_lines(benchmark.measure(admin, trained, n_requests=requests)):
                self.stdout.write(line)
