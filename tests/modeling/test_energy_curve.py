"""The curve of a song: scored by a worker on request, drawn by the server, and when there is none."""

import numpy as np
import pytest
import soundfile

from energyapp.jobs.models import Job
from modeling import feature_extraction, window_features
from modeling.core import audio
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import TrainingRun
from modeling.retraining.predictions import StoredModel
from modeling.scoring import curves, services
from modeling.scoring.models import WindowCurve
from tests.audio_files import track_with_audio
from tests.factories import (
    AdminFactory,
    AnnotationFactory,
    FlagFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
    TrainingRunFactory,
)
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db

SIGNAL = FEATURE_SETS["signal"]


@pytest.fixture
def live():
    return PromotionFactory(run=TrainingRunFactory()).run


@pytest.fixture
def song():
    return TrackFactory(title="The Song", duration_s=95.0, loudest_start_s=62.0, loudest_end_s=87.0)


def html(client, track) -> str:
    return " ".join(client.get(f"/tracks/{track.pk}/energy/").content.decode().split())


def curve_jobs():
    return Job.objects.filter(kind="curve")


def drawn(run, track, scores=(2.5, 4.25, 8.75)):
    return WindowCurve.objects.create(run=run, track=track, scores=list(scores))


# ---- On the page


def test_the_curve_is_drawn_with_a_table_beside_it_and_marks_what_is_most(as_lead, live, song):
    drawn(live, song)
    PredictionFactory(run=live, track=song, part="final", true_level=None, score=8.2, level=8, lower=6.5, upper=9.75)

    page = html(as_lead, song)

    assert 'aria-label="Energy of The Song: 3 parts, most energetic from 1:00 with 8.8"' in page
    assert '<a href="#part-30" aria-label="From 0:30: 4.2">' in page
    assert "From 1:00: 8.8, the most energetic part" in page
    assert "Loudest part: 1:02 to 1:27" in page
    assert '<tr id="part-60"><td><a href="#part-60" aria-label="Play from 1:00">1:00 – 1:30</a></td>' in page
    assert '<td class="right number">8.75</td><td><span class="chip accent">most energetic</span> ' in page
    assert '<span class="chip">loudest</span>' in page
    assert "6.5 – 9.8" in page
    assert "energy-curve" in page


def test_a_curve_that_nobody_has_asked_for_is_asked_for_once_and_waited_for(as_lead, lead, live, song):
    assert 'hx-trigger="load, submit"' in html(as_lead, song)
    assert not curve_jobs().exists(), "looking changes nothing"

    for _ in range(2):
        response = as_lead.post(f"/tracks/{song.pk}/energy/draw/")

    assert response.headers["Location"] == f"/tracks/{song.pk}/energy/"
    job = curve_jobs().get()
    assert (job.kind, job.key, job.arguments, job.requested_by) == ("curve", str(song.pk), {"run": live.pk}, lead)
    assert f'id="job-{job.pk}"' in html(as_lead, song)


def test_a_curve_that_failed_says_why_and_is_not_asked_for_by_itself(as_lead, live, song):
    job = services.request_curve(run=live, track=song, requested_by=AdminFactory())
    Job.objects.filter(pk=job.pk).update(status="failed", finished_at=job.created_at, message="The model is gone.")

    page = html(as_lead, song)

    assert "The model is gone." in page
    assert "Try again</button>" in page
    assert "hx-post" not in page


def test_a_curve_of_another_run_is_not_shown(as_lead, live, song):
    drawn(TrainingRunFactory(), song)

    assert "Draw the curve" in html(as_lead, song)


def test_a_clip_of_one_window_has_no_curve_and_says_so(as_lead, live):
    clip = TrackFactory(duration_s=30.0)

    assert "This clip is one part of 30 s" in html(as_lead, clip)
    as_lead.post(f"/tracks/{clip.pk}/energy/draw/")
    assert not curve_jobs().exists()


def test_without_a_model_or_audio_the_page_says_so(as_lead, song):
    assert "No model yet" in html(as_lead, song)
    as_lead.post(f"/tracks/{song.pk}/energy/draw/")
    PromotionFactory(run=TrainingRunFactory())
    silent = TrackFactory(audio_state="bad", audio_problem="It holds no sound.", audio="", duration_s=None)
    assert "It holds no sound." in html(as_lead, silent)
    assert not curve_jobs().exists()


def test_who_is_still_to_hear_a_track_sees_neither_curve_nor_level(as_lead, lead, live):
    flag = FlagFactory(annotation=AnnotationFactory(track__duration_s=95.0))
    held = LeaseFactory(track__duration_s=95.0, annotator=lead).track
    for track in (flag.annotation.track, held):
        drawn(live, track)
        PredictionFactory(run=live, track=track, part="final", true_level=None, score=7.123)

    assert f'<a href="/review/{flag.pk}/">Review it</a>' in html(as_lead, flag.annotation.track)
    assert '<a href="/label/">Label it</a>' in html(as_lead, held)
    for track in (flag.annotation.track, held):
        assert "7.12" not in html(as_lead, track)
        assert "8.75" not in html(as_lead, track)


def test_an_annotator_sees_none(as_annotator, live, song):
    assert as_annotator.get(f"/tracks/{song.pk}/energy/").status_code == 403
    assert as_annotator.post(f"/tracks/{song.pk}/energy/draw/").status_code == 403


# ---- By the worker


def music(rng, energy: float, duration_s: int) -> np.ndarray:
    """Quiet and sparse at 0, loud and busy at 1."""
    seconds = np.arange(16_000 * duration_s) / 16_000
    beat = np.exp(-8 * (seconds * (1 + 3 * energy) % 1))
    return (0.02 + 0.4 * energy) * beat * rng.normal(size=len(seconds)) / 3


@pytest.fixture
def trained(settings, tmp_path) -> TrainingRun:
    """A model that has heard forty clips, in use."""
    settings.RUNS_DIR, settings.WINDOWS_DIR = tmp_path / "runs", tmp_path / "windows"
    rng = np.random.default_rng(7)
    for index in range(40):
        level = 1 + index % 10
        track = TrackFactory(uri=f"clip:{index}", artist=f"Artist {index % 13}")
        values = SIGNAL.compute(music(rng, level / 10, 10).astype(np.float32))
        track.feature_vectors.create(feature_set=SIGNAL.key, values=values.astype("<f4").tobytes())
        AnnotationFactory(track=track, level=level)
    run = train()
    assert run.job.status == Job.Status.SUCCEEDED, run.job.message
    return run


def test_a_worker_scores_each_window_by_the_model_in_use(trained):
    rng = np.random.default_rng(5)
    track = track_with_audio(audio_state="waiting", duration_s=1)
    parts = [music(rng, 0.2, 30), music(rng, 0.9, 30), music(rng, 0.2, 15)]
    soundfile.write(track.audio.path, np.concatenate(parts), audio.SAMPLE_RATE_HZ)
    feature_extraction.compute_features(track.pk, [SIGNAL])
    track.refresh_from_db()
    job = services.request_curve(run=trained, track=track, requested_by=AdminFactory())

    curves.draw(job.pk)
    curves.draw(job.pk)  # delivered twice

    curve = WindowCurve.objects.get()
    model = StoredModel.of(trained)
    expected = window_features.score(model.recipe, track, trained.feature_sets, columns=model.chosen)
    assert curve.scores == pytest.approx(expected.of_windows, abs=1e-3)
    assert len(curve.scores) == 3
    assert max(range(3), key=curve.scores.__getitem__) == 1
    assert Job.objects.get(pk=job.pk).status == Job.Status.SUCCEEDED


@pytest.mark.parametrize("gone", ["windows", "model"])
def test_what_is_missing_is_said_in_the_job(gone, trained, settings, tmp_path):
    track = TrackFactory(duration_s=95.0)
    if gone == "model":
        settings.RUNS_DIR = tmp_path / "elsewhere"
    job = services.request_curve(run=trained, track=track, requested_by=AdminFactory())

    with pytest.raises(Exception, match=r"compute_features|backup"):
        curves.draw(job.pk)

    job.refresh_from_db()
    assert job.status == Job.Status.FAILED
    assert ("compute_features" if gone == "windows" else "backup") in job.message
    assert not WindowCurve.objects.exists()
