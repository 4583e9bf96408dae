"""What a ranking finds beside its places: from labels, their streams and the history of rules to figures that JSON holds."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice
from uuid import uuid4

import numpy as np
import pytest

from annotations.evaluation_slice import in_evaluation_slice
from annotations.models import Annotation, Stream
from modeling.core.acquisition import STRATEGIES
from modeling.models import FeatureVector
from modeling.ranking.findings import Reign, findings, newest_reign
from modeling.training_data import read_training_data
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    PredictionFactory,
    PromotionFactory,
    RulesFactory,
    TrackFactory,
)
from tests.modeling.training_library import SPOTIFY

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 1, tzinfo=UTC)


def day(number):
    return START + timedelta(days=number)


@pytest.fixture(autouse=True)
def _strategies_of_these_names(monkeypatch):
    for name in ("clever", "cleverer"):
        monkeypatch.setitem(STRATEGIES, name, STRATEGIES["random"])


def ruled(*orders):
    """One order a day, from the first day on."""
    for number, order in enumerate(orders):
        RulesFactory(order=order, created_at=day(number))


def labelled(n, *, stream=Stream.NEW, at=-1, in_slice=False, levels=range(1, 11)):
    """New tracks whose features know the level, labelled for the first time on that day."""
    rng, name = np.random.default_rng(7), uuid4().hex
    of_part = (uri for number in count() if in_evaluation_slice(uri := f"{name}:{number}") == in_slice)
    annotator, tracks = AnnotatorFactory(), []
    for uri, level in zip(islice(of_part, n), cycle(levels), strict=False):
        tracks.append(TrackFactory(uri=uri, peaks=b""))
        values = rng.normal(size=len(SPOTIFY.columns)) * 0.5
        values[0] += level
        FeatureVector.objects.create(track=tracks[-1], feature_set=SPOTIFY.key, values=values.astype("<f4").tobytes())
        AnnotationFactory(track=tracks[-1], annotator=annotator, level=level, stream=stream, created_at=day(at))
    return tracks


def found():
    return json.loads(json.dumps(findings(read_training_data())))


# ---- In what time


@pytest.mark.parametrize(
    ("orders", "reign"),
    [
        ((), None),
        (("random", "oldest", "by list"), None),
        (("random", "clever", "clever"), Reign("clever", day(1), None)),
        (("clever", "random"), Reign("clever", day(0), day(1))),
        (("cleverer", "clever", "oldest", "random"), Reign("clever", day(1), day(2))),
        (("clever", "random", "clever"), Reign("clever", day(2), None)),
    ],
)
def test_the_strategy_in_force_or_the_last_that_was_is_told_of_since_when(orders, reign):
    ruled(*orders)

    assert newest_reign() == reign


# ---- Which labels


def test_a_label_counts_for_whoever_chose_the_track_for_its_first_one():
    ruled("clever")
    old = labelled(30, levels=[4, 5, 6, 7])  # before it
    labelled(21, stream=Stream.RANKED, at=1, levels=[1, 5])
    drawn = labelled(22, at=1, levels=[5, 6])
    labelled(3, stream=Stream.ASSIGNED, at=1)
    for track in (old[0], drawn[0]):  # one more opinion is no new track
        AnnotationFactory(track=track, stream=Stream.RANKED, created_at=day(2))

    rare = found()["live"]["rare"]

    assert (rare["n_ranked"], rare["n_random"]) == (21, 22)
    assert rare["levels"] == [1, 2, 3, 8, 9, 10]
    assert (rare["ranked"], rare["random"]) == (pytest.approx(11 / 21), 0)


def test_what_was_labelled_after_the_strategy_says_nothing_of_it():
    ruled("clever", "random")
    labelled(30, levels=[5, 6])
    labelled(20, stream=Stream.RANKED, at=0.5)
    labelled(20, at=0.5)
    labelled(20, at=2)

    live = found()["live"]

    assert (live["rare"]["n_ranked"], live["rare"]["n_random"]) == (20, 20)
    assert (live["strategy"], datetime.fromisoformat(live["until"])) == ("clever", day(1))


def test_a_strategy_of_second_opinions_is_not_judged_by_its_new_tracks_which_are_random_too():
    ruled("relabel_or_new")
    labelled(30, levels=[5, 6])
    labelled(20, stream=Stream.RANKED, at=1)
    labelled(20, at=1)

    live = found()["live"]

    assert live["strategy"] == "relabel_or_new"
    assert all("Second opinions" in live[figure]["missing"] for figure in ("worth", "error", "rare"))


# ---- What the model had said


def test_a_model_is_held_to_what_it_said_before_the_label_came():
    ruled("clever")
    then, since = (PromotionFactory(created_at=day(number)).run for number in (0, 5))
    for stream, off in ((Stream.RANKED, 3), (Stream.NEW, 1)):
        for track in labelled(20, stream=stream, at=2, levels=[4, 6]):
            level = track.annotations.get().level
            PredictionFactory(run=then, track=track, part="final", true_level=None, level=level + off)
            PredictionFactory(run=since, track=track, part="final", true_level=None, level=level)
            PredictionFactory(run=then, track=track, part="out-of-fold", level=level)

    error = found()["live"]["error"]

    assert (error["ranked"], error["random"], error["change"]) == (3, 1, 2)
    assert error["n_ranked"] == error["n_random"] == 20


def test_without_a_model_in_use_then_nothing_is_said_of_its_errors():
    ruled("clever")
    for stream in (Stream.RANKED, Stream.NEW):
        labelled(20, stream=stream, at=2)
    PromotionFactory(created_at=day(3))

    assert "of the strategy's there are 0, of those drawn 0" in found()["live"]["error"]["missing"]


# ---- All of it


def test_with_enough_labels_there_are_figures_and_progress():
    ruled("clever")
    labelled(80)
    labelled(40, in_slice=True)
    labelled(30, stream=Stream.RANKED, at=1)
    labelled(25, at=1)
    said = []

    live, more = map(
        findings(read_training_data(), on_progress=lambda share, message: said.append((share, message))).get,
        ("live", "more"),
    )

    assert live["worth"]["n_ranked"] == live["worth"]["n_random"] == 25
    assert live["worth"]["low"] < live["worth"]["change"] < live["worth"]["high"]
    assert more["n_now"] == more["n_used"] == 135
    assert more["low"] <= more["gain"] <= more["high"]
    assert said[-1][1] == "The strategy against random draws"
    assert [share for share, _ in said] == sorted(share for share, _ in said)


def test_where_little_is_known_it_says_what_it_takes(library):
    assert findings(None)["more"]["sentence"].startswith("Too few labels for a model")

    said = found()

    assert "It takes 100 labelled tracks" in said["more"]["sentence"]
    assert said["live"] is None
    ruled("clever")
    assert "20 tracks that the strategy chose, there are 0" in found()["live"]["worth"]["missing"]
    assert Annotation.objects.count() == len(library)
