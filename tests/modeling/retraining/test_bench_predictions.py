"""The benchmark of predictions: what it measures and refuses. Not how fast anything is: machines differ."""

import pytest
from django.core.management import CommandError, call_command

from modeling.models import Prediction
from modeling.retraining import benchmark


@pytest.mark.django_db
def test_every_track_is_predicted_in_chunks_and_some_one_by_one(monkeypatch):
    monkeypatch.setattr(benchmark, "N_LABELLED", 60)
    benchmark.make_library(100, feature_sets=["signal"])

    costs = [benchmark.measure("ridge_thresholds", n_one_by_one=3, say=lambda line: None) for _ in range(2)]

    assert [cost.n_tracks for cost in costs] == [100, 100]
    assert Prediction.objects.filter(part=Prediction.Part.FINAL).count() == 3 * 2
    cost = costs[0]
    assert cost.times_as_fast == pytest.approx(cost.one_by_one_s * 100 / cost.seconds)
    first, *_ = benchmark.lines("ridge_thresholds", cost)
    assert first.startswith("ridge_thresholds: 100 tracks in ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tracks": 10}, "--tracks is 10; expected 600 or more"),
        ({"one_by_one": 0}, "--one-by-one is 0"),
        ({"recipe": ["magic"]}, "--recipe is magic; expected one of auto"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, said):
    with pytest.raises(CommandError, match=said):
        call_command("bench_predictions", **options)
