from collections.abc import Iterable

from django.core.management.base import BaseCommand

from modeling.core.feature_sets import FEATURE_SETS, FeatureSet

# A set of more columns follows a pattern, which its first ones and its last one show.
MAX_ROWS, N_FIRST = 500, 3

_INTRODUCTION = """\
# Features

Written by `manage.py describe_features > docs/features.md`; a test holds this file to the code.

What is computed describes the loudest 30 s of a track (all of a shorter one), mixed down to mono at 16 kHz: as a track's
vector, and again for every 30 s of a longer one. Frames are librosa's with `n_fft=1024, hop_length=512`: 64 ms every
32 ms, periodic Hann, centred, with zeros beyond the edges (zero crossings repeat the edge sample, as librosa's do).
A *spread* is a standard deviation over frames.

The source says whose definition a column follows; *own* means that the description is the definition. Tests compare
each of librosa's frame by frame: equal but for float rounding, one bin in rare frames for the rolloff. For onsets, librosa's
30 ms and 100 ms are rounded to frames (it rounds down, and 30 ms would be no frame at all); pitch classes are for
A = 440 Hz; of the spectral contrast the highest octave is left out, which resampling empties. Loudness applies K-weighting to
spectra: within 0.1 LU of pyloudnorm on real music, up to 1 LU off for single hits on silence; the loudness range is that of
the clip, without the silence that pyloudnorm appends. The true peak is that of the mono clip, not of the master."""


class Command(BaseCommand):
    help = "Print what each number of each feature set is, as Markdown."

    def handle(self, **options):
        self.stdout.write(as_markdown(FEATURE_SETS.values()))


def as_markdown(feature_sets: Iterable[FeatureSet]) -> str:
    return "\n\n".join([_INTRODUCTION, *(_section(feature_set) for feature_set in feature_sets)]) + "\n"


def _section(feature_set: FeatureSet) -> str:
    about = [feature_set.about, "Training uses it." if feature_set.used_in_training else "Training does not use it."]
    if feature_set.on_request:
        about.append(
            f"Computed only on request, also of new tracks: `manage.py compute_features --set {feature_set.name}`."
        )
    rows = [
        f"| {i} | `{column.name}` | {column.description} | {column.unit} | {column.source} |"
        for i, column in enumerate(feature_set.documentation)
    ]
    head = ["| | Column | What | Unit | Source |", "|---|---|---|---|---|"]
    shown = rows if len(rows) <= MAX_ROWS else [*rows[:N_FIRST], "| ... | | | | |", rows[-1]]
    return "\n".join([f"## `{feature_set.key}`: {len(rows)} columns", "", " ".join(about), "", *head, *shown])
