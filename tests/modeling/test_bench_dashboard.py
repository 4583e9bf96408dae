"""The benchmark of the dashboard: what it asks of the database, and what it refuses. Not how fast anything is: machines differ."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotations.benchmarks import library
from annotations.benchmarks.review_library import add_review
from modeling.dashboard import benchmark


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:No directory")
def test_every_page_is_measured_within_its_statements():
    made = library.build(n_tracks=300)
    add_review(made, n_flags=200, n_decisions=40)
    admin, runs = benchmark.add_runs(made, n_runs=3, n_labelled=100)

    costs = list(benchmark.measure(admin, runs, n_requests=2))

    assert [len(cost.ms) for cost in costs] == [2, 2, 2, 2, 2, 1, 2, 2]
    for cost in costs:
        assert not cost.has_target or max(cost.statements) <= benchmark.MAX_STATEMENTS, cost


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--tracks", "10"], "1,000 or more"),
        (["--flags", "9"], "200 to"),
        (["--runs", "1"], "at least 2"),
        (["--labelled", "9"], "100 to"),
    ],
)
def test_sizes_that_cannot_be_measured_are_refused(options, problem):
    with pytest.raises(CommandError, match=problem):
        call_command("bench_dashboard", *options, stdout=StringIO())
