import json
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from energyapp.jobs import services as jobs
from energyapp.jobs.claims import JobRefused, NotClaimed
from energyapp.jobs.models import Job
from modeling import services
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.experiment import output_file, parsed_options
from modeling.models import Experiment


class Command(BaseCommand):
    help = (
        "Ask an experiment of the lab of the labels there are, here and now, without a worker or broker. It shows on the page "
        "Lab like any other; Ctrl-C cancels it."
    )

    def add_arguments(self, parser):
        parser.add_argument("name", nargs="?", choices=EXPERIMENTS, metavar="NAME", help="which one; see --list")
        parser.add_argument(
            "--list", action="store_true", dest="is_list", help="name all, with their options, and stop"
        )
        parser.add_argument(
            "--set", action="append", default=[], dest="pairs", metavar="OPTION=VALUE", help="may be repeated"
        )
        parser.add_argument("--json", type=output_file, metavar="FILE", help="where to write the whole report")
        parser.add_argument("--csv", type=output_file, metavar="FILE", help="where to write its tables")

    def handle(
        self, *, name: str | None, is_list: bool, pairs: list[str], json: Path | None, csv: Path | None, **options
    ):
        if is_list:
            return self.stdout.write(listing())
        if name is None:
            raise CommandError("Which experiment? --list names all.")
        experiment = self._answered(name, pairs)

        from modeling.core.lab.report import Report
        from modeling.core.lab.text import report_text

        report = Report.from_json(experiment.report)
        self.stdout.write(report_text(report))
        self.stdout.write(f"On the page Lab: experiment {experiment.pk}.")
        if json:
            json.write_text(experiment.report, encoding="utf-8")
        if csv:
            csv.write_text(report.to_csv(), encoding="utf-8")

    def _answered(self, name: str, pairs: list[str]) -> Experiment:
        from modeling import experiments  # the numeric stack

        try:
            asked = parsed_options(EXPERIMENTS[name], dict(pair_of(text) for text in pairs))
            experiment, _ = services.note_experiment(name=name, options=asked, requested_by=None)
        except ValueError as problem:
            raise CommandError(str(problem)) from None
        try:
            experiments.answer(experiment.job_id, on_progress=self._say)
        except NotClaimed:
            raise CommandError(
                f"A worker answers this already: see experiment {experiment.pk} on the page Lab."
            ) from None
        except JobRefused as refusal:
            raise CommandError(str(refusal)) from None
        except KeyboardInterrupt:
            jobs.cancel(job=experiment.job, by="whoever ran the command")
            experiments.forget_where_given_up(experiment)
            raise CommandError("Cancelled.", returncode=130) from None
        finally:
            self.stderr.write("")  # ends the line of the progress
        experiment = Experiment.objects.select_related("job").get(pk=experiment.pk)
        if experiment.job.status == Job.Status.CANCELLED:
            raise CommandError(experiment.job.message)
        return experiment

    def _say(self, share: float, message: str) -> None:
        self.stderr.write(f"\r{share:4.0%} {message:70.70}", ending="")
        self.stderr.flush()


def listing() -> str:
    """Every experiment: its question, and its options with their defaults."""
    return "\n\n".join(
        f"{name}: {kind.question}\n"
        + "\n".join(f"    {key}={json.dumps(value)}" for key, value in kind().options.items() if key not in kind.idle)
        for name, kind in EXPERIMENTS.items()
    )


def pair_of(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"found --set {text}; expected OPTION=VALUE")
    return name, value
