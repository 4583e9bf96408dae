import numpy as np
import pytest

from modeling.core.estimates import mean, mean_over_strata, ratio, resampled_means


def of_artists(seed, n_artists=40, n_tracks=12):
    """Errors of tracks whose artist moves them as much as chance does; each track's artist and level."""
    rng = np.random.default_rng(seed)
    artist = np.repeat(np.arange(n_artists), n_tracks)
    level = rng.choice([3, 5, 9], p=[0.2, 0.6, 0.2], size=len(artist))
    return 1 + rng.normal(size=n_artists)[artist] + rng.normal(size=len(artist)), artist, level


def test_the_mean_over_strata_by_hand():
    found = mean_over_strata([1.0, 3, 0, 0, 3], [4, 4, 9, 9, 9])

    assert found.value == 1.5
    assert found.se == pytest.approx(np.sqrt(2 / 2 + 3 / 3) / 2)


@pytest.mark.parametrize("by_level", [False, True])
def test_standard_errors_are_how_far_figures_scatter_where_tracks_of_an_artist_err_together(by_level):
    found = []
    for seed in range(200):
        error, artist, level = of_artists(seed)
        strata = level if by_level else np.zeros_like(level)
        found.append((*mean_over_strata(error, strata, artist), mean_over_strata(error, strata).se))
    value, se, se_of_tracks = np.transpose(found)

    assert value.std() == pytest.approx(se.mean(), rel=0.15)
    assert se_of_tracks.mean() < 0.7 * value.std()


def test_resampled_means_scatter_as_their_standard_error_says_and_no_level_is_ever_missing():
    error, artist, level = of_artists(0)
    level[0] = 1  # one track alone

    found = resampled_means(error, level, artist, rng=np.random.default_rng(1))

    assert found.std() == pytest.approx(mean_over_strata(error, level, artist).se, rel=0.15)
    assert resampled_means(np.ones_like(error), level, artist, rng=np.random.default_rng(1)) == pytest.approx(1.0)


def test_rows_are_resampled_together():
    error, artist, level = of_artists(0)

    one, other = resampled_means(np.stack([error, error + 2]), level, artist, rng=np.random.default_rng(1), n=20).T

    assert other - one == pytest.approx(2.0)


def test_a_level_of_one_artist_alone_is_not_taken_for_certain():
    assert mean_over_strata([0.0, 2.0], [5, 5], ["she", "she"]) == mean_over_strata([0.0, 2.0], [5, 5])
    assert mean([0.0, 2.0], ["she", "she"]).se == 1.0


def test_a_ratio_knows_what_belongs_together_too():
    amount, weight = np.repeat([2.0, 0, 3, 1], 3), np.repeat([1.0, 0, 1, 2], 3)

    assert ratio(amount, weight, np.repeat(range(4), 3)) == pytest.approx(ratio(amount[::3], weight[::3]))


@pytest.mark.parametrize(("strata", "clusters"), [([1], None), ([1, 2], ["a"])])
def test_cases_that_do_not_fit_together_are_refused(strata, clusters):
    with pytest.raises(ValueError, match="expected three times"):
        mean_over_strata([1.0, 2.0], strata, clusters)
