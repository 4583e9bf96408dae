"""The benchmark of labelling: what it prints, and what it refuses. Not how fast anything is: machines differ."""

from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from annotations.benchmarks import crowd, library, requests
from annotations.models import Annotation, Decision, LabellingRules, Track

N_TRACKS = 400


@pytest.fixture
def made(db):
    return library.build(n_tracks=N_TRACKS)


def test_the_library_has_three_labels_a_track_and_one_who_has_labelled_nearly_all(made):
    n_labels = Counter(Track.objects.values_list("n_annotators", flat=True))
    n_labelled = N_TRACKS - n_labels[0]

    assert Annotation.objects.count() == pytest.approx(3 * N_TRACKS, rel=0.2)
    assert set(n_labels) == set(library.N_LABELS)
    assert 0.9 * n_labelled <= Annotation.objects.filter(annotator=made.busiest).count() <= n_labelled


@pytest.mark.filterwarnings("ignore:No directory")
def test_every_scenario_is_measured_within_its_statements(made, monkeypatch):
    monkeypatch.setattr(requests, "N_FLAGS", 60)

    found = list(requests.measure(made, n_requests=2))

    assert [row.scenario for row in found] == [scenario.name for scenario in requests.SCENARIOS]
    for row in found:
        assert max(row.claim.statements + row.label.statements) <= requests.MAX_STATEMENTS, row.scenario
        assert len(row.claim.cpu_ms) == 2
        assert len(row.label.cpu_ms) == (0 if row.scenario.startswith("nothing left") else 2)
    assert Decision.objects.count() == 60


def test_a_request_that_does_not_do_what_is_measured_ends_it(made):
    LabellingRules.objects.create(labels_per_track=1)
    Track.objects.update(audio_state=Track.AudioState.WAITING)

    with pytest.raises(requests.WrongAnswer, match="claim 0 gave 0 tracks"):
        next(requests.measure(made, n_requests=1))


@pytest.mark.filterwarnings("ignore:No directory")
def test_the_page_is_measured(made):
    page = requests.measure_page(made, n_requests=2)

    assert len(page.cpu_ms) == 2
    assert max(page.statements) <= 15


def test_the_table_marks_what_misses_its_target():
    cheap, dear = requests.Cost([8, 7], [9.0, 9.5]), requests.Cost([8, 9], [1.0, 1.0])
    lines = list(requests.table_lines(iter([requests.Found("overlap 1", cheap, dear, 2.5)])))

    assert lines[2].split() == ["overlap", "1", "8", "9.2", "9.0", "9", "1.0", "1.0!", "2.5"]


@pytest.mark.parametrize(("options", "problem"), [(["--tracks", "10"], "1,000 or more"), (["--requests", "0"], "1 to")])
def test_sizes_that_cannot_be_measured_are_refused(options, problem):
    with pytest.raises(CommandError, match=problem):
        call_command("bench_labelling", *options, stdout=StringIO())


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:No directory")
def test_a_crowd_loses_nothing_and_says_so():
    made = library.build(n_tracks=N_TRACKS)
    n_before = Annotation.objects.count()

    outcome = crowd.label_at_once(made, n_labels=80)

    assert Annotation.objects.count() == n_before + 80
    assert str(outcome).startswith(
        "16 people at once, 80 labels: 80 stored, 0 twice, 0 lost, 0 tracks labelled too often, 0 held by two; "
    )


def test_a_track_that_two_are_told_to_have_is_noticed(made):
    held, (one, another, *_) = crowd.Held(), made.people

    held.take(one, [7, 8])
    held.let_go(8)
    held.take(another, [7, 8])

    assert held.by_two == {7}
