"""The convnet against its golden vectors, in every way a worker may run it, and getting its weights."""

import contextlib
import http.server
import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from modeling.core import convnet, convnet_weights

SHARED = Path(os.environ.get("ENERGYAPP_SHARED_DATA", Path(__file__).parents[3] / "../shared/data"))
PUBLISHED = SHARED / "convnet/model_best.hdf5"
needs_weights = pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"{PUBLISHED} is absent (set ENERGYAPP_SHARED_DATA)")
SIGNALS = (
    "sweep_log_50_7500_30s",
    "noise_pcg64_seed42_std0.1_30s",
    "clicks_120bpm_1kHz_30s",
    "chord_am_30s",
    "quiet_noise_then_loud_10s",
    "noise_odd_length_123457",
    "min_length_81665",
    "silence_30s",
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    convnet_weights.install(PUBLISHED, folder)
    return folder


@pytest.fixture(scope="module")
def signals():
    spec = importlib.util.spec_from_file_location("golden_signals", SHARED / "convnet/signals.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.signals()


@needs_weights
@pytest.mark.parametrize("name", SIGNALS)
def test_features_equal_the_golden_ones(models, signals, name):
    # The signals' sha256 is not asserted: np.exp and np.sin differ in the last bit between processors, which the
    # sweep's sum of 30 s of phase makes visible. Another signal would miss the tolerance below by far.
    golden = np.load(SHARED / "convnet/golden_convnet.npz")
    features = convnet.transfer_features(signals[name], folder=models)

    expected = golden[f"{name}/features_ref64"]
    assert features.shape == (160,)
    assert features.dtype == np.float32
    assert np.abs(features - expected).max() / np.abs(expected).max() <= 2e-5  # the promise is 1e-4


@needs_weights
def test_the_golden_file_has_no_signal_that_is_not_tested(signals):
    assert set(signals) == set(SIGNALS)


@needs_weights
def test_a_short_waveform_counts_as_its_own_loop(models):
    jingle = np.random.default_rng(0).normal(0, 0.1, 30_000).astype(np.float32)

    features = convnet.transfer_features(jingle, folder=models)

    looped = np.concatenate([jingle, jingle, jingle])[: convnet.MIN_SAMPLES]
    assert np.array_equal(features, convnet.transfer_features(looped, folder=models))
    with pytest.raises(ValueError, match="empty"):
        convnet.transfer_features(jingle[:0], folder=models)


@needs_weights
def test_of_a_long_waveform_the_loudest_thirty_seconds_count(models, signals):
    loud, quiet = signals["chord_am_30s"], 0.01 * signals["noise_pcg64_seed42_std0.1_30s"]

    features = convnet.transfer_features(np.concatenate([quiet, loud, quiet]), folder=models)

    assert np.array_equal(features, convnet.transfer_features(loud, folder=models))


@needs_weights
def test_loudness_does_not_change_the_features(models, signals):
    loud = convnet.transfer_features(signals["chord_am_30s"], folder=models)
    quiet = convnet.transfer_features(np.float32(0.1) * signals["chord_am_30s"], folder=models)

    assert np.abs(loud - quiet).max() < 1e-4


@needs_weights
@pytest.mark.parametrize("n_samples", [81_665, 81_920, 123_457, 300_000, 479_745, 480_000])
def test_every_length_is_described_by_itself_alone(models, n_samples):
    # The graph is made for 30 s: nothing of what fills it up after a shorter clip may be heard, in any layer.
    clip = np.random.default_rng(n_samples).normal(0, 0.1, n_samples).astype(np.float32)

    features = convnet.transfer_features(clip, folder=models)

    expected = plain_features(clip, convnet_weights.load(models))
    assert np.abs(features - expected).max() / np.abs(expected).max() <= 2e-5


def plain_features(clip, weights):
    """The net as its paper has it, layer by layer in float64, at the clip's own length."""
    from scipy.signal import correlate2d

    maps, means = convnet._log_mel(clip, weights.mel).astype(np.float64)[None], []
    for kernel, bias, (by_mel, by_time) in zip(
        weights.kernels, weights.biases, ((2, 4), (3, 4), (2, 5), (2, 4), (1, 1)), strict=True
    ):
        linear = np.stack(
            [
                sum(correlate2d(m, k, mode="same") for m, k in zip(maps, of_one_map, strict=True)) + b
                for of_one_map, b in zip(kernel.astype(np.float64), bias, strict=True)
            ]
        )
        activations = np.where(linear > 0, linear, np.expm1(np.minimum(linear, 0)))
        means.append(activations.mean(axis=(1, 2)))
        n_mels, n_frames = activations.shape[1] // by_mel, activations.shape[2] // by_time
        tiles = activations[:, : n_mels * by_mel, : n_frames * by_time]
        maps = tiles.reshape(-1, n_mels, by_mel, n_frames, by_time).max(axis=(2, 4))
    return np.concatenate(means)


FORKED_AND_THREADED = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from modeling.core import convnet

clips = [np.random.default_rng(i).normal(0, 0.1, 90_000 + 9_000 * i).astype(np.float32) for i in range(4)]
assert "openvino" not in sys.modules  # a worker imports its tasks before it forks
expected = [convnet.transfer_features(clip) for clip in clips]

with ThreadPoolExecutor(4) as threads:
    for _ in range(5):
        assert np.array_equal(list(threads.map(convnet.transfer_features, clips)), expected)
if not (child := os.fork()):
    os._exit(0 if np.array_equal([convnet.transfer_features(clip) for clip in clips], expected) else 1)
assert os.waitpid(child, 0)[1] == 0
print({"tensorflow", "keras", "h5py", "librosa"} & set(sys.modules))
"""


@needs_weights
def test_threads_and_forked_processes_get_the_same_features_and_no_tensorflow_loads(models):
    environment = {**os.environ, "ENERGYAPP_MODELS": str(models)}

    answer = subprocess.run(
        [sys.executable, "-c", FORKED_AND_THREADED], env=environment, capture_output=True, text=True, timeout=60
    )

    assert (answer.stdout, answer.stderr, answer.returncode) == ("set()\n", "", 0)


REPORTED = """
import sys
def report(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.mkdir"}:
        print(event, arguments)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        print(event, arguments)
import numpy as np, multiprocessing
from modeling.core import convnet
sys.addaudithook(report)
convnet.transfer_features(np.ones(100_000, np.float32))
print(list(multiprocessing.active_children()), "openvino_telemetry" in sys.modules)
"""


@needs_weights
def test_openvino_reports_to_nobody_and_leaves_nothing_in_the_home_directory(models, tmp_path):
    environment = {
        **{name: value for name, value in os.environ.items() if name != "CI"},  # there it would not report anyway
        "ENERGYAPP_MODELS": str(models),
        "HOME": str(tmp_path),
    }

    answer = subprocess.run(
        [sys.executable, "-B", "-c", REPORTED], env=environment, capture_output=True, text=True, check=True, timeout=60
    )

    assert answer.stdout == "[] False\n"
    assert not list(tmp_path.iterdir())


@needs_weights
def test_openvino_binds_no_process_to_a_core(models):
    from modeling.core.convnet_graph import Net

    net = Net(convnet_weights.load(models))

    assert net._request.get_compiled_model().get_property("ENABLE_CPU_PINNING") is False


def test_without_weights_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ENERGYAPP_MODELS", str(tmp_path))

    assert not convnet_weights.is_installed()
    with pytest.raises(convnet_weights.ConvnetUnavailable, match="run install_convnet"):
        convnet.transfer_features(np.ones(100_000, np.float32))


def test_another_file_is_not_installed(tmp_path):
    other = tmp_path / "other.hdf5"
    other.write_bytes(b"not the weights")

    with pytest.raises(convnet_weights.ConvnetUnavailable, match="sha256"):
        convnet_weights.install(other, tmp_path / "models")
    with pytest.raises(convnet_weights.ConvnetUnavailable, match="cannot be read"):
        convnet_weights.install(tmp_path / "missing.hdf5", tmp_path / "models")
    assert not convnet_weights.is_installed(tmp_path / "models")


def test_damaged_weights_are_reported_not_used(tmp_path):
    (tmp_path / "convnet.npz").write_bytes(b"PK\x03\x04 cut off")

    with pytest.raises(convnet_weights.ConvnetUnavailable, match="damaged"):
        convnet.transfer_features(np.ones(100_000, np.float32), folder=tmp_path)


@pytest.fixture
def serve():
    """Start a local server whose answer to a GET is the given function of its handler; returns its address."""
    servers = []

    def start(answer):
        handler = type(
            "Handler", (http.server.BaseHTTPRequestHandler,), {"do_GET": answer, "log_message": lambda *a: None}
        )
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/model_best.hdf5"

    yield start
    for server in servers:
        server.shutdown()


def _send(handler, content):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)


def _drip(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):  # nobody listens any more
        while True:
            time.sleep(0.05)
            handler.wfile.write(b".")


def _say_nothing(handler):
    handler.rfile.read(1)  # until the other end hangs up


@needs_weights
def test_fetching_installs_what_was_published(tmp_path, serve):
    url = serve(lambda handler: _send(handler, PUBLISHED.read_bytes()))

    convnet_weights.fetch(tmp_path, url=url)

    assert convnet_weights.is_installed(tmp_path)


@pytest.mark.parametrize(
    ("answer", "timeout_s", "reason"),
    [
        (lambda handler: _send(handler, b"<html>moved</html>"), 60, "sha256"),
        (lambda handler: handler.send_error(404), 60, "404"),
        (lambda handler: _send(handler, bytes(convnet_weights.MAX_WEIGHTS_BYTES + 1)), 60, "more than"),
        (_drip, 0.5, "within 0.5 s"),
        (_say_nothing, 0.5, "within 0.5 s|timed out"),
    ],
    ids=["another file", "not found", "too much", "dripping", "silent"],
)
def test_fetching_anything_else_fails_in_time(tmp_path, serve, answer, timeout_s, reason):
    url = serve(answer)

    with pytest.raises(convnet_weights.ConvnetUnavailable, match=reason):
        convnet_weights.fetch(tmp_path, timeout_s=timeout_s, url=url)

    assert not convnet_weights.is_installed(tmp_path)


def test_nobody_listening_is_unavailable(tmp_path):
    with pytest.raises(convnet_weights.ConvnetUnavailable, match="cannot be fetched"):
        convnet_weights.fetch(tmp_path, timeout_s=0.5, url="http://127.0.0.1:9/model_best.hdf5")
