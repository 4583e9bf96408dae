import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = (
        "Measure what features cost on this machine: the decoder alone, a naive pipeline (librosa and keras) and ours, "
        "on the same clips. Takes several minutes, and some seconds more with each clip; the machine should do nothing else."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR", help="with music, in subfolders too")
        parser.add_argument("--clips", type=int, metavar="N", help="only the first N files that can be used")
        parser.add_argument("--json", action="store_true", dest="as_json", help="the figures for a program")
        parser.add_argument(
            "--as-they-are",
            action="store_true",
            help="whole files, unchanged; else the loudest 30 s of each as MP3, so that figures of all collections compare",
        )

    def handle(self, *, folder: Path, clips: int | None, as_json: bool, as_they_are: bool, **options):
        from modeling.core.benchmarks import clips as preparations
        from modeling.core.benchmarks import features, features_table
        from modeling.core.convnet_weights import ConvnetUnavailable

        if not folder.is_dir():
            raise CommandError(f"There is no folder {folder}.")
        if clips is not None and clips < 1:
            raise CommandError(f"--clips is {clips}; expected 1 or more.")
        preparation = preparations.AS_THEY_ARE if as_they_are else preparations.CUT
        try:
            costs = features.measure(folder, prepare=preparation.prepare, n_clips=clips, say=self.stderr.write)
        except (features.CannotMeasure, ConvnetUnavailable) as problem:
            raise CommandError(str(problem)) from None
        if as_json:
            self.stdout.write(json.dumps(features_table.as_dict(costs, clips=preparation.description), indent=2))
        else:
            self.stdout.write(features_table.as_table(costs, clips=preparation.description))
