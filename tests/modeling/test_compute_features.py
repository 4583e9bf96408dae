"""`manage.py compute_features`: real processes, which are resumed, shared, killed, and run out of memory."""

import os
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from annotations.models import Track
from modeling import feature_workers, worker_limits
from modeling.core.feature_sets import FEATURE_SETS
from modeling.feature_queue import computable_sets
from modeling.management.commands import compute_features
from modeling.models import FeatureVector
from tests.audio_files import track_with_audio
from tests.processes import ROOT, Process, database_url, held_file, wait_until

pytestmark = [
    pytest.mark.services,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

# Importing the numeric stack, on busy cores.
PATIENCE_S = 180


@pytest.fixture(autouse=True)
def _processes_work_on_this_database(monkeypatch):
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "energyapp.settings")
    monkeypatch.setenv("ENERGYAPP_DATABASE_URL", database_url(connection.settings_dict))


def run(*options: str) -> list[str]:
    """What the command says at its end, line by line."""
    out = StringIO()
    call_command("compute_features", *options, stdout=out)
    return [line for line in out.getvalue().splitlines() if not line.endswith(" left")]


@pytest.fixture
def start():
    """Start the command as a process of its own, which a test may stop or kill."""
    started: list[Process] = []

    def start_with(*options: str) -> Process:
        command = [sys.executable, "manage.py", "compute_features", *options]
        popen = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        started.append(Process(popen))
        return started[-1]

    yield start_with
    for process in started:
        process.kill()


def waiting_tracks(n: int, *, duration_s: float = 3) -> list[Track]:
    return [track_with_audio(audio_state="waiting", duration_s=duration_s) for _ in range(n)]


def states() -> list[str]:
    return sorted(Track.objects.values_list("audio_state", flat=True).distinct())


def tracks_without_features(n: int) -> list[Track]:
    """Their turn comes after that of the waiting ones."""
    return [track_with_audio(duration_s=3) for _ in range(n)]


def wait_until_begun(*one_of: Track) -> None:
    begun = Track.objects.filter(pk__in=[track.pk for track in one_of], features_attempts=1)
    wait_until(begun.exists, timeout_s=PATIENCE_S, what="the track's beginning")


def data_limit(pid: int) -> int:
    (line,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max data size")
    ]
    return int(line.split()[3])


def vectors() -> dict[tuple[int, str], int]:
    rows = FeatureVector.objects.values_list("track_id", "feature_set", "pk")
    assert len({row[:2] for row in rows}) == len(rows)
    return {row[:2]: row[2] for row in rows}


# ---- The ordinary case


def test_it_computes_what_is_missing_and_says_what_cannot_be_used():
    good, text, song = *waiting_tracks(2), track_with_audio(audio_state="waiting", duration_s=66)
    Path(text.audio.path).write_text("These are my lyrics.\n" * 100)

    lines = run("--workers", "1")

    assert lines[0].startswith("Done: 3 of 3 tracks in ")
    assert lines[0].endswith(" a second), 1 failed.")
    assert len(lines) == 2
    assert lines[1].startswith(f"  {text.uri}: This is not an audio file that can be read")
    keys = {feature_set.key for feature_set in computable_sets()}
    assert set(vectors()) == {(track.pk, key) for track in (good, song) for key in keys}
    assert run() == ["No track lacks features."]


def test_it_does_as_many_tracks_and_only_the_sets_that_it_is_told_and_what_failed_when_asked():
    waiting_tracks(2)
    track_with_audio(audio_state="bad", audio_problem="silent")

    run("--set", "signal", "--limit", "1", "--workers", "1")
    assert [key for _, key in vectors()] == [FEATURE_SETS["signal"].key]

    run("--retry", "--workers", "1")
    assert states() == ["ready"]
    assert len(vectors()) == 3 * len(computable_sets())

    run("--set", "logmel", "--workers", "1")
    assert len([key for _, key in vectors() if key == FEATURE_SETS["logmel"].key]) == 3


def test_what_fails_again_is_counted_with_its_reason_also_when_another_worker_was_first(monkeypatch):
    text, *_ = tracks = waiting_tracks(2)
    for track in tracks:
        Path(track.audio.path).write_text("These are my lyrics.\n" * 100)
    run("--workers", "1")

    lines = run("--retry", "--workers", "1")
    assert lines[0].startswith("Done: 2 of 2 tracks in ")
    assert lines[0].endswith(", 2 failed.")
    assert len(lines) == 3

    # Between the list and the work a worker of the queue has tried the track: it is bad again.
    monkeypatch.setattr(compute_features, "tracks_to_do", lambda feature_sets: [text.pk])
    lines = run("--workers", "1")
    assert lines[0].endswith(", 1 failed.")
    assert lines[1].startswith(f"  {text.uri}: This is not an audio file that can be read")


def test_a_set_that_cannot_be_computed_of_a_track_counts_as_failed(monkeypatch):
    track = track_with_audio(duration_s=3)
    for feature_set in computable_sets():
        FeatureVector.objects.create(track=track, feature_set=feature_set.key, values=b"")
    monkeypatch.setattr(compute_features, "tracks_to_do", lambda feature_sets: [track.pk])

    lines = run("--set", "signal", "--workers", "1")

    assert lines[0].endswith(", 1 failed.")
    assert lines[1] == f"  {track.uri}: It can be used, but signal could not be computed of it."


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--set", "spotify"], "invalid choice: 'spotify'"),
        (["--set", "transfer"], r"transfer cannot be computed here; use manage\.py install_convnet"),
        (["--set", "colour"], "invalid choice: 'colour'"),
        (["--workers", "0"], "found '0'; expected a whole number from 1"),
        (["--limit", "-1"], "found '-1'; expected a whole number from 1"),
    ],
)
def test_a_wrong_option_is_one_line(options, problem):
    with pytest.raises(CommandError, match=problem):
        run(*options)


# ---- Stopped and killed


@pytest.mark.postgres  # who has which track is settled by rows
def test_killed_in_the_middle_it_is_finished_by_two_at_once_without_doing_anything_again(start):
    tracks, *last = waiting_tracks(4), *tracks_without_features(4)
    with held_file(Path(last[0].audio.path)), held_file(Path(last[1].audio.path)):
        victim = start("--workers", "1")
        wait_until_begun(*last[:2])
        victim.kill()
    tracks += last
    before = vectors()
    assert 4 * len(computable_sets()) <= len(before) <= 6 * len(computable_sets())

    for process in [start("--workers", "1"), start("--workers", "1")]:
        assert process.popen.wait(PATIENCE_S) == 0

    assert states() == ["ready"]
    after = vectors()
    assert set(after) == {(track.pk, feature_set.key) for track in tracks for feature_set in computable_sets()}
    assert before.items() <= after.items()


def test_ctrl_c_finishes_the_tracks_under_way_and_says_how_to_go_on(start):
    waiting_tracks(4)
    last = tracks_without_features(4)
    with held_file(Path(last[0].audio.path)), held_file(Path(last[1].audio.path)):
        process = start("--workers", "1")
        wait_until_begun(*last[:2])
        os.killpg(process.popen.pid, signal.SIGINT)
    output, _ = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == 130
    *progress, last = output.splitlines()
    assert last.startswith("CommandError: Stopped: ")
    assert last.endswith("The next run goes on from there.")
    assert all(line.endswith(" left") for line in progress), "somebody else had something to say"
    assert 5 * len(computable_sets()) <= len(vectors()) <= 7 * len(computable_sets())
    assert not Track.objects.exclude(features_attempts=0)


def test_a_process_that_is_killed_costs_its_track_and_is_replaced(start):
    waiting_tracks(3)
    (deadly,) = waiting_tracks(1)
    Path(deadly.audio.path).unlink()
    os.mkfifo(deadly.audio.path)  # who reads it waits for ever
    process = start("--workers", "1")
    wait_until_begun(deadly)
    (victim,) = [child for child in process.children() if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    assert data_limit(victim) == worker_limits.MAX_DATA_BYTES
    os.kill(victim, signal.SIGKILL)
    output, _ = process.popen.communicate(timeout=PATIENCE_S)

    assert process.popen.returncode == 0
    assert output.splitlines()[-1] == f"  {deadly.uri}: Its process was ended by SIGKILL."
    assert set(Track.objects.exclude(pk=deadly.pk).values_list("audio_state", flat=True)) == {"ready"}
    deadly.refresh_from_db()
    assert (deadly.audio_state, deadly.features_attempts) == ("waiting", 1)  # the next run tries it again


def test_a_process_that_is_overdue_is_stopped(monkeypatch):
    (endless,) = waiting_tracks(1)
    Path(endless.audio.path).unlink()
    os.mkfifo(endless.audio.path)
    monkeypatch.setattr(feature_workers, "TIME_LIMIT_S", 0.1)

    assert run("--workers", "1")[-1] == f"  {endless.uri}: It took too long, and its process was stopped."
    assert states() == ["waiting"]


def test_processes_that_only_die_are_not_replaced_for_ever(monkeypatch):
    waiting_tracks(1)
    monkeypatch.setenv("ENERGYAPP_DATABASE_URL", "sqlite:////nowhere/db.sqlite3")
    monkeypatch.setattr(feature_workers, "MAX_DEATHS_IN_A_ROW", 1)

    with pytest.raises(CommandError, match="1 processes in a row ended before they finished a track"):
        run("--workers", "1")


# ---- Out of memory

HAVE_LITTLE_MEMORY = """
import resource, sys
import django
django.setup()
from modeling import worker_limits
from modeling.feature_extraction import compute_features
from modeling.feature_queue import computable_sets

with open("/proc/self/status") as status:
    used_kb = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
worker_limits.MAX_DATA_BYTES, enough = 1024 * used_kb + 20 * 2**20, worker_limits.MAX_DATA_BYTES
for track_id in sys.argv[1:]:
    worker_limits.limit_memory()
    print(compute_features(int(track_id), computable_sets()))
    worker_limits.MAX_DATA_BYTES = enough
"""


def test_a_track_that_needs_more_memory_than_there_is_costs_itself_alone():
    (too_long,), (other,) = waiting_tracks(1, duration_s=890), waiting_tracks(1)

    result = subprocess.run(
        [sys.executable, "-c", HAVE_LITTLE_MEMORY, str(too_long.pk), str(other.pk)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert result.stdout == "It needs more memory than a worker may use.\n\n", result.stderr
    too_long.refresh_from_db()
    assert (too_long.audio_state, too_long.audio_problem) == ("bad", "It needs more memory than a worker may use.")
    other.refresh_from_db()
    assert other.audio_state == "ready"
