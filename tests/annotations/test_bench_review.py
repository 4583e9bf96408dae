"""The benchmark of review: what it prints, and what it refuses. Not how fast anything is: machines differ."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotations.benchmarks import library, review
from annotations.benchmarks.review_library import add_review
from annotations.models import Decision, Flag


@pytest.mark.django_db
@pytest.mark.filterwarnings("ignore:No directory")
def test_every_page_is_measured_within_its_statements():
    made = library.build(n_tracks=400)
    lead = add_review(made, n_flags=300, n_decisions=100)
    n_decisions = Decision.objects.count()

    costs = list(review.measure(made, lead, n_requests=2))

    for cost in costs:
        assert len(cost.ms) == 2, cost.name
        assert not cost.has_target or max(cost.statements) <= review.MAX_STATEMENTS, cost.name
    # Two decisions, and twice as many labels as are kept at once.
    assert Decision.objects.count() == n_decisions + 2 + 2 * review.N_BULK


@pytest.mark.django_db
def test_the_library_has_flags_of_every_reason_and_the_first_are_decided():
    made = library.build(n_tracks=400)
    add_review(made, n_flags=300, n_decisions=100)

    assert Flag.objects.count() == pytest.approx(300, abs=2)
    assert set(Flag.objects.values_list("reason", flat=True)) == set(Flag.Reason)
    decided = Flag.objects.strongest().order_by("-suspicion", "pk")[:100]
    assert Decision.objects.exclude(verdict="undo").count() == 100
    assert all(flag.decisions.exists() for flag in decided)


@pytest.mark.django_db
def test_an_answer_that_was_not_expected_ends_it(as_lead):
    with pytest.raises(review.WrongAnswer, match="answered 404, expected 200"):
        review.cost_of(as_lead, review.Cost("a page"), [review.Sent("get", "/nowhere/")])


def test_the_table_marks_what_misses_its_target():
    cheap = review.Cost("cheap", statements=[12], ms=[149.0])
    dear = review.Cost("dear", statements=[12], ms=[151.0])
    free = review.Cost("free", has_target=False, statements=[40], ms=[500.0])

    lines = list(review.table_lines([cheap, dear, free]))

    assert [line.split() for line in lines[1:]] == [
        ["cheap", "12", "149.0", "149.0"],
        ["dear", "12", "151.0", "151.0!"],
        ["free", "40", "500.0", "500.0"],
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [(["--tracks", "10"], "1,000 or more"), (["--flags", "9"], "200 to"), (["--requests", "0"], "1 to")],
)
def test_sizes_that_cannot_be_measured_are_refused(options, problem):
    with pytest.raises(CommandError, match=problem):
        call_command("bench_review", *options, stdout=StringIO())
