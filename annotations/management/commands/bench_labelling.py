from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from annotations.benchmarks import crowd, library, requests
from annotations.benchmarks.database import database_of_its_own


class Command(BaseCommand):
    help = (
        "Measure what handing out a track and storing a label cost the server, on a made-up library in a database of its "
        "own that is removed at the end: SQLite, or beside the one that ENERGYAPP_DATABASE_URL names."
    )

    def add_arguments(self, parser):
        parser.add_argument("--tracks", type=int, default=100_000, metavar="N", help="three times as many labels")
        parser.add_argument("--requests", type=int, default=200, metavar="N", help="of each kind in each scenario")

    def handle(self, *, tracks: int, requests: int, **options):
        if tracks < 1000:
            raise CommandError(f"--tracks is {tracks}; expected 1,000 or more: fewer run out while it is measured.")
        if not 1 <= requests <= tracks // 40:
            raise CommandError(f"--requests is {requests}; expected 1 to {tracks // 40} with {tracks:,} tracks.")
        with database_of_its_own("bench_labelling"):
            self.measure(tracks, requests)

    def measure(self, n_tracks: int, n_requests: int) -> None:
        made = library.build(n_tracks=n_tracks)
        self.stdout.write(f"{connection.vendor}, {n_tracks:,} tracks, {n_requests} requests of each kind")
        page = requests.measure_page(made, n_requests=n_requests)
        self.stdout.write(
            f"the page: {max(page.statements)} statements, {page.median_ms:.1f} ms, p95 {page.p95_ms:.1f} ms"
        )
        # Ten to each request: 2,000, unless one wants less.
        self.stdout.write(str(crowd.label_at_once(made, n_labels=10 * n_requests)))
        for line in requests.table_lines(requests.measure(made, n_requests=n_requests)):
            self.stdout.write(line)
