"""The page of one's own labels: what it shows, what it never tells, and changes of mind."""

import re
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from annotations.models import Annotation
from annotations.own_statistics import Answer, describe
from tests.factories import AnnotationFactory, AnnotatorFactory, ReferenceFactory, RulesFactory, TrackFactory

pytestmark = pytest.mark.django_db

URL = "/label/mine/"
TODAY = date(2026, 11, 23)


@pytest.fixture
def label(annotator):
    """`label("Song", 4)`: a label of the annotator's; `days_ago` and everything else as the factory has it."""

    def make(title="Song", level=5, *, days_ago=0, **fields):
        created_at = timezone.now() - timedelta(days=days_ago)
        fields = {"track": TrackFactory(title=title)} | fields
        return AnnotationFactory(annotator=annotator, level=level, created_at=created_at, **fields)

    return make


def titles(client, **query):
    return re.findall(r'id="name-\d+">([^<]*?) <small>', client.get(URL, query).content.decode())


def change(client, annotation, level, **fields):
    sent = {"track_id": annotation.track_id, "level": level, "submission_id": uuid4()} | fields
    return client.post("/label/mine/change/", sent, follow=True)


# ---- The list


def test_only_own_labels_are_shown_the_newest_first(as_annotator, label):
    label("Old", days_ago=2)
    label("New")
    AnnotationFactory(track__title="Of somebody else")

    assert titles(as_annotator) == ["New", "Old"]


def test_a_changed_label_is_shown_once_with_what_was_said_before(as_annotator, label):
    first = label("Song", 4)
    change(as_annotator, first, 7)

    html = as_annotator.get(URL).content.decode()

    assert titles(as_annotator) == ["Song"]
    assert "What you said before" in html
    assert re.search(r"<li>4, .*<li>7, ", html)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"level": 3}, ["Low"]),
        ({"q": "hIGh"}, ["High"]),
        ({"q": "Artist of Low"}, ["Low"]),
        ({"fast": "on"}, ["High"]),
        ({"changed": "on"}, ["Undecided"]),
        ({"q": "Undecided", "level": 3}, []),
        ({"since": timezone.localdate().isoformat()}, ["Undecided", "High"]),
        ({"until": (timezone.localdate() - timedelta(days=1)).isoformat()}, ["Low"]),
    ],
)
def test_labels_are_found_by(as_annotator, label, query, expected):
    label(level=3, days_ago=3, track=TrackFactory(title="Low", artist="Artist of Low"), answered_s=4.0)
    label("High", 9, answered_s=3.9)
    change(as_annotator, label("Undecided", 5), 6)

    assert titles(as_annotator, **query) == expected


def test_a_label_that_was_changed_and_changed_back_counts_as_changed(as_annotator, label):
    first = label("Song", 4)
    change(as_annotator, first, 7)
    change(as_annotator, first, 4)

    assert titles(as_annotator, changed="on") == ["Song"]


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("level=11", "less than or equal to 10"),
        ("since=yesterday", "Enter a valid date"),
        ("since=0001-01-01", "greater than or equal to 2000"),
        ("until=9999-12-31", "less than or equal to 2999"),
        ("since=2026-02-01&until=2026-01-01", "No day lies from"),
        ("q=%00", "Null characters"),
        ("page=99999999999999999999", "less than or equal to"),
        ("page=-1", "greater than or equal to 1"),
    ],
)
def test_nonsense_in_the_address_is_said_and_does_no_harm(as_annotator, label, query, complaint):
    label()

    response = as_annotator.get(f"{URL}?{query}")

    assert response.status_code == 200
    assert complaint in re.sub(r"&#x27;", "'", response.content.decode())


def test_older_labels_are_on_further_pages_which_keep_the_filter(as_annotator, label):
    for number in range(27):
        label(f"Song {number:02}", 3)
    label("Other", 8)

    first = as_annotator.get(URL, {"level": 3}).content.decode()

    assert len(titles(as_annotator, level=3)) == 25
    assert titles(as_annotator, level=3, page=2) == ["Song 01", "Song 00"]
    assert "?level=3&amp;page=2" in first
    assert titles(as_annotator, page=9) == []


def test_the_page_takes_the_same_number_of_queries_for_any_number_of_labels(
    as_annotator, label, django_assert_max_num_queries
):
    for _ in range(30):
        change(as_annotator, label(), 6)

    with django_assert_max_num_queries(9):
        as_annotator.get(URL)


def test_a_track_without_audio_can_be_seen_but_not_played(as_annotator, label):
    label("Silent", track=TrackFactory(title="Silent", audio_state="none", audio=""))

    html = as_annotator.get(URL).content.decode()

    assert "Silent" in html
    assert "<audio" not in html


# ---- What it never tells


def body(client):
    """The page without what differs each time: tokens and ids of submissions, times of day."""
    html = client.get(URL).content.decode()
    return re.sub(r'name="(csrfmiddlewaretoken|submission_id)" value="[^"]*"|\d\d:\d\d|nonce="[^"]*"', "", html)


def test_nothing_tells_why_a_track_was_handed_out(as_annotator, annotator):
    """The same page, letter for letter, whether two labels were of new tracks, or of gold and of a second opinion."""
    tracks = [TrackFactory(title="One"), TrackFactory(title="Two")]
    ReferenceFactory(track=tracks[0], use="gold", level=9)
    AnnotationFactory(track=tracks[1], level=9)
    pages = []
    for streams in (("new", "new"), ("gold", "second opinion")):
        other = AnnotatorFactory(username=f"like-anna-{len(pages)}", first_name="Anna")
        for track, stream in zip(tracks, streams, strict=True):
            AnnotationFactory(annotator=other, track=track, level=4, stream=stream, answered_s=8.0)
        as_annotator.force_login(other)
        pages.append(body(as_annotator))

    assert pages[0] == pages[1]


def test_the_same_level_again_is_no_change_and_leaves_no_trace(as_annotator, label):
    first = label("Song", 4, days_ago=9)
    label("Song", 4, track=first.track, supersedes=first, stream="repeat")

    assert "What you said before" not in as_annotator.get(URL).content.decode()
    assert titles(as_annotator, changed="on") == []


def test_an_answer_counts_as_one_more_whether_the_track_is_new_or_comes_again(as_annotator, label):
    def n_answers():
        return as_annotator.get(URL).context["statistics"].n_answers

    first = label("Song", 4, days_ago=9)
    label("Another")
    before = n_answers()
    again = label("Song", 5, track=first.track, supersedes=first, stream="repeat")
    change(as_annotator, again, 6)

    assert (before, n_answers()) == (2, 3)


def test_no_label_of_another_is_on_the_page(as_annotator, label):
    mine = label("Song", 4)
    AnnotationFactory(track=mine.track, level=9)

    html = as_annotator.get(URL).content.decode()

    assert 'class="level level-9"' not in html
    assert as_annotator.get(URL).context["statistics"].counts == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


# ---- Changes of mind


def test_a_change_of_mind_is_stored_and_said_and_the_filter_stays(as_annotator, label):
    annotation = label("Song", 4)

    response = as_annotator.post(
        "/label/mine/change/?q=Song&level=4",
        {"track_id": annotation.track_id, "level": 7, "submission_id": uuid4()},
        follow=True,
    )

    assert response.redirect_chain == [(f"{URL}?q=Song&level=4", 302)]
    assert "Song: changed from 4 to 7." in response.content.decode()
    newest = Annotation.objects.current().get()
    assert (newest.level, newest.supersedes, newest.source) == (7, annotation, "relabel")


def test_the_same_level_again_says_that_nothing_has_changed(as_annotator, label):
    response = change(as_annotator, label("Song", 4), 4)

    assert "it was 4 already, so nothing has changed" in response.content.decode()
    assert Annotation.objects.count() == 1


def test_a_double_post_is_one_change(as_annotator, label):
    annotation, submission_id = label("Song", 4), uuid4()

    answers = [change(as_annotator, annotation, 7, submission_id=submission_id).content.decode() for _ in range(2)]

    assert all("changed from 4 to 7" in html for html in answers)
    assert Annotation.objects.count() == 2


def test_nobody_changes_the_label_of_another(as_annotator):
    response = change(as_annotator, AnnotationFactory(level=4), 7)

    assert response.status_code == 409
    assert "You have not labelled this track" in response.content.decode()
    assert Annotation.objects.count() == 1


@pytest.mark.parametrize("level", ["", 0, 11, "x"])
def test_a_level_that_is_none_is_refused(as_annotator, label, level):
    response = change(as_annotator, label(), level)

    assert response.status_code == 422
    assert "choose a level from 1 to 10" in response.content.decode()


def test_a_submission_that_belongs_to_another_label_is_refused(as_annotator, label):
    taken = AnnotationFactory().submission_id

    assert change(as_annotator, label("Song", 4), 7, submission_id=taken).status_code == 409


# ---- Own statistics


def an_answer(level=5, *, day=TODAY - timedelta(days=1), **fields):
    return Answer(
        **{"level": level, "is_correction": False, "is_corrected": False, "answered_s": 8.0, "day": day} | fields
    )


def described(answers, *, shows_gold=False):
    return describe(answers, today=TODAY, shows_gold=shows_gold)


def test_a_correction_takes_the_place_of_the_answer_and_adds_none():
    found = described([an_answer(4, is_corrected=True), an_answer(7, is_correction=True, day=TODAY), an_answer(7)])

    assert found.counts == [0, 0, 0, 0, 0, 0, 2, 0, 0, 0]
    assert (found.n_answers, found.n_today, found.n_days) == (2, 0, 1)


def test_pace_is_a_median_and_answers_under_4_s_are_too_fast():
    days = [TODAY, TODAY, TODAY, TODAY - timedelta(days=3)]
    seconds = [3.9, 4.0, 10.0, None]
    found = described([an_answer(day=day, answered_s=s) for day, s in zip(days, seconds, strict=True)])

    assert (found.median_a_day, found.median_s, found.too_fast_share) == (2, 4.0, pytest.approx(1 / 3))


def test_how_far_somebody_agrees_with_themselves():
    # Distances: six times 0, three times 1, once 3. Mean .6, sample deviation .966, standard error .306.
    repeats = [an_answer(5, before=5)] * 6 + [an_answer(5, before=4)] * 3 + [an_answer(5, before=8)]
    found = described(repeats).repeats

    assert (found.n, found.exact_share, found.within_one_share) == (10, 0.6, 0.9)
    assert found.mean_absolute == pytest.approx(0.6)
    assert found.mean_absolute_se == pytest.approx(0.3055, abs=1e-4)


def test_nine_pairs_are_too_few_and_those_of_today_do_not_count():
    yesterday = [an_answer(before=5)] * 9

    assert described([*yesterday, an_answer(before=5, day=TODAY)]).repeats is None
    assert described([*yesterday, an_answer(before=5)]).repeats.n == 10


def test_gold_is_scored_only_where_annotators_are_told():
    answers = [an_answer(6, agreed=5)] * 8 + [an_answer(4, agreed=6)] * 2

    found = described(answers, shows_gold=True).gold

    assert described(answers).gold is None
    assert (found.n, found.mean, found.mean_absolute, found.within_one_share) == (10, 0.4, 1.2, 0.8)


def test_without_answers_nothing_is_claimed(as_annotator):
    html = as_annotator.get(URL).content.decode()

    assert "No labels yet" in html
    assert "Too few (n &lt; 10)" in html


def test_repeats_and_gold_are_read_from_the_labels(as_annotator, label):
    """Of a repeat that was corrected by hand the answer counts; a relabel inherits its stream and is no repeat."""
    RulesFactory(shows_gold=True)
    for _ in range(10):
        first = label(level=4, days_ago=9)
        again = label(level=6, days_ago=1, track=first.track, supersedes=first, stream="repeat")
        label(level=4, days_ago=1, track=first.track, supersedes=again, stream="repeat", source="relabel")
        golden = label(level=8, stream="gold")
        ReferenceFactory(track=golden.track, use="gold", level=9)

    response = as_annotator.get(URL)

    statistics = response.context["statistics"]
    assert (statistics.repeats.n, statistics.repeats.mean_absolute) == (10, 2)
    assert (statistics.gold.n, statistics.gold.mean) == (10, -1)
    assert "You and the leads" in response.content.decode()


def test_labels_of_long_ago_are_left_out(as_annotator, label, monkeypatch):
    monkeypatch.setattr("annotations.own_statistics.MAX_ANNOTATIONS", 2)
    for days_ago, level in ((3, 1), (2, 2), (1, 3)):
        label(level=level, days_ago=days_ago)

    assert as_annotator.get(URL).context["statistics"].counts[:3] == [0, 1, 1]


def test_without_feedback_the_page_does_not_speak_of_gold(as_annotator, label):
    golden = label(level=8, stream="gold")
    ReferenceFactory(track=golden.track, use="gold", level=9)

    assert "gold" not in as_annotator.get(URL).content.decode().lower()
