"""The benchmark of features: what it prints, and what it refuses. Not how fast anything is: machines differ."""

import json
from io import StringIO

import numpy as np
import pytest
import soundfile
from django.core.management import CommandError, call_command

from modeling.core import audio, convnet_weights, decoding
from modeling.core.benchmarks import clips, features, features_table
from tests.modeling.core.encoding import WRITERS


@pytest.fixture
def weights(shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("ENERGYAPP_MODELS", str(tmp_path / "models"))
    return convnet_weights.install(shared_data / "convnet" / "model_best.hdf5", tmp_path / "models")


@pytest.fixture
def music(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


def write_noise(path, *, seconds, rate_hz=16_000, n_channels=1, loud_from_s=0):
    noise = np.random.default_rng(0).normal(0, 0.01, (seconds * rate_hz, n_channels))
    noise[loud_from_s * rate_hz :] *= 10
    soundfile.write(path, noise, rate_hz)
    return path


def bench(*options):
    out, progress = StringIO(), StringIO()
    call_command("bench_features", *map(str, options), stdout=out, stderr=progress)
    return out.getvalue(), progress.getvalue()


def test_every_figure_is_printed_for_the_files_that_can_be_used(weights, music, monkeypatch):
    monkeypatch.setattr(features, "_REPEATS", 1)
    monkeypatch.setattr(features, "_MIN_CLIPS_A_RUN", 1)
    monkeypatch.setattr(features, "N_PROCESSES", (1,))
    # The naive pipeline step by step alone: each start of TensorFlow takes seconds.
    at_full_speed = {name: work for name, work in features.WHOLES.items() if name != features.NAIVE}
    monkeypatch.setattr(features, "measurable_wholes", lambda: at_full_speed)
    write_noise(music / "one.wav", seconds=31)
    (music / "album").mkdir()
    write_noise(music / "album" / "one.wav", seconds=30)  # of the same name
    write_noise(music / "short.wav", seconds=5)
    (music / "notes.txt").write_text("no music")

    out, progress = bench(music)

    assert out.startswith("2 clips: the loudest 30 s of each file, as MP3")
    for step in (
        *("decoder alone", "load", "peaks", "signal", "transfer", "spotify_like", "naive signal"),
        *("transfer, from file", "transfer + signal + peaks, from file", "all sets + peaks, from file"),
        "naive transfer, from file",
    ):
        assert rf"{step} " in out
    assert out.count(" times\n") == len(features.WHOLES)
    assert out.count(" MB\n") == len(at_full_speed)
    assert "Left out: short.wav, it has 5.0 s" in progress
    assert "Left out: notes.txt, " in progress
    assert "2 of 2: 1 one.mp3" in progress


def test_ratios_are_taken_clip_by_clip():
    of_step = {step: np.array([20.0, 30.0, 40.0]) for step in (features.DECODER, "load", *features.WHOLES)}
    of_step[features.TRANSFER] = np.array([40.0, 90.0, 160.0])
    runs = {whole: {n: features.Run(1000.0 * n, 200.0) for n in features.N_PROCESSES} for whole in features.WHOLES}
    costs = features.Costs(of_step, runs)

    found = json.loads(json.dumps(features_table.as_dict(costs, clips="made up")))

    assert found["steps"]["transfer, from file"] == {
        "cpu_ms": [65.0, 90.0, 125.0],
        "times_decoder": [2.5, 3.0, 3.5],
        "naive_takes_times": [0.292, 0.333, 0.417],
    }
    assert "naive_takes_times" not in found["steps"]["load"]
    assert found["runs"]["transfer, from file"]["2"] == {"clips_an_hour": 2000.0, "peak_memory_mb": 200.0}
    table = features_table.as_table(costs, clips="made up").splitlines()
    cells = ["90.0", "(65.0-125.0)", "3.00", "(2.50-3.50)", "0.3", "(0.3-0.4)", "times"]
    assert ["transfer,", "from", "file", *cells] in [line.split() for line in table]


def test_processes_work_through_the_clips_together(weights, music):
    clip = write_noise(music / "one.wav", seconds=6)

    run = features._run(features.transfer, [clip, clip, clip], 2)

    assert 1_000 < run.clips_an_hour < 10_000_000
    assert 100 < run.peak_memory_mb < 700


def test_a_naive_pipeline_that_computes_something_else_is_refused(music):
    ours = np.linspace(-1, 1, 160, dtype=np.float32)

    features._check_agreement(music, ours, ours + np.float32(1e-4))
    with pytest.raises(features.CannotMeasure, match=r"differ from ours by 1\.0e-02"):
        features._check_agreement(music, ours, ours + np.float32(1e-2))


def test_a_clip_is_the_loudest_half_minute_in_one_format(tmp_path):
    track = write_noise(tmp_path / "quiet then loud.flac", seconds=40, rate_hz=22_050, loud_from_s=10)

    clip = clips.CUT.prepare(track, tmp_path / "clip.mp3")

    found = soundfile.info(clip)
    assert (found.format, found.samplerate, found.channels) == ("MP3", 44_100, 2)
    assert 29.9 < found.duration < 30.1
    assert clip.stat().st_size == pytest.approx(30 * 128_000 / 8, rel=0.01)
    assert audio.loudest_part(decoding.load(clip).waveform, 1)[0] < 29
    assert np.std(decoding.load(clip).waveform[:16_000]) > 0.03  # loud from its first second


def test_a_file_as_it_is_needs_no_half_minute(tmp_path):
    track = write_noise(tmp_path / "short.wav", seconds=5)

    assert clips.AS_THEY_ARE.prepare(track, tmp_path / "clip.mp3") == track
    with pytest.raises(clips.Unusable, match="fewer than 30"):
        clips.CUT.prepare(track, tmp_path / "clip.mp3")


def test_a_folder_without_music_is_refused(weights, music, tmp_path):
    with pytest.raises(CommandError, match="There is no folder"):
        bench(tmp_path / "nowhere")
    with pytest.raises(CommandError, match="There are no files in"):
        bench(music)
    (music / "notes.txt").write_text("no music")
    with pytest.raises(CommandError, match="None of the 1 files in"):
        bench(music)
    with pytest.raises(CommandError, match="expected 1 or more"):
        bench(music, "--clips", 0)


def test_without_weights_the_rest_is_measured_and_what_is_left_out_is_said(music, tmp_path, monkeypatch):
    monkeypatch.setenv("ENERGYAPP_MODELS", str(tmp_path))
    monkeypatch.setattr(features, "_REPEATS", 1)
    monkeypatch.setattr(features, "_MIN_CLIPS_A_RUN", 1)
    monkeypatch.setattr(features, "N_PROCESSES", (1,))
    write_noise(music / "one.wav", seconds=30)

    out, progress = bench(music)

    assert features.WITHOUT_WEIGHTS in out
    assert progress.startswith(features.WITHOUT_WEIGHTS)
    assert "all sets + peaks, from file: 1 at once" in progress
    steps = {line.split("  ")[0] for line in out.splitlines()}
    assert {"decoder alone", "signal", "spotify_like", "naive signal", features.EVERYTHING} <= steps
    assert not any("transfer" in step for step in steps if step != features.WITHOUT_WEIGHTS)


@pytest.mark.parametrize("preparation", [clips.CUT, clips.AS_THEY_ARE])
def test_a_text_of_another_name_is_left_out_for_what_it_is(tmp_path, capfd, preparation):
    text = tmp_path / "song.mp3"
    text.write_text("These are my lyrics. " * 100)

    with pytest.raises(clips.Unusable, match="This is not an audio file that can be read"):
        preparation.prepare(text, tmp_path / "clip.mp3")

    assert capfd.readouterr() == ("", "")


def test_m4a_is_cut_like_the_rest_and_left_out_as_it_is_because_the_naive_pipeline_cannot_read_it(tmp_path):
    wav, m4a = write_noise(tmp_path / "one.wav", seconds=40, rate_hz=22_050, loud_from_s=10), tmp_path / "one.m4a"
    samples, _ = soundfile.read(wav, dtype="float32")
    WRITERS["m4a"](m4a, samples[:, None], 22_050)

    clip = clips.CUT.prepare(m4a, tmp_path / "clip.mp3")

    assert soundfile.info(clip).duration == pytest.approx(30, abs=0.1)
    assert np.std(decoding.load(clip).waveform[:16_000]) > 0.03
    with pytest.raises(clips.Unusable, match="libsndfile, by which the naive pipeline reads, does not know its format"):
        clips.AS_THEY_ARE.prepare(m4a, tmp_path / "clip.mp3")
