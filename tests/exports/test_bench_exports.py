"""The benchmark of exports: that it compares what it measures, and what it refuses."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotations.benchmarks import library
from annotations.models import Annotation
from modeling.exports import benchmark


@pytest.mark.django_db(transaction=True)
def test_another_installation_has_the_same_history_byte_by_byte():
    library.build(n_tracks=150)
    n_labels = Annotation.objects.count()

    lines = list(benchmark.lines(n_labels, formats=["csv"]))

    assert lines[-1] == "taken out there again: the same, byte by byte"
    assert lines[2].startswith("history as csv")


def test_too_few_labels_are_refused():
    with pytest.raises(CommandError, match="300 or more"):
        call_command("bench_exports", "--labels", "10", stdout=StringIO())
