from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from annotations.benchmarks import library
from annotations.benchmarks.database import database_of_its_own
from annotations.models import Annotation
from modeling.exports import benchmark

LABELS_A_TRACK = 3


class Command(BaseCommand):
    help = (
        "Measure what exports cost and whether another installation makes the same of one, on a made-up library in a "
        "database of its own that is removed at the end: SQLite, or beside the one that ENERGYAPP_DATABASE_URL names."
    )

    def add_arguments(self, parser):
        parser.add_argument("--labels", type=int, default=100_000, metavar="N", help="about as many")

    def handle(self, *, labels: int, **options):
        if labels < 300:
            raise CommandError(f"--labels is {labels}; expected 300 or more.")
        with database_of_its_own("bench_exports"):
            library.build(n_tracks=labels // LABELS_A_TRACK)
            n_labels = Annotation.objects.count()
            connections.close_all()
            for line in benchmark.lines(n_labels):
                self.stdout.write(line)
