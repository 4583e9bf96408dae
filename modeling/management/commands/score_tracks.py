import os
from contextlib import closing
from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from annotations.intake.csv_import import find_in_folder
from annotations.intake.csv_rows import FileRefused
from energyapp.jobs.claims import JobRefused
from modeling import feature_workers
from modeling.management.commands.compute_features import Progress, at_least_one
from modeling.models import TrainingRun
from modeling.scoring import foreground
from modeling.scoring.models import Scoring
from modeling.scoring.states import State

# What a script can tell the outcome by; 1 is what every command ends with that could not do its work.
SOME_WITHOUT_SCORE, INTERRUPTED = 3, 130
GO_ON = "What was done is stored: the same command goes on from there."


class Command(BaseCommand):
    help = (
        "Score the tracks of a CSV, without a worker: columns track_uri and, for new tracks, track_preview_url, title, artist, "
        "genres. They join the library like any others. OUT has the same rows with level, score and interval. It can be "
        "stopped at any time; the same command goes on from there. Exit code: 0 all have a score, 3 some have none (OUT says "
        "why), 1 nothing was written, 130 stopped."
    )

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, metavar="IN.csv")
        parser.add_argument("--out", type=Path, required=True, metavar="OUT.csv", help="replaced if it is there")
        parser.add_argument("--audio-dir", type=Path, metavar="DIR", help="where track_preview_url is a file name")
        parser.add_argument("--run", type=at_least_one, metavar="N", help="by this run's model; else by the one in use")
        parser.add_argument(
            "--workers", type=at_least_one, default=os.cpu_count() or 1, metavar="N", help="processes; else one a core"
        )

    def handle(self, *, file: Path, out: Path, audio_dir: Path | None, run: int | None, workers: int, **options):
        _check_paths(file, out, audio_dir)
        model = _model(run)
        try:
            scoring = self._score(file, audio_dir, model, workers)
            foreground.write(scoring, model, out)
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {GO_ON}", returncode=INTERRUPTED) from None
        except (FileRefused, JobRefused, foreground.CannotScore) as problem:
            raise CommandError(str(problem)) from None
        except feature_workers.WorkersKeepDying as problem:
            raise CommandError(f"{problem} {GO_ON}") from None
        except (OSError, OperationalError) as problem:  # a full disk, of the media, the database or OUT
            raise CommandError(f"{problem}. {GO_ON}") from problem
        self._conclude(scoring, model, out)

    def _score(self, file: Path, audio_dir: Path | None, run: TrainingRun, n_workers: int) -> Scoring:
        say = self.stdout.write
        feature_sets = foreground.usable_sets(run)
        find_audio = partial(find_in_folder, audio_dir and audio_dir.resolve())
        scoring = foreground.read(file, find_audio=find_audio, say=say)
        if n_later := foreground.fetch_previews(scoring, say=say):
            say(f"{n_later:,} previews have to be tried again later: their servers ask for patience.")
        track_ids = foreground.lacking_features(scoring, feature_sets)
        progress = Progress(len(track_ids), say=say)
        with closing(feature_workers.compute(track_ids, feature_sets, n_workers=n_workers)) as done:
            for track_id, problem in done:
                progress.add(track_id, problem)
        say(f"Features: {progress}.")
        say(f"{foreground.predict(scoring, run, say=say):,} tracks predicted by {run}.")
        return scoring

    def _conclude(self, scoring: Scoring, run: TrainingRun, out: Path) -> None:
        counts = foreground.counts(scoring, run)
        said = ", ".join(f"{counts[state]:,} {state.label}" for state in State if counts.get(state))
        n_rows = sum(counts.values())
        self.stdout.write(f"{n_rows:,} rows: {said or 'none'}. Written to {out}")
        if n_without := n_rows - counts.get(State.SCORED, 0):
            raise CommandError(
                f"{n_without:,} rows have no score; {out} says why in scoring_reason.", returncode=SOME_WITHOUT_SCORE
            )


def _check_paths(file: Path, out: Path, audio_dir: Path | None) -> None:
    if not file.is_file():
        raise CommandError(
            f"{file} is a folder; expected a CSV file." if file.is_dir() else f"There is no file {file}."
        )
    if audio_dir and not audio_dir.is_dir():
        raise CommandError(f"There is no folder {audio_dir}.")
    if out.is_dir() or out.resolve() == file.resolve():
        raise CommandError(
            f"{out} is {'a folder' if out.is_dir() else 'the file to read'}; name another file with --out."
        )
    # Now, and not after an hour of work.
    part = foreground.part_of(out)
    try:
        part.touch()
        part.unlink()
    except OSError as problem:
        raise CommandError(f"{out} cannot be written: {problem.strerror}. Name another place with --out.") from None


def _model(number: int | None) -> TrainingRun:
    if number is None:
        if run := TrainingRun.objects.live():
            return run
        raise CommandError("There is no model yet. Label some tracks and train one on the dashboard; then score.")
    if run := TrainingRun.objects.succeeded().filter(pk=number).first():
        return run
    known = ", ".join(map(str, TrainingRun.objects.succeeded().order_by("-pk").values_list("pk", flat=True)[:10]))
    raise CommandError(f"There is no run {number} with a model; there is {known or 'none yet'}.")
