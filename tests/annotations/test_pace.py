"""How labelling goes over time: counted by week and day where the installation is, and in hours without pauses."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.test import override_settings
from django.utils import timezone

from annotations.annotators.measures import Labels
from annotations.annotators.pace import pace

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday


def labels(*said: tuple[int, datetime | None], answered_s: float = 8.0) -> Labels:
    n = len(said)
    return Labels(
        track=np.arange(n),
        annotator=np.array([person for person, _ in said]),
        level=np.full(n, 5),
        is_current=np.ones(n, dtype=bool),
        before=np.full(n, np.nan),
        agreed=np.full(n, np.nan),
        answered_s=np.full(n, answered_s),
        said_at=np.array([moment.timestamp() if moment else np.nan for _, moment in said]),
    )


def test_labels_are_counted_by_week_and_the_recent_ones_by_day():
    old, monday, sunday = NOW - timedelta(days=40), NOW - timedelta(days=6), NOW

    found = pace(labels((0, old), (0, monday), (1, sunday), (1, sunday)), [7, 9], now=NOW)

    assert found["weeks"] == [["2026-10-12", 7, 1], ["2026-11-16", 7, 1], ["2026-11-16", 9, 2]]
    assert found["days"] == [["2026-11-16", 7, 1], ["2026-11-22", 9, 2]]
    assert (found["since"], found["recent"]["n"]) == ("2026-10-26", 3)


def test_a_day_is_one_of_the_place_where_the_installation_is():
    with override_settings(TIME_ZONE="Asia/Kathmandu"), timezone.override("Asia/Kathmandu"):  # 5:45 h before UTC
        found = pace(
            labels((0, datetime(2026, 11, 20, 18, 14, tzinfo=UTC)), (0, NOW - timedelta(days=1))), [7], now=NOW
        )
        after = pace(labels((0, datetime(2026, 11, 20, 18, 15, tzinfo=UTC))), [7], now=NOW)

    assert found["days"][0] == ["2026-11-20", 7, 1]
    assert after["days"] == [["2026-11-21", 7, 1]]


def test_an_hour_of_labelling_has_no_pauses_and_one_person_does_not_continue_another():
    start = NOW - timedelta(hours=2)
    said = [(0, start), (0, start + timedelta(seconds=90)), (0, start + timedelta(seconds=180))]
    said += [(0, start + timedelta(hours=1)), (1, start + timedelta(hours=1, seconds=10))]

    found = pace(labels(*said), [7, 9], now=NOW)["recent"]

    assert found == {"n": 5, "hours": 0.05, "an_hour": 40.0, "seconds": 8.0}


def test_of_imported_labels_only_their_number_is_known():
    found = pace(labels((0, None), (0, None)), [7], now=NOW)

    assert (found["weeks"], found["n_untimed"], found["recent"]["n"]) == ([], 2, 0)
    assert found["recent"]["an_hour"] is None


def test_answers_that_nobody_timed_have_no_median():
    assert pace(labels((0, NOW), answered_s=np.nan), [7], now=NOW)["recent"]["seconds"] is None


@pytest.mark.django_db
def test_the_report_on_annotators_tells_of_it(as_annotator):
    from annotations.annotators import report
    from tests.factories import AnnotationFactory

    annotation = AnnotationFactory()
    report.refresh()

    (week,) = report.newest().content["pace"]["weeks"]
    assert week[1:] == [annotation.annotator_id, 1]
