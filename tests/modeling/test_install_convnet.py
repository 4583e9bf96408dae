"""The transfer convnet's weights are not shipped: they are installed from a file or fetched, checked, or gone without."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotations.models import Track
from modeling.core import convnet_weights
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector
from tests.factories import TrackFactory
from tests.processes import free_port

pytestmark = pytest.mark.django_db

TRANSFER = FEATURE_SETS["transfer"].key


@pytest.fixture(autouse=True)
def models_folder(settings, tmp_path):
    settings.MODELS_DIR = tmp_path / "models"
    return settings.MODELS_DIR


@pytest.fixture
def weights(shared_data):
    path = shared_data / "convnet" / "model_best.hdf5"
    if not path.is_file():
        pytest.skip(f"{path} is not here: the published weights, which this product does not ship")
    return path


def run(*options) -> str:
    out = StringIO()
    call_command("install_convnet", *options, stdout=out)
    return out.getvalue()


def test_the_published_weights_are_installed_and_playable_tracks_get_their_features(weights, models_folder):
    TrackFactory.create_batch(2)
    has_them = TrackFactory()
    FeatureVector.objects.create(track=has_them, feature_set=TRANSFER, values=b"\0" * 640)
    TrackFactory(audio_state=Track.AudioState.WAITING)
    TrackFactory(audio_state=Track.AudioState.BAD, audio_problem="silent")

    out = run("--file", str(weights))

    assert out == "The transfer convnet is installed; the workers compute its features of 2 tracks.\n"
    assert convnet_weights.is_installed(models_folder)


def test_installing_again_needs_no_network(weights):
    run("--file", str(weights))
    TrackFactory()

    out = run("--fetch")

    assert out == "The transfer convnet is installed already; the workers compute its features of 1 tracks.\n"


def test_a_wrong_file_is_refused_with_both_sums(tmp_path, models_folder):
    wrong = tmp_path / "model_best.hdf5"
    wrong.write_bytes(b"something else")
    TrackFactory()

    with pytest.raises(CommandError) as refused:
        run("--file", str(wrong))

    # printf 'something else' | sha256sum
    found = "f41f3fa625ff120ddca7ef456bf66371ecea23c129f4e4c32367101edb516cf8"
    assert f"its sha256 is {found}, expected {convnet_weights.WEIGHTS_SHA256}" in str(refused.value)
    assert "install_convnet --file model_best.hdf5" in str(refused.value)
    assert not models_folder.exists() or not list(models_folder.iterdir())


@pytest.mark.parametrize("name", ["no-such-file", "."])
def test_a_file_that_cannot_be_read_is_one_error(tmp_path, name):
    with pytest.raises(CommandError, match="The weights cannot be read from"):
        run("--file", str(tmp_path / name))


def test_optional_goes_on_without_them_and_says_so(tmp_path, models_folder):
    TrackFactory()

    out = run("--file", str(tmp_path / "no-such-file"), "--optional")

    assert out.startswith("Going on without the 160 transfer features: The weights cannot be read from")
    assert not convnet_weights.is_installed(models_folder)


def test_an_address_that_does_not_answer_is_no_error_when_optional(monkeypatch, models_folder):
    nobody = f"http://127.0.0.1:{free_port()}/model_best.hdf5"
    monkeypatch.setattr(
        convnet_weights.fetch, "__kwdefaults__", {**convnet_weights.fetch.__kwdefaults__, "url": nobody}
    )

    assert "Going on without the 160 transfer features" in run("--fetch", "--optional", "--timeout", "2")
    with pytest.raises(CommandError, match=r"cannot be fetched from http://127\.0\.0\.1"):
        run("--timeout", "2")
    assert not convnet_weights.is_installed(models_folder)


def test_file_and_fetch_exclude_each_other(tmp_path):
    with pytest.raises(CommandError, match="not allowed with argument"):
        run("--file", str(tmp_path), "--fetch")
