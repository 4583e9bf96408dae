"""The report about annotators: what is read into it, when it is made anew, and who wins when two make it."""

import json
from datetime import timedelta
from functools import partial

import pytest
from celery import current_app
from django.utils import timezone

from annotations.annotators import report
from annotations.models import (
    Annotation,
    AnnotatorExclusion,
    AnnotatorReport,
    Reference,
    ReviewRules,
    Stream,
)
from annotations.tasks import refresh_annotator_report
from tests.annotations.test_races import at_once
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    LeadFactory,
    ReferenceFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db


def entry_of(annotator):
    (found,) = [each for each in report.newest().content["annotators"] if each["id"] == annotator.pk]
    return found


def shared_labels(*people, n=12, level=lambda person, number: 1 + number % 10):
    for number in range(n):
        track = TrackFactory()
        for index, person in enumerate(people):
            AnnotationFactory(track=track, annotator=person, level=level(index, number))


# ---- What is in it


def test_it_tells_of_everybody_who_has_labelled_those_with_most_labels_first():
    many, few = AnnotatorFactory(), AnnotatorFactory()
    AnnotatorFactory()  # has said nothing
    shared_labels(many, few, n=3)
    AnnotationFactory(annotator=many)

    report.refresh()

    content = report.newest().content
    assert [(each["id"], each["n_labels"]) for each in content["annotators"]] == [(many.pk, 4), (few.pk, 3)]
    assert content["n_labels"] == 7
    assert content["agreement"]["n_shared"] == 3


def test_imported_people_are_in_it_but_nothing_is_said_of_when_they_labelled():
    imported, here = AnnotatorFactory(alias="annotator_8"), AnnotatorFactory()
    shared_labels(here, n=40)
    for annotation in Annotation.objects.filter(annotator=here):
        AnnotationFactory(track=annotation.track, annotator=imported, level=annotation.level, source="import")

    report.refresh()

    assert entry_of(imported)["n_labels"] == 40
    assert entry_of(imported)["drift"]["blocks"] == []
    assert len(entry_of(here)["drift"]["blocks"]) == 2


def test_a_change_of_mind_replaces_the_label_and_is_no_repeat():
    annotator = AnnotatorFactory()
    first = AnnotationFactory(annotator=annotator, level=2)
    AnnotationFactory(annotator=annotator, track=first.track, level=9, supersedes=first, source="relabel")

    report.refresh()

    assert entry_of(annotator)["counts"] == [0] * 8 + [1, 0]
    assert entry_of(annotator)["repeats"]["n"] == 0


def test_repeats_and_gold_are_read_from_why_the_track_was_given():
    annotator = AnnotatorFactory()
    for number in range(10):
        gold = ReferenceFactory(use=Reference.Use.GOLD, level=5).track
        AnnotationFactory(annotator=annotator, track=gold, level=7, stream=Stream.GOLD, answered_s=1 + number)
        own = AnnotationFactory(annotator=annotator, level=4)
        AnnotationFactory(annotator=annotator, track=own.track, level=5, supersedes=own, stream=Stream.REPEAT)
    AnnotationFactory(annotator=annotator, track=ReferenceFactory(use=Reference.Use.GOLD).track, level=10)  # no test

    report.refresh()

    found = entry_of(annotator)
    assert found["repeats"]["value"] == 1.0
    assert found["gold"] == {"n": 10, "value": 2.0, "se": 0.0}
    assert found["seconds"] == {"n": 10, "value": 5.5, "se": None}
    assert found["too_fast"]["value"] == 0.3


def test_flags_count_as_confirmed_where_a_lead_has_heard_and_not_kept_the_label():
    annotator, lead = AnnotatorFactory(), LeadFactory()
    decide = partial(DecisionFactory, decided_by=lead)
    flags = [FlagFactory(annotation__annotator=annotator) for _ in range(7)]
    decide(flag=flags[0])
    decide(flag=flags[1], verdict="change", level=3)
    decide(flag=flags[2], verdict="drop label")
    decide(flag=flags[3], blind_level=None)  # kept with many others, unheard
    undone = decide(flag=flags[4], verdict="drop label")
    decide(flag=flags[4], verdict="undo", undoes=undone, blind_level=None)
    decide(
        flag=flags[5], verdict="change", level=flags[5].annotation.level
    )  # the track's level was wrong, not the label

    report.refresh()

    assert entry_of(annotator)["flags"] == {"n": 4, "confirmed": 2}


def test_without_labels_there_is_a_report_of_nobody():
    report.refresh()

    assert report.newest().content["annotators"] == []


def test_labels_of_who_is_left_out_of_training_are_told_of_all_the_same():
    annotator, other = AnnotatorFactory(), AnnotatorFactory()
    shared_labels(annotator, other)
    AnnotatorExclusion.objects.create(annotator=annotator, is_excluded=True, decided_by=LeadFactory())

    report.refresh()

    assert entry_of(annotator)["n_shared"] == entry_of(other)["n_shared"] == 12


def test_whatever_is_undefined_is_null_and_never_no_number():
    AnnotationFactory()
    shared_labels(*AnnotatorFactory.create_batch(2), n=2, level=lambda person, number: 5)

    report.refresh()

    json.dumps(report.newest().content, allow_nan=False)  # which Postgres would refuse to store


# ---- When it is made anew


def test_when_nothing_has_changed_nothing_is_read(django_assert_max_num_queries):
    AnnotationFactory()
    assert report.refresh()
    made_at = report.newest().made_at

    with django_assert_max_num_queries(6):
        assert not report.refresh()

    assert report.newest().made_at == made_at


def label(annotation):
    AnnotationFactory()


def relabel(annotation):
    AnnotationFactory(annotator=annotation.annotator, track=annotation.track, supersedes=annotation)


def decide(annotation):
    DecisionFactory(flag__annotation=annotation)


def make_gold(annotation):
    ReferenceFactory(use=Reference.Use.GOLD)


def level_of_gold(annotation):
    Reference.objects.filter(use=Reference.Use.GOLD).update(level=9)


def take_gold_back(annotation):
    Reference.objects.all().delete()


def be_faster(annotation):
    ReviewRules.objects.create(too_fast_s=2)


@pytest.mark.parametrize(
    "change", [label, relabel, decide, make_gold, level_of_gold, take_gold_back, be_faster], ids=lambda do: do.__name__
)
def test_what_it_tells_of_makes_it_stale(change):
    annotation = AnnotationFactory()
    ReferenceFactory(use=Reference.Use.GOLD, level=4)
    report.refresh()
    assert report.is_current()

    change(annotation)

    assert not report.is_current()
    assert report.refresh()
    assert report.is_current()


def test_the_newest_replaces_the_one_before():
    AnnotationFactory()
    report.refresh()
    AnnotationFactory()
    report.refresh()

    (only,) = AnnotatorReport.objects.all()
    assert len(only.content["annotators"]) == 2


def test_one_by_another_version_of_the_program_is_not_read_and_made_anew():
    AnnotationFactory()
    report.refresh()
    AnnotatorReport.objects.update(
        content={"version": report.VERSION + 1, "annotators": "of another shape"}, made_at=timezone.now()
    )

    assert report.newest() is None
    assert report.refresh()
    assert len(report.newest().content["annotators"]) == 1


def test_the_task_is_what_the_clock_sends(settings):
    AnnotationFactory()
    sent = settings.CELERY_BEAT_SCHEDULE["annotators"]

    assert refresh_annotator_report.name == sent["task"]
    assert sent["schedule"] <= 60
    assert current_app.amqp.router.route({}, sent["task"])["queue"].name == "intake"
    refresh_annotator_report()
    assert report.is_current()


# ---- Two at once


def test_of_two_the_one_that_knows_more_stays_whichever_ends_last(monkeypatch):
    AnnotationFactory()
    make = report.make

    def slowly():
        """While it reads, a label comes, and another worker makes a report of it."""
        content = make()
        monkeypatch.setattr(report, "make", make)
        AnnotationFactory()
        assert report.refresh()
        return content

    monkeypatch.setattr(report, "make", slowly)

    assert not report.refresh()
    assert len(report.newest().content["annotators"]) == 2
    assert report.is_current()


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_once_make_one_report():
    people = AnnotatorFactory.create_batch(3)
    shared_labels(*people)

    found = at_once([report.refresh] * 4)

    assert [each for each in found if isinstance(each, Exception)] == []
    assert AnnotatorReport.objects.count() == 1
    assert report.is_current()


def test_labels_of_long_ago_and_of_today_are_told_apart_in_time():
    annotator, other = AnnotatorFactory(), AnnotatorFactory()
    began = timezone.now() - timedelta(days=100)
    for number in range(60):
        track = TrackFactory()
        at = began + timedelta(days=number)
        AnnotationFactory(annotator=annotator, track=track, level=1 + number % 10, created_at=at)
        AnnotationFactory(annotator=other, track=track, level=1 + number % 10)

    report.refresh()

    first, _, last = entry_of(annotator)["drift"]["blocks"]
    assert last["from"] - first["from"] == pytest.approx(40 * 24 * 3600, abs=2)
