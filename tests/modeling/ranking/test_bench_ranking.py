"""The benchmark of rankings: what it measures and refuses. Not how fast anything is: machines differ."""

import pytest
from django.core.management import CommandError, call_command

from modeling.ranking import benchmark
from modeling.ranking.candidates import read_candidates
from modeling.ranking.models import Ranking


@pytest.mark.django_db(transaction=True)
def test_all_open_tracks_are_ranked_in_a_process_of_its_own():
    benchmark.make(50, 40)

    cost = benchmark.measure("random")

    assert cost.message == "50 open tracks, which come at random."
    assert Ranking.objects.get().n_open == 50
    assert 0 < cost.before_mb <= cost.peak_mb
    assert [text.split()[0] for text, _ in cost.steps] == list(benchmark.RANKING)
    assert next(benchmark.lines("random", cost)) == f"random: {cost.ranking_s:.1f} s"
    pool = read_candidates().pool
    assert (len(pool.key), pool.X.shape[1]) == (90, benchmark.N_COLUMNS)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"open": 0}, "--open is 0 and --labelled 5000; expected 1 and 30 or more"),
        ({"labelled": 10}, "--labelled 10"),
        ({"strategy": ["coffee grounds"]}, "--strategy is coffee grounds; expected one of random"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, said):
    with pytest.raises(CommandError, match=said):
        call_command("bench_ranking", **options)
