"""The pages about annotators, and leaving one out of training."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from annotations.annotators import exclusions, report, words
from annotations.models import Annotation, AnnotatorExclusion, AnnotatorReport
from modeling.models import Experiment
from tests.annotations.test_annotators_report import entry_of, shared_labels
from tests.annotations.test_races import at_once
from tests.factories import AnnotationFactory, AnnotatorFactory, LeadFactory, TrackFactory
from tests.processes import broker_at

pytestmark = pytest.mark.django_db

NOBODY_LISTENS = "redis://127.0.0.1:1"


def html_of(client, path):
    response = client.get(path)
    assert response.status_code == 200, response.status_code
    return " ".join(response.content.decode().split())


def page_of(person):
    return f"/annotators/{person.pk}/"


@pytest.fixture
def crowd():
    """Two who agree, one two levels higher, and one with three labels of tracks that nobody else has."""
    names = ("ann", "bob", "high", "alone")
    ann, bob, high, alone = (AnnotatorFactory(username=name) for name in names)
    shared_labels(ann, bob, high, n=40, level=lambda person, number: 1 + number % 8 + 2 * (person == 2))
    for _ in range(3):
        AnnotationFactory(annotator=alone)
    report.refresh()
    return ann, bob, high, alone


# ---- All of them


def test_the_page_shows_each_distribution_the_agreement_and_who_stands_out(as_lead, crowd):
    html = html_of(as_lead, "/annotators/")

    assert "Labels of ann of tracks that others labelled too" in html
    assert "40 shared tracks" in html
    assert "biased high" in html
    assert "Agreement of each two: weighted kappa from" in html
    assert "Shape of the scale: mean level of" in html
    assert "nobody else’s" in html  # alone shares no track


def test_of_few_labels_the_table_says_too_few(as_lead, crowd):
    assert html_of(as_lead, "/annotators/").count('aria-label="too few: 3"') == 3  # bias, scale and noise of one person


def test_before_the_first_report_the_page_says_when_it_comes(as_lead):
    AnnotationFactory()

    html = html_of(as_lead, "/annotators/")

    assert "within a minute" in html
    assert "Look again now" in html


def test_a_report_of_an_empty_library_is_no_news_once_labels_are_there(as_lead):
    report.refresh()
    assert "No labels yet" in html_of(as_lead, "/annotators/")

    AnnotationFactory()

    assert "the last one knew of no labels" in html_of(as_lead, "/annotators/")


def test_agreement_that_is_undefined_is_said_and_not_invented(as_lead):
    AnnotationFactory()
    report.refresh()

    html = html_of(as_lead, "/annotators/")

    assert "No track has labels by two annotators." in html
    assert "nobody to agree with" in html
    assert "Groups are undefined" in html


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("", "ann"),
        ("name", "alone"),
        ("-name", "high"),
        ("labels", "alone"),
        ("-bias", "high"),
        ("-error", "high"),
        ("nonsense", "ann"),
        ("-", "ann"),
    ],
)
def test_measures_are_sorted_by_their_column(sort, first, as_lead, crowd):
    html = html_of(as_lead, f"/annotators/?sort={sort}")

    names = re.findall(r'<td class="name"><a [^>]*>([^<]+)<', html)
    assert names[0] == first
    assert sorted(names) == ["alone", "ann", "bob", "high"]


@pytest.mark.parametrize("sort", ["bias", "-bias"])
def test_who_has_no_figure_comes_last_either_way(sort, as_lead, crowd):
    names = re.findall(r'<td class="name"><a [^>]*>([^<]+)<', html_of(as_lead, f"/annotators/?sort={sort}"))

    assert names[-1] == "alone"


def test_the_heading_that_sorts_says_how_and_turns_it_round(as_lead, crowd):
    html = html_of(as_lead, "/annotators/?sort=-bias")

    assert re.search(r'<th class="right" aria-sort="descending"><a href="\?sort=bias#measures"', html)
    assert html.count("aria-sort") == 1


def test_many_annotators_are_shown_on_pages(as_lead):
    track = TrackFactory()
    for person in AnnotatorFactory.create_batch(60):
        AnnotationFactory(track=track, annotator=person)
    report.refresh()

    first, last = html_of(as_lead, "/annotators/"), html_of(as_lead, "/annotators/?page=4")

    assert first.count('class="tile person"') == 18
    assert last.count('class="tile person"') == 6
    assert "Of 60 the 30 with most labels" in first


def test_queries_are_few_however_many_annotators_there_are(as_lead, django_assert_max_num_queries):
    shared_labels(*AnnotatorFactory.create_batch(12))
    report.refresh()

    with django_assert_max_num_queries(12):
        as_lead.get("/annotators/")
    with django_assert_max_num_queries(12):
        as_lead.get(page_of(Annotation.objects.first().annotator))


def test_people_are_called_what_they_call_themselves_now(as_lead, crowd):
    ann, bob, *_ = crowd
    ann.first_name = bob.first_name = "Robin"
    ann.save()
    bob.save()

    html = html_of(as_lead, "/annotators/")

    assert "Robin (ann)" in html
    assert "Robin (bob)" in html


def test_who_is_deleted_is_left_out_and_no_page_breaks(as_lead, crowd):
    content = AnnotatorReport.objects.get().content  # and not the one that pages share
    content["annotators"][0]["id"] = content["matrix"]["ids"][0] = 10**9
    content["annotators"][1]["partners"][0][0] = content["groups"]["unknown"][0] = 10**9
    AnnotatorReport.objects.update(content=content, made_at=timezone.now())

    assert html_of(as_lead, "/annotators/").count('class="tile person"') == 3
    html_of(as_lead, page_of(crowd[1]))
    assert as_lead.get(f"/annotators/{10**9}/").status_code == 404


def test_a_name_is_text_and_no_markup(as_lead):
    AnnotationFactory(annotator=AnnotatorFactory(first_name="<b>Bo</b>"))
    report.refresh()

    assert "<b>Bo" not in html_of(as_lead, "/annotators/")


# ---- Look again


def test_looking_again_asks_a_worker_and_says_when_nothing_has_changed(as_lead, monkeypatch):
    sent = []
    monkeypatch.setattr("celery.Celery.send_task", lambda app, name, **options: sent.append(name))
    AnnotationFactory()

    assert "A worker looks again" in as_lead.post("/annotators/look-again/", follow=True).content.decode()
    report.refresh()
    assert "Nothing has changed" in as_lead.post("/annotators/look-again/", follow=True).content.decode()

    assert sent == ["upkeep.refresh_annotator_report"]


def test_a_page_that_waits_hears_nothing_until_there_is_a_newer_report(as_lead):
    AnnotationFactory()
    htmx = {"HX-Request": "true"}
    awaited = re.search(r'hx-get="(/annotators/\?than=none)"', html_of(as_lead, "/annotators/")).group(1)
    assert as_lead.get(awaited, headers=htmx).status_code == 204

    report.refresh()

    assert as_lead.get(awaited, headers=htmx).headers["HX-Refresh"] == "true"
    assert "hx-get" not in html_of(as_lead, "/annotators/?after=none")


def test_with_the_broker_away_looking_again_says_so(as_lead):
    AnnotationFactory()

    with broker_at(NOBODY_LISTENS):
        html = as_lead.post("/annotators/look-again/", follow=True).content.decode()

    assert "The broker cannot be reached" in html


# ---- One of them


def test_one_persons_page_says_in_words_what_the_numbers_mean(as_lead, crowd):
    html = html_of(as_lead, page_of(crowd[2]))

    assert "biased high" in html
    assert "Labels higher than others do of the same tracks: +" in html
    assert "levels from the mean of the others, over 40 shared tracks" in html
    assert "Too few to tell: 0 repeats, 10 are needed." in html
    assert f"/review/?annotator={crowd[2].pk}" in html
    assert f'href="{page_of(crowd[0])}">ann' in html  # agreement with others


def test_who_shares_no_track_is_told_against_what(as_lead):
    alone = AnnotatorFactory()
    for number in range(12):
        AnnotationFactory(annotator=alone, level=3 + number % 4)
    report.refresh()

    html = html_of(as_lead, page_of(alone))

    assert "Nobody else has labelled these tracks, so this is against the mean of all labels" in html


def test_a_change_over_time_is_drawn_and_told(as_lead):
    steady, changed = AnnotatorFactory(), AnnotatorFactory()
    began = timezone.now() - timedelta(days=100)
    for number in range(80):
        track, at = TrackFactory(), began + timedelta(days=number)
        level = 1 + number % 6
        AnnotationFactory(track=track, annotator=steady, level=level, created_at=at)
        AnnotationFactory(track=track, annotator=changed, level=level + 4 * (number >= 50), created_at=at)
    report.refresh()

    html = html_of(as_lead, page_of(changed))

    assert "less what was expected, in levels, over time: from" in html
    assert "Changed: against what was expected of each track" in html
    assert "changed" in html_of(as_lead, "/annotators/")


def test_who_has_not_labelled_has_a_page_that_says_so(as_lead, crowd):
    assert "No labels yet" in html_of(as_lead, page_of(AnnotatorFactory()))


def test_before_the_first_report_a_person_has_a_page_too(as_lead):
    assert "within a minute" in html_of(as_lead, page_of(AnnotationFactory().annotator))


def test_the_lab_is_asked_by_the_name_it_knows_them_by(as_lead, crowd):
    ann, bob, *_ = crowd
    ann.first_name = bob.first_name = "Robin"
    ann.save()
    bob.save()
    assert 'name="annotator" value="Robin (ann)"' in html_of(as_lead, page_of(ann))

    exclusions.say(annotator=bob, is_excluded=True, note="", decided_by=LeadFactory())

    assert 'name="annotator" value="Robin"' in html_of(as_lead, page_of(ann))
    assert 'name="annotator"' not in html_of(as_lead, page_of(bob))  # the lab does not know who is left out


def test_what_leaving_out_would_do_is_asked_of_the_lab_by_the_page_s_own_form(as_lead, crowd):
    html = html_of(as_lead, page_of(crowd[2]))
    address, name = re.search(r'action="(/lab/[^"]+)">.{,300}name="annotator" value="([^"]+)"', html).groups()

    asked = as_lead.post(address, {"annotator": name})

    experiment = Experiment.objects.get()
    assert asked.headers["Location"] == f"/lab/{experiment.pk}/"
    assert (experiment.name, experiment.options["annotator"]) == ("without_annotator", "high")


# ---- Leaving somebody out of training, and taking them back


def leave_out(client, person, said="yes", note="answers at random"):
    return client.post(f"{page_of(person)}exclusion/", {"is_excluded": said, "note": note}, follow=True)


def test_who_is_left_out_is_not_learnt_from_and_still_shown(as_lead, lead, crowd):
    ann = crowd[0]

    html = leave_out(as_lead, ann).content.decode()

    assert "is left out, from the next training on" in html
    assert "answers at random" in html
    said = AnnotatorExclusion.objects.get()
    assert (said.annotator, said.decided_by, said.is_excluded) == (ann, lead, True)
    assert not Annotation.objects.for_training().filter(annotator=ann).exists()
    assert Annotation.objects.counted().filter(annotator=ann).count() == 40
    assert "left out" in html_of(as_lead, "/annotators/")


def test_taking_back_is_a_new_row_and_both_stay_in_the_history(as_lead, crowd):
    leave_out(as_lead, crowd[0])

    html = leave_out(as_lead, crowd[0], said="no", note="was a new headphone").content.decode()

    assert Annotation.objects.for_training().filter(annotator=crowd[0]).count() == 40
    assert list(AnnotatorExclusion.objects.values_list("is_excluded", flat=True)) == [False, True]
    assert "answers at random" in html
    assert "was a new headphone" in html


def test_saying_it_twice_does_it_once_and_says_by_whom_it_was_done(as_lead, crowd):
    leave_out(as_lead, crowd[0])

    html = leave_out(as_lead, crowd[0]).content.decode()

    assert "lea left ann out of training already" in html
    assert AnnotatorExclusion.objects.count() == 1


def test_who_was_never_left_out_cannot_be_taken_back(as_lead, crowd):
    html = leave_out(as_lead, crowd[0], said="no").content.decode()

    assert "was never left out of training" in html
    assert not AnnotatorExclusion.objects.exists()


@pytest.mark.parametrize(
    "posted",
    [{}, {"is_excluded": "perhaps"}, {"is_excluded": "yes", "note": "x" * 501}, {"is_excluded": "yes", "note": "\0"}],
)
def test_what_cannot_be_is_refused_and_what_was_typed_stays(posted, as_lead, crowd):
    response = as_lead.post(f"{page_of(crowd[0])}exclusion/", posted)

    assert response.status_code == 422
    assert "Nothing was changed" in response.content.decode()
    assert posted.get("note", "").strip("\0") in response.content.decode()
    assert not AnnotatorExclusion.objects.exists()


def test_an_annotator_may_neither_look_nor_leave_out(as_annotator, annotator, crowd):
    for path in ("/annotators/", page_of(crowd[0]), page_of(annotator)):
        assert as_annotator.get(path).status_code == 403
    assert leave_out(as_annotator, crowd[0]).status_code == 403
    assert not AnnotatorExclusion.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_leads_at_once_one_leaves_out_and_the_other_hears_of_it():
    annotator = AnnotatorFactory()
    say = partial(exclusions.say, annotator=annotator, is_excluded=True, note="")

    found = at_once([partial(say, decided_by=LeadFactory()) for _ in range(2)])

    assert AnnotatorExclusion.objects.count() == 1
    assert sum(isinstance(each, exclusions.NothingToDo) for each in found) == 1


# ---- Words


def test_intervals_that_hold_the_usual_value_claim_nothing(crowd):
    unsure = {"bias": {"n": 40, "value": 0.1, "se": 0.1}, "scale": {"n": 40, "value": 0.9, "se": 0.1}}
    entry = {**entry_of(crowd[0]), **unsure}

    assert words.bias(entry).startswith("Labels neither higher nor lower than others, as far as can be told: +0.10")
    assert words.scale(entry).startswith("Spreads labels as others do")


@pytest.mark.parametrize(
    ("changes", "chips"),
    [
        ({}, []),
        ({"bias": -1.2}, ["biased low"]),
        ({"scale": 0.5}, ["narrow"]),
        ({"scale": 0.1}, ["follows nothing"]),
        (
            {"noise": 2.4, "repeats": 1.6, "gold": 1.7, "too_fast": 0.3},
            ["noisy", "inconsistent", "misses gold", "hurried"],
        ),
    ],
)
def test_what_stands_out_is_said_in_a_word(changes, chips, crowd):
    usual = {"bias": 0.2, "scale": 1.0, "noise": 0.9, "repeats": None, "gold": None, "too_fast": None}
    figures = {name: {"n": 40, "value": value, "se": 0.1} for name, value in (usual | changes).items()}
    entry = {**entry_of(crowd[0]), **figures}

    assert [concern.chip for concern in words.concerns(entry)] == chips
