"""The benchmark of consensus: what it simulates, holds out and prints; on real data, that the aims are met."""

import numpy as np

from modeling.core.benchmarks import consensus
from modeling.core.benchmarks.consensus import Labels
from modeling.core.benchmarks.emomusic import read_tracks


def test_simulated_annotators_label_each_track_as_often_as_asked_and_the_last_one_at_random():
    truth = np.tile([3, 8], 600)

    labels = consensus.simulated_labels(truth, 2, np.random.default_rng(0))

    assert (np.bincount(labels.track) == 2).all()
    assert len(set(zip(labels.track, labels.annotator, strict=True))) == 2400
    follows = [
        np.corrcoef(truth[labels.track[who]], labels.level[who])[0, 1]
        for who in labels.annotator == np.arange(6)[:, None]
    ]
    assert min(follows[:5]) > 0.8
    assert abs(follows[5]) < 0.15


def ratings(*, n_clips=60, n_raters=8, n_each=4):
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(n_clips), n_each)
    annotator = np.concatenate([rng.choice(n_raters, n_each, replace=False) for _ in range(n_clips)])
    said = rng.normal(3, 0.8, n_clips)[track] + rng.normal(0, 0.8, n_raters)[annotator] + rng.normal(0, 0.4, len(track))
    return Labels(track, annotator, np.clip(np.round(said), 1, 5))


def test_what_is_held_out_decides_nothing_of_its_prediction():
    labels = ratings()
    fold = np.random.default_rng(0).integers(5, size=len(labels.level))
    changed = Labels(labels.track, labels.annotator, np.where(fold == 0, 6 - labels.level, labels.level))

    before, after = (consensus.predict_held_out(each, n_folds=5) for each in (labels, changed))

    # The first fold's come first; its ratings were turned round, and the predictions of them are the same.
    n = np.sum(fold == 0)
    assert (before.labels.level[:n] + after.labels.level[:n] == 6).all()
    for way in before.predicted:
        assert (before.predicted[way][:n] == after.predicted[way][:n]).all()
        assert not np.array_equal(before.predicted[way][n:], after.predicted[way][n:])


def test_ratings_of_unknown_raters_or_clips_are_left_out():
    known = Labels(np.array([0, 0, 2]), np.array([0, 1, 0]), np.array([2.0, 3.0, 4.0]))
    unknown = Labels(np.array([0, 1, 2, 9]), np.array([0, 0, 7, 0]), np.full(4, 3.0))

    assert consensus._predict(known, unknown).labels.track.tolist() == [0]


def test_the_tables_say_what_was_met(monkeypatch):
    assert "less the mean of the others" in consensus.ratings_table(ratings())
    assert consensus.ratings_table(ratings()).endswith("met")

    table = consensus.time_table(3000, 500, 10)
    assert "500 tracks, 10 annotators" in table
    assert table.endswith("met")
    monkeypatch.setattr(consensus, "MOST_SECONDS", 0.0)
    assert consensus.time_table(3000, 500, 10).endswith("MISSED")


def test_the_aims_are_met_on_real_tracks(shared_data, capsys):
    consensus.main(["simulated", str(shared_data / "emomusic" / "tracks.csv")])

    printed = capsys.readouterr().out
    assert printed.count("  met") == 4
    assert "MISSED" not in printed


def test_held_out_scores_of_real_raters_are_predicted_better_than_by_the_other_raters(shared_data):
    labels = consensus.read_ratings(shared_data / "vcc2018" / "ratings.csv")

    found = consensus.predict_held_out(labels, n_folds=5)

    ours, others = (found.error(way) for way in (consensus.ALONE, "mean of the others"))
    assert np.mean(ours - others) < -0.2
    assert len(ours) > 0.99 * len(labels.level)


def test_the_prior_knows_no_track_of_the_same_artist(shared_data, monkeypatch):
    dataset = read_tracks(shared_data / "emomusic" / "tracks.csv")
    seen = []
    monkeypatch.setattr(consensus, "out_of_fold", lambda X, y, fold: seen.append(fold) or np.full(len(y), 5.0))
    labels = consensus.simulated_labels(dataset.y.astype(int), 1, np.random.default_rng(0))

    consensus.levels_found(dataset, labels, seed=0)

    (fold,) = seen
    assert len(np.unique(fold)) > 1
    assert all(len(set(fold[dataset.groups == artist])) == 1 for artist in np.unique(dataset.groups))
