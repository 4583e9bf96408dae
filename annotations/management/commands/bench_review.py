from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from annotations.benchmarks import library, review
from annotations.benchmarks.database import database_of_its_own
from annotations.benchmarks.review_library import add_review


class Command(BaseCommand):
    help = (
        "Measure what the pages of leads cost the server, on a made-up library in a database of its own that is removed at "
        "the end: SQLite, or beside the one that ENERGYAPP_DATABASE_URL names."
    )

    def add_arguments(self, parser):
        parser.add_argument("--tracks", type=int, default=100_000, metavar="N", help="three times as many labels")
        parser.add_argument("--flags", type=int, default=10_000, metavar="N", help="half as many decisions")
        parser.add_argument("--requests", type=int, default=50, metavar="N", help="of each kind")

    def handle(self, *, tracks: int, flags: int, requests: int, **options):
        if tracks < 1000:
            raise CommandError(f"--tracks is {tracks}; expected 1,000 or more.")
        if not 200 <= flags <= tracks:
            raise CommandError(f"--flags is {flags}; expected 200 to {tracks:,} with {tracks:,} tracks.")
        if not 1 <= requests <= flags // 20:
            raise CommandError(f"--requests is {requests}; expected 1 to {flags // 20} with {flags:,} flags.")
        with database_of_its_own("bench_review"):
            made = library.build(n_tracks=tracks)
            lead = add_review(made, n_flags=flags, n_decisions=flags // 2)
            self.stdout.write(
                f"{connection.vendor}, {tracks:,} tracks, {flags:,} flags, {requests} requests of each kind"
            )
            for line in review.table_lines(review.measure(made, lead, n_requests=requests)):
                self.stdout.write(line)
