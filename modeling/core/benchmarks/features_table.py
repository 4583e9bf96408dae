"""The costs of features as people read them, and as programs do."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeling.core.benchmarks.features import DECODER, EVERYTHING, NAIVE, WHOLES, Costs, Run


def as_table(costs: Costs, *, clips: str) -> str:
    n_clips = len(costs.cpu_ms[DECODER])
    processes = "".join(f" {f'{n} at once':>20}" for n in costs.runs[EVERYTHING])
    lines = [
        f"{n_clips} clips: {clips}",
        machine(),
        "",
        f"{'CPU, one thread':<36} {'ms a clip':>20} {'times the decoder':>20} {'naive takes':>22}",
        *(_line(costs, step) for step in costs.cpu_ms),
        "Median over the clips (quartiles) of the best of three runs; ratios are taken clip by clip.",
        *([costs.left_out] if costs.left_out else []),
        "",
        f"{'Clips an hour, processes':<36}{processes} {'peak memory of one':>22}",
        *(_run_line(whole, runs) for whole, runs in costs.runs.items()),
    ]
    return "\n".join(line.rstrip() for line in lines)


def as_dict(costs: Costs, *, clips: str) -> dict[str, Any]:
    """Quartiles are [lower, median, upper]."""
    floor, naive = costs.cpu_ms[DECODER], costs.cpu_ms.get(NAIVE)
    return {
        "clips": clips,
        "n_clips": len(floor),
        "machine": machine(),
        "left_out": costs.left_out,
        "steps": {
            step: {
                "cpu_ms": _quartiles(cpu_ms),
                "times_decoder": _quartiles(cpu_ms / floor),
                **({"naive_takes_times": _quartiles(naive / cpu_ms)} if naive is not None and step in WHOLES else {}),
            }
            for step, cpu_ms in costs.cpu_ms.items()
        },
        "runs": {whole: {n: run._asdict() for n, run in runs.items()} for whole, runs in costs.runs.items()},
    }


def machine() -> str:
    """Processor, cores and Python, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores; {platform.system()}, Python {platform.python_version()}"


def _line(costs: Costs, step: str) -> str:
    floor, naive, cpu_ms = costs.cpu_ms[DECODER], costs.cpu_ms.get(NAIVE), costs.cpu_ms[step]
    # Only wholes end where the naive pipeline ends.
    speedup = _spread(naive / cpu_ms, decimals=1, unit=" times") if naive is not None and step in WHOLES else ""
    return f"{step:<36} {_spread(cpu_ms, decimals=1):>20} {_spread(cpu_ms / floor, decimals=2):>20} {speedup:>22}"


def _run_line(whole: str, runs: dict[int, Run]) -> str:
    speeds = "".join(f" {run.clips_an_hour:>20,.0f}" for run in runs.values())
    return f"{whole:<36}{speeds} {runs[1].peak_memory_mb:>19.0f} MB"


def _spread(values: NDArray[np.float64], *, decimals: int, unit: str = "") -> str:
    """Median and quartiles.

    >>> _spread(np.array([1.0, 2.0, 4.0]), decimals=1)
    '2.0 (1.5-3.0)'
    """
    low, median, high = (f"{value:.{decimals}f}" for value in _quartiles(values))
    return f"{median} ({low}-{high}){unit}"


def _quartiles(values: NDArray[np.float64]) -> list[float]:
    quartiles: list[float] = np.percentile(values, [25, 50, 75]).round(3).tolist()
    return quartiles
