"""The review queue: which labels it shows in which order, what it hides, its pages, bulk decisions and its file."""

import csv
import re
from io import StringIO
from uuid import uuid4

import pytest
from django.http import QueryDict

from annotations.models import Decision, Flag
from annotations.models.flags import State
from annotations.review import decisions, paging
from annotations.review.precision import precision_by_reason
from annotations.review.queue import QueueFilter
from tests.factories import (
    DecisionFactory,
    FlagFactory,
    GenreFactory,
    LeadFactory,
    TrackFactory,
)

pytestmark = pytest.mark.django_db


def hear(lead, flag, level=8):
    return decisions.give_blind_opinion(reviewer=lead, track=flag.annotation.track, level=level, submission_id=uuid4())


def chosen(lead, query=""):
    return QueueFilter.from_query(QueryDict(query), lead)


def shown(lead, query=""):
    return list(chosen(lead, query).flags())


def table(html):
    """The rows, without filters and navigation."""
    return "".join(re.findall(r"<tbody>.*?</tbody>", html, re.DOTALL))


# ---- Rows


def test_a_label_is_one_row_by_its_strongest_reason(lead):
    weak, strong = (FlagFactory(suspicion=2.0), FlagFactory(suspicion=3.0))
    stronger = FlagFactory(annotation=weak.annotation, reason=Flag.Reason.DRIFT, suspicion=4.0)

    assert shown(lead) == [stronger, strong]
    assert shown(lead, "reason=model+error") == [strong, weak]
    assert shown(lead, "reason=drift") == [stronger]


def test_of_equally_strong_reasons_the_older_stands_for_the_label(lead):
    first = FlagFactory(suspicion=2.0)
    FlagFactory(annotation=first.annotation, reason=Flag.Reason.DRIFT, suspicion=2.0)

    assert shown(lead) == [first]


def test_nobody_finds_their_own_labels_in_the_queue(lead):
    FlagFactory(annotation__annotator=lead)

    assert shown(lead) == []


def test_each_label_is_in_one_state(lead):
    FlagFactory()
    DecisionFactory(verdict="ask another")
    DecisionFactory(verdict="change", level=8)
    both = DecisionFactory(suspicion=3.0).flag
    FlagFactory(annotation=both.annotation, reason=Flag.Reason.DRIFT, suspicion=9.0)

    assert [len(shown(lead, f"state={state}")) for state in State] == [2, 1, 1]


@pytest.mark.parametrize(
    "query", ["genre={genre}", "annotator={annotator}", "run=run+7", "suspicion=3.5", "q=copper", "q=the+band"]
)
def test_the_queue_is_filtered_by(lead, query):
    genre = GenreFactory(name="Techno")
    track = TrackFactory(title="Copper Wire", artist="The Band")
    track.genres.add(genre)
    wanted = FlagFactory(annotation__track=track, source="run 7", suspicion=4.0)
    FlagFactory(suspicion=3.0).annotation.track.genres.add(GenreFactory(name="House"))

    assert shown(lead, query.format(genre=genre.pk, annotator=wanted.annotation.annotator_id)) == [wanted]


def test_filters_add_up(lead):
    wanted = FlagFactory(source="run 7", suspicion=4.0)
    FlagFactory(source="run 7", suspicion=2.0)
    FlagFactory(source="run 8", suspicion=4.0)

    assert shown(lead, "run=run+7&suspicion=3") == [wanted]


def test_what_a_run_found_shows_even_where_another_found_more(lead):
    flag = FlagFactory(source="run 7", suspicion=2.0)
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DRIFT, source="run 8", suspicion=4.0)

    assert shown(lead, "run=run+7") == [flag]


# ---- Addresses


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=wrong", "no state “wrong”"),
        ("reason=a+feeling", "no reason “a feeling”"),
        ("genre=techno", "no genre “techno”"),
        ("annotator=1e30", "no annotator “1e30”"),
        (f"annotator={10**30}", "no annotator"),
        ("genre=0", "no genre “0”"),
        ("level=11", "no level from 1 to 10"),
        ("level=²", "no level from 1 to 10"),
        ("suspicion=much", "no suspicion from 0 to 9"),
        ("suspicion=nan", "no suspicion"),
        ("suspicion=1e300", "no suspicion"),
        ("suspicion=-1", "no suspicion"),
    ],
)
def test_what_makes_no_sense_in_an_address_is_left_out_and_said(as_lead, query, words):
    FlagFactory(annotation__track__title="Copper Wire")

    response = as_lead.get(f"/review/?{query}")

    html = response.content.decode()
    assert response.status_code == 200
    assert words in html
    assert "Copper Wire" in html


@pytest.mark.parametrize(
    ("query", "words"), [("genre=999999", "no genre 999999"), ("annotator=999999", "no annotator"), ("run=x", "“x”")]
)
def test_what_does_not_exist_matches_nothing_and_is_said(as_lead, query, words):
    FlagFactory(annotation__track__title="Copper Wire")

    html = as_lead.get(f"/review/?{query}").content.decode()

    assert words in html
    assert "Copper Wire" not in html


@pytest.mark.parametrize(
    "query", ["after=x", "after=nan,1", "before=1", "after=1,1e9", "before=inf,3", "q=%00", "page=99"]
)
def test_an_address_of_no_page_shows_the_first(as_lead, query):
    FlagFactory(annotation__track__title="Copper Wire")

    assert "Copper Wire" in as_lead.get(f"/review/?{query}").content.decode()


def test_the_address_of_a_filter_reads_back_as_the_same_filter(lead):
    one = chosen(lead, "state=resolved&reason=drift&genre=3&annotator=4&level=5&run=run+7&suspicion=2.5&q=a%26b")

    assert chosen(lead, one.query_string) == one
    assert chosen(lead).query_string == ""


# ---- Neighbours


def test_the_next_and_the_one_before_are_those_of_the_filter(lead):
    first, second, third = (FlagFactory(suspicion=suspicion, source="run 7") for suspicion in (4.0, 3.0, 3.0))
    FlagFactory(suspicion=3.5, source="run 8")
    queue = chosen(lead, "run=run+7")

    assert (queue.after(first), queue.after(second), queue.after(third)) == (second, third, None)
    assert (queue.before(third), queue.before(second), queue.before(first)) == (second, first, None)
    assert [str(queue.place(flag)) for flag in (first, second, third)] == ["1 of 3", "2 of 3", "3 of 3"]


def test_after_a_decision_the_way_goes_on(lead):
    first, second, third = (FlagFactory(suspicion=suspicion) for suspicion in (4.0, 3.0, 2.0))
    DecisionFactory(flag=second)

    assert (chosen(lead).before(second), chosen(lead).after(second)) == (first, third)
    assert chosen(lead).place(second) is None


def test_a_second_reason_against_the_same_label_is_no_neighbour(lead):
    strong = FlagFactory(suspicion=4.0)
    weak = FlagFactory(annotation=strong.annotation, reason=Flag.Reason.DRIFT, suspicion=2.0)

    assert chosen(lead).before(weak) is None
    assert str(chosen(lead).place(weak)) == "1 of 1"


# ---- Blind


def test_the_queue_does_not_lead_a_reviewer_who_has_not_listened(as_lead, lead):
    flag = FlagFactory(annotation__annotator__username="the-accused", annotation__level=2, expected_level=8.4)

    before = table(as_lead.get("/review/").content.decode())
    hear(lead, flag)
    after = table(as_lead.get("/review/").content.decode())

    for evidence in ("the-accused", "level-2", "8.4", "−6.4", "was expected"):
        assert evidence not in before
        assert evidence in after


@pytest.mark.parametrize("query", ["level=2", "q=the-accused"])
def test_levels_and_names_are_looked_for_only_among_what_was_heard(lead, query):
    flag = FlagFactory(annotation__annotator__username="the-accused", annotation__level=2)
    assert shown(lead, query) == []

    hear(lead, flag)

    assert shown(lead, query) == [flag]


def test_the_page_says_that_levels_are_those_of_heard_tracks(as_lead):
    assert "of the others it stays covered" in as_lead.get("/review/?level=2").content.decode()


def test_who_asks_for_an_annotator_gets_their_labels_with_levels_covered(as_lead):
    flag = FlagFactory(annotation__level=2, expected_level=8.4, annotation__track__title="Copper Wire")

    rows = table(as_lead.get(f"/review/?annotator={flag.annotation.annotator_id}").content.decode())

    assert "Copper Wire" in rows
    for evidence in ("level-2", "8.4", flag.annotation.annotator.username):
        assert evidence not in rows


def test_what_others_decided_shows_its_level_to_who_has_listened(as_lead, lead):
    decision = DecisionFactory(decided_by=LeadFactory(username="lin"), verdict="change", level=9)

    assert "changed by lin" in table(as_lead.get("/review/?state=resolved").content.decode())
    hear(lead, decision.flag)
    assert "changed to 9 by lin" in table(as_lead.get("/review/?state=resolved").content.decode())


# ---- The page


def test_the_page_says_how_many_wait_and_what_was_done_today(as_lead):
    FlagFactory.create_batch(2)
    DecisionFactory(verdict="change", level=8)
    DecisionFactory()

    html = as_lead.get("/review/").content.decode()

    assert "2 labels look wrong" in html
    assert "2 reviewed today, 1 of them changed" in html
    assert '<span class="nav-count">2</span>' in html


def test_the_number_beside_review_counts_labels_whatever_the_page_is_filtered_by(as_lead):
    flag = FlagFactory()
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DRIFT)
    FlagFactory()

    for path in ("/review/?suspicion=9", "/label/mine/"):
        assert '<span class="nav-count">2</span>' in as_lead.get(path).content.decode()


def test_links_to_the_review_page_carry_the_filter(as_lead):
    flag = FlagFactory()

    html = as_lead.get("/review/?run=run+1&suspicion=2").content.decode()

    assert html.count(f'href="/review/{flag.pk}/?run=run+1&amp;suspicion=2.0"') == 3


def test_the_queue_goes_page_by_page_and_loses_nothing_when_others_decide(as_lead, monkeypatch):
    monkeypatch.setattr(paging, "PAGE_SIZE", 2)
    flags = [FlagFactory(suspicion=9.0 - number, annotation__track__title=f"Title-{number}") for number in range(5)]

    def titles(html):
        return re.findall(r'class="name"><a[^>]*>Title-(\d)', html)

    def follow(html, link):
        address = re.search(rf'data-{link} href="([^"]*)"', html)
        return as_lead.get("/review/" + address[1].replace("&amp;", "&")).content.decode()

    first = as_lead.get("/review/").content.decode()
    assert titles(first) == ["0", "1"]
    assert "1 – 2 of 5" in first
    assert "data-previous" not in first
    # Another lead decides about one of those that have been seen.
    DecisionFactory(flag=flags[0])
    second = follow(first, "next")
    assert titles(second) == ["2", "3"]
    assert "2 – 3 of 4" in second
    last = follow(second, "next")
    assert titles(last) == ["4"]
    assert "data-next" not in last
    assert titles(follow(last, "previous")) == ["2", "3"]
    assert titles(follow(follow(last, "previous"), "previous")) == ["1", "2"]


@pytest.mark.parametrize(
    "query", ["", "?reason=model+error&suspicion=1&q=title", "?state=resolved", "?state=second+opinion"]
)
def test_the_queue_takes_at_most_twelve_queries(as_lead, lead, query, django_assert_max_num_queries):
    for number in range(8):
        flag = FlagFactory()
        flag.annotation.track.genres.add(GenreFactory())
        FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DRIFT)
        if number % 4:
            DecisionFactory(flag=flag, verdict=["", "keep", "ask another", "exclude"][number % 4])
        hear(lead, flag)

    with django_assert_max_num_queries(12):
        assert as_lead.get(f"/review/{query}").status_code == 200


def test_an_empty_queue_says_why(as_lead):
    assert "Nothing to review" in as_lead.get("/review/").content.decode()
    assert "None yet" in as_lead.get("/review/?state=resolved").content.decode()
    assert "Nothing matches “nowhere”" in as_lead.get("/review/?q=nowhere").content.decode()


# ---- Many at once


def test_what_was_ticked_is_kept_and_the_page_stays_within_the_filter(as_lead):
    flags = FlagFactory.create_batch(2)

    response = as_lead.post("/review/decide/?run=run+1", {"flag": [flag.pk for flag in flags], "verdict": "keep"})

    assert response.url == "/review/?run=run+1"
    assert "Kept 2 labels." in as_lead.get(response.url).content.decode()
    assert not Flag.objects.open().exists()


def test_what_was_left_out_is_said(as_lead, lead):
    flag, own, decided = FlagFactory(), FlagFactory(annotation__annotator=lead), DecisionFactory().flag
    ticked = [flag.pk, own.pk, decided.pk]

    response = as_lead.post("/review/decide/", {"flag": ticked, "verdict": "ask another"}, follow=True)

    html = response.content.decode()
    assert "Asked another annotator about 1 label." in html
    assert "2 left out: 1 decided meanwhile, 1 your own label." in html


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"verdict": "keep"}, "0 labels were ticked"),
        ({"verdict": "keep", "flag": list(range(1, 300))}, "299 labels were ticked"),
        ({"verdict": "change", "flag": [1]}, "keep, or ask another"),
        ({"flag": [1]}, "keep, or ask another"),
    ],
)
def test_what_cannot_be_said_of_many_is_refused(as_lead, sent, words):
    response = as_lead.post("/review/decide/", sent)

    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Decision.objects.exists()


@pytest.mark.parametrize("flag", ["x", "", "-1", str(10**30), "\0"])
def test_an_id_that_is_none_is_left_out(as_lead, flag):
    response = as_lead.post("/review/decide/", {"verdict": "keep", "flag": flag}, follow=True)

    assert "1 left out: 1 decided meanwhile" in response.content.decode()


# ---- Export


def exported(client, query=""):
    response = client.get(f"/review/export.csv{query}")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(StringIO(b"".join(response.streaming_content).decode())))


def test_the_file_has_the_rows_of_the_filter_and_covers_what_was_not_heard(as_lead, lead):
    genre = GenreFactory(name="Techno")
    heard = FlagFactory(annotation__level=2, expected_level=8.4, suspicion=6.4, source="run 7")
    heard.annotation.track.genres.add(genre)
    FlagFactory(annotation=heard.annotation, reason=Flag.Reason.DRIFT, suspicion=1.0)
    covered = FlagFactory(annotation__level=3, expected_level=7.7, suspicion=4.7, source="run 7")
    FlagFactory(source="run 8")
    hear(lead, heard)

    rows = exported(as_lead, "?run=run+7")

    assert [row["uri"] for row in rows] == [heard.annotation.track.uri, covered.annotation.track.uri]
    assert (rows[0]["level"], rows[0]["expected_level"], rows[0]["genres"], rows[0]["heard"]) == (
        "2",
        "8.4",
        "Techno",
        "yes",
    )
    assert rows[0]["annotator"] == heard.annotation.annotator.display_name
    assert rows[0]["other_reasons"] == "Annotator changed"
    assert rows[1]["heard"].startswith("no: level, expected level and annotator stay covered")
    assert [rows[1][name] for name in ("level", "expected_level", "annotator", "why", "changed_to", "note")] == [""] * 6


def test_the_file_says_what_was_decided_with_its_level_only_where_it_was_heard(as_lead, lead):
    decision = DecisionFactory(decided_by=LeadFactory(username="lin"), verdict="change", level=9, note="a ballad")

    [covered] = exported(as_lead, "?state=resolved")
    hear(lead, decision.flag)
    [row] = exported(as_lead, "?state=resolved")

    assert [covered[name] for name in ("decision", "decided_by", "changed_to", "note")] == ["changed", "lin", "", ""]
    assert (row["changed_to"], row["note"]) == ("9", "a ballad")


def test_a_spreadsheet_runs_nothing_of_the_file(as_lead):
    FlagFactory(annotation__track__title="=1+1")

    assert exported(as_lead)[0]["title"] == "'=1+1"


# ---- Precision so far


def test_a_reason_is_confirmed_where_the_label_fell(as_lead):
    for verdict, level in [("keep", None), ("change", 8), ("drop label", None), ("change", 5), ("exclude", None)]:
        DecisionFactory(flag__annotation__level=5, verdict=verdict, level=level)
    FlagFactory()

    # Changed to the label's own level confirms nothing; to exclude a track says nothing about the label.
    assert precision_by_reason()["model error"] == (2, 4)
    assert "2 of 4 confirmed" in as_lead.get("/review/").content.decode()
    assert str(precision_by_reason()["drift"]) == "none decided yet"


def test_what_was_kept_without_listening_or_undone_says_nothing_about_a_reason(lead):
    unheard, undone = DecisionFactory(blind_level=None), DecisionFactory(verdict="drop label")
    decisions.undo(reviewer=lead, decision=undone)

    assert unheard.flag.reason == "model error"
    assert precision_by_reason()["model error"] == (0, 0)


def test_each_reason_against_the_label_that_was_shown_is_confirmed_with_it():
    flag = FlagFactory()
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.DRIFT)
    DecisionFactory(flag=flag, verdict="drop label")
    FlagFactory(annotation=flag.annotation, reason=Flag.Reason.NEIGHBOURS)

    found = precision_by_reason()

    assert [found[reason] for reason in ("model error", "drift", "neighbours")] == [(1, 1), (1, 1), (0, 0)]


def test_only_the_last_fifty_count():
    DecisionFactory(verdict="drop label")
    for _ in range(50):
        DecisionFactory()

    assert str(precision_by_reason()["model error"]) == "0 of the last 50 confirmed"


def test_a_reason_that_was_withdrawn_is_no_more_right_for_what_was_decided_of_the_label_since():
    label = FlagFactory(is_withdrawn=True, suspicion=0).annotation
    DecisionFactory(flag=FlagFactory(annotation=label, reason="drift"), verdict="drop label")

    found = precision_by_reason()

    assert (found["model error"], found["drift"]) == ((0, 0), (1, 1))
