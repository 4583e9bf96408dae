"""The demo library: synthetic, marked so, whole, and never where real labels are."""

import json
import stat
from functools import partial
from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from annotations.consensus import median_level
from annotations.models import Annotation, Flag, Reference, Track, User
from annotations.roles import ROLE_PERMISSIONS
from modeling.core.dataset import in_evaluation_slice
from modeling.core.demo_music import plan_library, simulated_annotations, write_library
from modeling.core.feature_sets import FEATURE_SETS
from modeling.feature_extraction import compute_features
from modeling.management.commands import make_demo
from tests.factories import LeadFactory, TrackFactory
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db

N_TRACKS = 22


@pytest.fixture
def logins_file(settings, tmp_path, monkeypatch):
    settings.VAR_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"
    # Composing the music is most of the work: two seconds of each track, in this process, are enough here.
    monkeypatch.setattr(make_demo, "write_library", partial(write_library, duration_s=2, n_processes=1))
    return tmp_path / "demo-logins.json"


def run(*options: str) -> str:
    out = StringIO()
    call_command("make_demo", "--tracks", str(N_TRACKS), *options, stdout=out)
    return out.getvalue()


def nothing_was_made(logins_file) -> bool:
    return not (Track.objects.exists() or User.objects.exists() or logins_file.exists())


def test_the_demo_is_a_library_with_labels_and_one_login_a_role(logins_file, rf):
    out = run()

    assert out.startswith(f"Demo library: {N_TRACKS} synthetic tracks, ")
    assert str(logins_file) in out
    tracks, labels = Track.objects.all(), Annotation.objects.current()
    assert len(tracks) == N_TRACKS
    assert all(track.is_synthetic and track.audio_state == Track.AudioState.WAITING for track in tracks)
    assert all(track.title and track.artist and track.genres.exists() for track in tracks)
    assert all(track.audio.size > 10_000 for track in tracks)
    assert labels.values("track").distinct().count() < N_TRACKS  # something is left to label
    assert {label.annotator.alias for label in labels} <= {
        f"sim_{n}" for n in ("ada", "bo", "cleo", "dan", "eve", "finn", "gus", "hana")
    }
    # The logins are for their owner's eyes, and they work.
    assert stat.S_IMODE(logins_file.stat().st_mode) == 0o600
    logins = json.loads(logins_file.read_text())
    assert list(logins) == list(ROLE_PERMISSIONS)
    for role, login in logins.items():
        user = authenticate(rf.post("/"), **login)
        assert user.is_demo
        assert user.get_all_permissions() == set(ROLE_PERMISSIONS[role])
    assert len({login["password"] for login in logins.values()}) == len(ROLE_PERMISSIONS)


def test_examples_and_gold_of_the_demo_are_what_its_simulated_annotators_agree_on(logins_file):
    run()

    chosen = Reference.objects.select_related("track", "chosen_by")
    assert {reference.use for reference in chosen} == {"example", "gold"}
    for reference in chosen:
        # Before two of them answered on the label page, where they were to miss some.
        levels = reference.track.annotations.filter(source="import").values_list("level", flat=True)
        assert reference.level == median_level(levels)
        assert len(levels) > 1
        assert max(levels) - min(levels) <= make_demo.MAX_SPREAD
        assert reference.track.is_synthetic
        assert reference.chosen_by.is_demo


def test_a_second_demo_is_refused_and_changes_nothing(logins_file):
    TrackFactory()

    with pytest.raises(CommandError, match="There are tracks already"):
        run()

    assert (Track.objects.count(), User.objects.count(), logins_file.exists()) == (1, 0, False)


def test_production_gets_no_demo(logins_file, settings):
    settings.PRODUCTION = True

    with pytest.raises(CommandError, match="gets no demo accounts"):
        run()

    assert nothing_was_made(logins_file)


def test_a_demo_never_takes_over_the_account_of_a_person(logins_file):
    LeadFactory(username="lead")

    with pytest.raises(CommandError, match="There are accounts already: lead"):
        run()

    assert (Track.objects.count(), User.objects.count()) == (0, 1)


def test_a_demo_that_is_interrupted_leaves_nothing(logins_file, monkeypatch):
    def interrupted():
        assert Track.objects.count() == N_TRACKS
        raise KeyboardInterrupt

    monkeypatch.setattr(make_demo, "make_accounts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert nothing_was_made(logins_file)


@pytest.mark.parametrize("n_tracks", [-1, 0, 257])
def test_a_number_of_tracks_that_cannot_be_made_is_told(logins_file, n_tracks):
    with pytest.raises(CommandError, match=f"n_tracks is {n_tracks}; expected 1 to 256"):
        run("--tracks", str(n_tracks))

    assert nothing_was_made(logins_file)


def test_an_old_logins_file_that_others_may_read_is_replaced_by_one_that_they_may_not(tmp_path):
    path = tmp_path / "logins.json"
    path.write_text("old")
    path.chmod(0o644)

    make_demo.write_logins(path, {"lead": {"username": "lead", "password": "x"}})

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["lead"]["username"] == "lead"


def test_mistakes_are_never_planted_where_they_could_not_be_found():
    n_planted = n_in_slice = 0
    for seed in range(20):
        library = plan_library(seed=seed, n_tracks=60)
        planted = simulated_annotations(library, seed=seed, may_plant=make_demo.may_plant).planted
        n_planted += len(planted)
        n_in_slice += sum(in_evaluation_slice(track.uri) for track in library)
        assert not any(in_evaluation_slice(uri) for uri, _ in planted)

    assert n_planted >= 20
    assert n_in_slice >= 20


# ---- What the demo is for


def test_the_demo_has_labels_with_a_time_a_quick_annotator_and_gold_that_was_missed(logins_file):
    run()

    answers = Annotation.objects.exclude(source=Annotation.Source.IMPORT)
    assert {answer.annotator.alias for answer in answers} == {"sim_gus", "sim_hana"}
    assert all(answer.answered_s > 1 and answer.source == Annotation.Source.LABEL for answer in answers)
    assert len({answer.created_at for answer in answers}) == len(answers)
    fast = [answer for answer in answers if answer.answered_s < 4]
    assert {answer.annotator.alias for answer in fast} == {"sim_gus"}


def test_most_planted_mistakes_of_the_demo_come_first_in_the_queue_and_every_reason_occurs(logins_file, monkeypatch):
    """Of tracks a fifth as long as the demo's, with the features that need no network."""
    monkeypatch.setattr(make_demo, "write_library", partial(write_library, duration_s=6, n_processes=1))
    call_command("make_demo", stdout=StringIO())
    for track_id in Track.objects.values_list("pk", flat=True):
        compute_features(track_id, [FEATURE_SETS["signal"]])

    train()

    queue = [flag.annotation for flag in Flag.objects.open().strongest().for_queue().select_related("annotation")]
    planted = planted_mistakes()
    n_found = {n: sum(annotation.pk in planted for annotation in queue[:n]) for n in (10, 20)}
    print(
        f"{len(planted)} planted mistakes: {n_found[10]} among the first 10 of the queue, {n_found[20]} among the first 20"
    )
    assert n_found[10] >= 6
    assert n_found[20] >= 7
    assert set(Flag.objects.open().values_list("reason", flat=True)) == set(Flag.Reason.values)


def planted_mistakes() -> set[int]:
    """The labels that are 4 levels and more from what their track was composed for."""
    composed = {track.uri: track.level for track in plan_library(seed=2018, n_tracks=60)}
    labels = Annotation.objects.select_related("track")
    return {label.pk for label in labels if abs(label.level - composed[label.track.uri]) >= 4}
