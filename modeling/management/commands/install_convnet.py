from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from modeling import feature_queue
from modeling.core import convnet_weights
from modeling.core.feature_sets import FEATURE_SETS


class Command(BaseCommand):
    help = (
        "Install the weights of the transfer-feature convnet: fetched from their public repository, or from a file. "
        "They state no licence, so this product does not ship them."
    )

    def add_arguments(self, parser):
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--file", type=Path, help="model_best.hdf5, where the network is closed")
        source.add_argument("--fetch", action="store_true", help="from the public repository (the default)")
        parser.add_argument("--optional", action="store_true", help="going on without them is no error")
        parser.add_argument("--timeout", type=float, default=5, metavar="SECONDS")

    def handle(self, *, file: Path | None, optional: bool, timeout: float, **options):
        folder = settings.MODELS_DIR
        already = " already" if convnet_weights.is_installed(folder) else ""
        try:
            if file and not already:
                convnet_weights.install(file, folder)
            elif not already:
                convnet_weights.fetch(folder, timeout_s=timeout)
        except convnet_weights.ConvnetUnavailable as problem:
            hint = "Later: manage.py install_convnet --file model_best.hdf5"
            if not optional:
                raise CommandError(f"{problem} {hint}") from None
            self.stdout.write(f"Going on without the 160 transfer features: {problem} {hint}")
            return
        n_lacking = feature_queue.lacking([FEATURE_SETS["transfer"]]).count()
        self.stdout.write(
            f"The transfer convnet is installed{already}; the workers compute its features of {n_lacking} tracks."
        )
