"""Loudness of tracks whose audio was read before it was kept: from their features, without decoding anything again.

The signal features describe the loudest 30 s; so does what is kept of tracks from now on.
"""

from struct import unpack_from

from django.db import migrations

FEATURE_SET = "signal@2"
# Of loudness_lufs among the 175 columns of that version, which never change; other versions are computed anew, and then say it.
INDEX = 21
INAUDIBLE_LUFS = -70.0
BATCH_SIZE = 500


def fill_in(apps, schema_editor):
    FeatureVector = apps.get_model("modeling", "FeatureVector")
    Track = apps.get_model("annotations", "Track")
    vectors = FeatureVector.objects.filter(feature_set=FEATURE_SET, track__loudness_lufs=None).order_by("track")
    last = 0
    # By track and not by `iterator`: a cursor must not read what its own loop writes.
    while batch := list(vectors.filter(track__gt=last).values_list("track", "values")[:BATCH_SIZE]):
        last = batch[-1][0]
        heard = [Track(pk=pk, loudness_lufs=lufs) for pk, values in batch if (lufs := loudness(values)) is not None]
        Track.objects.bulk_update(heard, ["loudness_lufs"])


def loudness(values):
    """In LUFS; None of a set that could not be computed (it is empty), and of what is too quiet to count."""
    if len(values) <= 4 * INDEX:
        return None
    (lufs,) = unpack_from("<f", values, 4 * INDEX)
    return lufs if INAUDIBLE_LUFS < lufs < float("inf") else None


class Migration(migrations.Migration):
    dependencies = [
        ("modeling", "0004_options_of_a_training"),
        ("annotations", "0004_streams_rules_and_references"),
    ]
    operations = [migrations.RunPython(fill_in, migrations.RunPython.noop)]
