"""The convnet as an OpenVINO graph. Importing this loads OpenVINO, so `modeling.core.convnet` does it after the fork.

One graph serves every length: a clip under 30 s is followed by zeros, and `inside`, which is 1 where the clip is, keeps
them out of the means and of the next layer's edge. With shapes known only at run time each new length would take half
as long again, and memory for good.

Maps are (1, 32, mel, time).
"""

from __future__ import annotations

import sys
import threading
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.convnet_weights import Weights

# OpenVINO's converter, when it is imported, reports to a statistics service and leaves a client id in the home
# directory. `import openvino` imports it if it can, and goes without it otherwise.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type]

import openvino  # noqa: E402
from openvino import opset1 as ops  # noqa: E402

N_MELS, MAX_FRAMES = 96, 1875  # 30 s
POOLINGS = ((2, 4), (3, 4), (2, 5), (2, 4), (1, 1))  # (mel, time) after each layer

_STRIPE_MELS = 12
"""Layer 1 takes its mel bands by so many at a time: 3 MB of maps, where all 23 MB would go to memory and back twice."""

_CONFIGURATION = {
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "INFERENCE_PRECISION_HINT": "f32",
    # Else every process binds itself to a core, all to the same one.
    "ENABLE_CPU_PINNING": False,
}


class Net:
    """The compiled net. It describes one clip at a time: threads take turns."""

    def __init__(self, weights: Weights) -> None:
        compiled = openvino.Core().compile_model(_graph(weights), "CPU", _CONFIGURATION)
        self._request, self._turn = compiled.create_infer_request(), threading.Lock()

    def means(self, spectrogram: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean of each feature map, shape (160,), of a normalised log-mel spectrogram, (96, at most 1875)."""
        n_frames = spectrogram.shape[1]
        padded = np.zeros((N_MELS + 2, MAX_FRAMES), np.float32)
        padded[1:-1, :n_frames] = spectrogram
        stripes = np.stack([padded[low : low + _STRIPE_MELS + 2] for low in range(0, N_MELS, _STRIPE_MELS)])
        inside = (np.arange(MAX_FRAMES) < n_frames).astype(np.float32)
        with self._turn:
            return self._request.infer([stripes[:, None], inside[None, None, None]])[0][0]


def _graph(weights: Weights) -> Any:
    """Stripes of the spectrogram, each with the bands next to it, and `inside` to the 160 means."""
    stripes = ops.parameter([N_MELS // _STRIPE_MELS, 1, _STRIPE_MELS + 2, MAX_FRAMES], np.float32)
    inside = inside_layer = ops.parameter([1, 1, 1, MAX_FRAMES], np.float32)
    layers = list(zip(weights.kernels, weights.biases, POOLINGS, strict=True))
    mean, maps = _striped_layer(stripes, inside, *layers[0])
    means = [mean]
    for (_, _, before), layer in pairwise(layers):
        # A pooled frame is inside if all of its frames are.
        inside_layer = ops.negative(_max_pool(ops.negative(inside_layer), (1, before[1])))
        mean, maps = _layer(ops.multiply(maps, inside_layer), inside_layer, *layer, mel_padding=1)
        means.append(mean)
    return openvino.Model([ops.concat(means, 1)], [stripes, inside], "convnet")


def _striped_layer(
    stripes: Any, inside: Any, kernel: NDArray[np.float32], bias: NDArray[np.float32], pooling: tuple[int, int]
) -> tuple[Any, Any]:
    """`_layer` of one stripe after the other: a loop inside the graph, whose body is a graph of its own."""
    stripe, inside_stripe = (ops.parameter([1, *node.shape[1:]], np.float32) for node in (stripes, inside))
    mean, maps = _layer(stripe, inside_stripe, kernel, bias, pooling, mel_padding=0)
    # Channels last, as they lie in memory: no copy to put the stripes together.
    body = openvino.Model([mean, ops.transpose(maps, [0, 2, 3, 1])], [stripe, inside_stripe], "stripe")
    loop = openvino.op.tensor_iterator()
    loop.set_body(body)
    loop.set_sliced_input(stripe, stripes.output(0), start=0, stride=1, part_size=1, end=-1, axis=0)
    loop.set_invariant_input(inside_stripe, inside.output(0))
    part = _STRIPE_MELS // pooling[0]
    means = loop.get_concatenated_slices(body.output(0), 0, 1, 1, -1, 0)
    by_stripe = loop.get_concatenated_slices(body.output(1), 0, part, part, -1, 1)
    return ops.reduce_mean(means, 0, True), ops.transpose(by_stripe, [0, 3, 1, 2])


def _layer(
    maps: Any,
    inside: Any,
    kernel: NDArray[np.float32],
    bias: NDArray[np.float32],
    pooling: tuple[int, int],
    *,
    mel_padding: int,
) -> tuple[Any, Any]:
    """Convolution (time: same) and ELU: the mean of each map where `inside` is 1, shape (1, 32), and the pooled maps."""
    padding = [mel_padding, 1]
    linear = ops.add(ops.convolution(maps, kernel, [1, 1], padding, padding, [1, 1]), bias[None, :, None, None])
    activations = ops.elu(linear, 1.0)
    # A product of matrices: weighing and adding up in one pass, as fast as adding up alone.
    sums = ops.matmul(inside, ops.transpose(activations, [0, 2, 3, 1]), False, False)
    mean = ops.divide(ops.reduce_mean(sums, [1, 2], False), ops.reduce_sum(inside, [1, 2, 3], False))
    return mean, _max_pool(activations, pooling)


def _max_pool(maps: Any, by: tuple[int, int]) -> Any:
    return ops.max_pool(maps, strides=list(by), pads_begin=[0, 0], pads_end=[0, 0], kernel_shape=list(by))
