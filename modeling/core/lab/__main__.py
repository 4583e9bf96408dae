"""Run an experiment on a file, without a database.

python -m modeling.core.lab resampling tracks.csv --set n_repeats=3 --json report.json
"""

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np

from modeling.core.annotations import Annotations
from modeling.core.benchmarks.emomusic import read_tracks
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.data import LabData
from modeling.core.lab.experiment import output_file, parsed_options
from modeling.core.lab.running import run_experiment
from modeling.core.lab.text import report_text


def main() -> None:
    """Read, run, print; exit code 2 with one line where the input is wrong."""
    parser = argparse.ArgumentParser(prog="python -m modeling.core.lab", description=__doc__)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("data", type=Path, help="a snapshot (dataset.npz), or tracks.csv")
    parser.add_argument(
        "--annotations", type=Path, help="who labelled the tracks of a CSV: track_uri, annotator_id, energy"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an option of the experiment")
    parser.add_argument("--folder", type=Path, help="where a long experiment keeps what lets it go on after a stop")
    parser.add_argument("--json", type=output_file, help="where to write the whole report")
    parser.add_argument("--csv", type=output_file, help="where to write its tables")
    arguments = parser.parse_args()
    try:
        kind = EXPERIMENTS[arguments.experiment]
        options = parsed_options(kind, dict(_pair(text) for text in arguments.set))
        report = run_experiment(
            kind(**options),
            _read(arguments.data, arguments.annotations),
            folder=arguments.folder,
            on_progress=lambda share, message: print(f"\r{share:4.0%} {message:70}", end="", file=sys.stderr),
        )
    except (ValueError, OSError) as problem:
        parser.exit(2, f"\n{problem}\n")
    print(file=sys.stderr)
    print(report_text(report))
    if arguments.json:
        arguments.json.write_text(report.to_json(), encoding="utf-8")
    if arguments.csv:
        arguments.csv.write_text(report.to_csv(), encoding="utf-8")


def _read(path: Path, annotations: Path | None) -> LabData:
    try:
        return read(path, annotations)
    except (KeyError, IndexError, BadZipFile, EOFError) as problem:
        raise ValueError(
            f"found {problem!r} in {path}; expected a snapshot (dataset.npz), or a CSV with artist, song_id, energy and"
            " transfer_000..."
        ) from problem


def read(path: Path, annotations: Path | None = None) -> LabData:
    """Tracks of a CSV (artist, song_id, energy, transfer_000..., and genre where it is there) or a snapshot.

    Annotations leave the tracks' levels as they are: a level may come from more people than are known.
    """
    if path.suffix != ".csv":
        if path.is_file() and not is_zipfile(path):
            raise ValueError(
                f"found {path}, which is neither; expected a snapshot (dataset.npz), or a file whose name ends in .csv"
            )
        return LabData.load(path)
    genres = [(row["genre"],) if row.get("genre") else () for row in _rows(path)]
    data = replace(LabData.of_dataset(read_tracks(path)), genres=genres)
    return data if annotations is None else _with_annotations(data, annotations)


def _with_annotations(data: LabData, path: Path) -> LabData:
    row_of = {uri: row for row, uri in enumerate(data.dataset.uris.tolist())}
    given = _rows(path)
    known = [each for each in given if each["track_uri"] in row_of]
    annotations = Annotations(
        np.array([row_of[each["track_uri"]] for each in known]),
        np.array([each["annotator_id"] for each in known]),
        np.array([int(each["energy"]) for each in known]),
    )
    unknown = len(given) - len(known)
    notes = (f"{unknown} annotations are of tracks that are not there: left out",) if unknown else ()
    return replace(data, annotations=annotations, notes=(*data.notes, *notes))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"found --set {text}; expected NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
