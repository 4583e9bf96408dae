"""Figures that were right once: whatever changes them is to be meant."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.running import run_experiment

from .odd import odd_data, odd_labels

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", GOLDEN)
def test_an_experiment_finds_what_it_found_when_its_figures_were_checked(name):
    of = GOLDEN[name]

    data = odd_data()

    report = run_experiment(EXPERIMENTS[name](**of["options"]), replace(data, annotations=odd_labels(data)))

    found = json.loads(report.to_json())["findings"]["tables"][of.get("table", 0)]
    # Debiased figures are as good as the estimate of biases, which has tests of its own and may become better.
    kept = [
        at
        for at, column in enumerate(found["columns"])
        if column["kind"] != "seconds" and "debiased" not in column["name"]
    ]
    rows = [[row[at] for at in kept] for row in found["rows"]]
    assert list(map(words, rows)) == list(map(words, of["rows"]))
    for row, expected in zip(rows, of["rows"], strict=True):
        assert numbers(row) == pytest.approx(numbers(expected), rel=1e-5, abs=1e-9)


def words(row):
    return [cell for cell in row if isinstance(cell, str)]


def numbers(row):
    """Of a row of cells, an estimate's value and standard error one after the other; -1 for an empty cell."""
    cells = [cell for cell in row if not isinstance(cell, str)]
    pairs = [(cell["value"], cell["se"]) if isinstance(cell, dict) else (cell,) for cell in cells]
    return [-1 if number is None else number for pair in pairs for number in pair]
