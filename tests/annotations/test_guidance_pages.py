"""The pages of the queue: rules, examples and gold, assignments; and what the page of a track adds to them."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.forms.models import model_to_dict

from annotations.guiding import guidance
from annotations.guiding.forms import RulesForm
from annotations.models import Assignment, LabellingRules, RankedTrack, Reference
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    AssignmentFactory,
    LeaseFactory,
    ReferenceFactory,
    RulesFactory,
    TrackFactory,
    UserFactory,
    rank,
)

pytestmark = pytest.mark.django_db


def html_of(response) -> str:
    return response.content.decode()


# ---- Rules


def rules_with(**changes):
    """As the page's form sends it."""
    now = LabellingRules.objects.current()
    fields = model_to_dict(now, fields=RulesForm.Meta.fields)
    return {**{name: value for name, value in fields.items() if value is not False}, "seen": now.pk or "", **changes}


def test_an_admin_sets_rules_and_the_history_says_who_changed_what(as_admin):
    as_admin.post("/queue/rules/", rules_with(gold_share=15, hides_names=""))

    rules = LabellingRules.objects.get()
    assert (rules.gold_share, rules.hides_names, rules.changed_by.username) == (15, False, "adam")
    html = html_of(as_admin.get("/queue/rules/"))
    assert "Gold tracks, %: 5 → 15; Hide names: yes → no" in html
    assert 'New tracks get the rest: <b class="number">62 %</b>' in html


def test_saving_the_rules_as_they_are_adds_no_history(as_admin):
    response = as_admin.post("/queue/rules/", rules_with(), follow=True)

    assert "Nothing was changed" in html_of(response)
    assert not LabellingRules.objects.exists()


def test_shares_that_exceed_hundred_are_refused_in_plain_words_and_stay_in_the_form(as_admin):
    response = as_admin.post("/queue/rules/", rules_with(second_share=90, evaluation_share=20))

    assert response.status_code == 422
    html = html_of(response)
    assert "The shares come to 118 per cent (90 + 3 + 5 + 20); 100 at most." in html
    assert 'value="90"' in html
    assert "rules_shares_within_hundred" not in html
    assert not LabellingRules.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("labels_per_track", "0"),
        ("labels_per_track", "x"),
        ("gold_share", "-1"),
        ("gold_share", "101"),
        ("order", "by magic"),
        ("min_listened_s", "nan"),
        ("break_after_minutes", ""),
        ("session_goal", "9" * 30),
    ],
)
def test_rules_that_make_no_sense_are_refused(as_admin, field, value):
    response = as_admin.post("/queue/rules/", rules_with(**{field: value}))

    assert response.status_code == 422
    assert "Nothing was saved" in html_of(response)
    assert not LabellingRules.objects.exists()


def test_rules_changed_meanwhile_are_shown_before_they_are_changed_again(as_admin):
    stale = rules_with(gold_share=50)
    newer = RulesFactory(gold_share=7)

    refused = as_admin.post("/queue/rules/", stale)

    assert refused.status_code == 409
    assert f'name="seen" value="{newer.pk}"' in html_of(refused)
    assert 'value="50"' in html_of(refused)
    as_admin.post("/queue/rules/", {**stale, "seen": newer.pk})
    assert LabellingRules.objects.current().gold_share == 50


def test_a_share_of_nothing_says_so(as_admin):
    before = html_of(as_admin.get("/queue/rules/"))
    ReferenceFactory(use="gold")
    after = html_of(as_admin.get("/queue/rules/"))

    assert before.count("nothing there: its share goes to new tracks") == 3  # of the evaluation slice the share is none
    assert after.count("nothing there: its share goes to new tracks") == 2


def test_the_page_of_rules_takes_the_same_number_of_queries_for_any_history(as_admin, django_assert_max_num_queries):
    RulesFactory.create_batch(30)
    TrackFactory.create_batch(30)

    with django_assert_max_num_queries(16):
        as_admin.get("/queue/rules/")


def test_a_strategy_in_force_stays_when_other_rules_are_saved(as_admin):
    RulesFactory(order="rare_levels", random_share=30)
    rank("rare_levels", TrackFactory())

    html = html_of(as_admin.get("/queue/rules/"))
    assert 'value="rare_levels" checked' in html
    assert "rare_levels ranks 1, and 30 % of the new ones come at random" in html
    as_admin.post("/queue/rules/", rules_with(gold_share=15))

    now = LabellingRules.objects.current()
    assert (now.order, now.random_share, now.gold_share) == ("rare_levels", 30, 15)


def test_a_strategy_that_is_not_in_force_is_not_chosen_here(as_admin):
    RulesFactory(order="rare_levels")
    as_admin.post("/queue/rules/", rules_with(order="random"))

    assert as_admin.post("/queue/rules/", rules_with(order="rare_levels")).status_code == 422
    assert LabellingRules.objects.current().order == "random"


def test_the_history_says_that_a_strategy_leads_and_what_is_left_to_chance(as_admin, admin):
    guidance.lead_by(changed_by=admin, seen=None, order="rare_levels", random_share=30)

    html = html_of(as_admin.get("/queue/rules/"))

    assert "Order of new tracks: random → rare_levels; At random beside a strategy, %: 20 → 30" in html


def test_a_strategy_whose_ranking_is_used_up_says_so(as_admin):
    RulesFactory(order="rare_levels")

    html = html_of(as_admin.get("/queue/rules/"))

    assert "rare_levels ranks nothing that could be handed out now, so new tracks come at random." in html


# ---- The list


def test_a_list_without_a_fault_is_in_place_at_once(as_admin):
    first, second = TrackFactory.create_batch(2)

    as_admin.post("/queue/list/", {"uris": f"{second.uri}\r\n{first.uri}"})

    assert list(RankedTrack.objects.order_by("position").values_list("track", flat=True)) == [second.pk, first.pk]


def test_a_list_with_faults_changes_nothing_until_an_admin_has_seen_them(as_admin):
    old, new = TrackFactory.create_batch(2)
    as_admin.post("/queue/list/", {"uris": old.uri})

    refused = as_admin.post("/queue/list/", {"uris": f"nowhere:1\n{new.uri}"})

    assert refused.status_code == 422
    assert "1 × not found" in html_of(refused)
    assert "nowhere:1" in html_of(refused)
    assert RankedTrack.objects.get(order="by list").track == old
    as_admin.post("/queue/list/take/", {"proposal": refused.context["proposal"]})
    assert RankedTrack.objects.get().track == new
    assert as_admin.post("/queue/list/take/", {"proposal": refused.context["proposal"]}).status_code == 409


def test_a_list_comes_as_a_file_too_with_the_mark_that_editors_make(as_admin):
    track = TrackFactory()
    file = SimpleUploadedFile("list.txt", b"\xef\xbb\xbf" + track.uri.encode() + b"\n")

    as_admin.post("/queue/list/", {"file": file})

    assert RankedTrack.objects.get().track == track


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"uris": " \n"}, "The list is empty"),
        ({}, "The list is empty"),
        ({"uris": "a\0b"}, "Null characters are not allowed"),
        ({"file": SimpleUploadedFile("x.txt", b"my:\xff\xfe")}, "“x.txt” is no text in UTF-8, from its byte 4 on."),
        ({"file": SimpleUploadedFile("x.txt", b"my:\0")}, "“x.txt” cannot be read as a list"),
        ({"uris": "my:1", "file": SimpleUploadedFile("x.txt", b"my:1")}, "one of the two, please"),
        ({"uris": "nowhere:1"}, "no line of the list can be taken"),
    ],
)
def test_a_list_that_is_none_is_refused_in_plain_words(as_admin, sent, said):
    response = as_admin.post("/queue/list/", sent)

    assert response.status_code == 422
    assert said in html_of(response)
    assert not RankedTrack.objects.exists()


def test_a_pasted_list_that_is_too_long_says_to_send_a_file(as_admin, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    response = as_admin.post("/queue/list/", {"uris": "my:1\n" * 100})

    assert response.status_code == 400
    assert "send a long list as a file" in html_of(response)


# ---- Examples and gold


def test_levels_show_only_to_leads_who_ask_for_what_to_choose_from(as_lead):
    AnnotationFactory(track__title="Loud", level=9)

    assert "Loud" not in html_of(as_lead.get("/queue/references/"))
    assert "Loud" in html_of(as_lead.get("/queue/references/", {"q": ""}))


def test_candidates_say_what_people_said_and_the_surest_come_first(as_lead):
    split = AnnotationFactory(track__title="Split", level=3).track
    AnnotationFactory(track=split, level=9)
    sure = AnnotationFactory(track__title="Sure", level=6).track
    AnnotationFactory(track=sure, level=6)
    AnnotationFactory(track__title="Once", level=6)
    AnnotationFactory(track__title="Calm", level=1)

    response = as_lead.get("/queue/references/", {"q": "", "level": "6"})

    assert [str(row["track"]) for row in response.context["candidates"]] == ["Sure", "Split", "Once"]
    assert "from 3 to 9" in html_of(response)
    assert "all the same" in html_of(response)


def test_a_lead_sees_no_level_of_what_they_are_about_to_label(as_lead, lead):
    held = AnnotationFactory(track__title="Held", level=9).track
    LeaseFactory(track=held, annotator=lead)
    gold = ReferenceFactory(use="gold", track__title="Golden").track

    assert "Held" not in html_of(as_lead.get("/queue/references/", {"q": ""}))
    assert "Golden" in html_of(as_lead.get("/queue/references/", {"use": "gold"}))
    LeaseFactory(track=gold, annotator=lead, place=1)
    html = html_of(as_lead.get("/queue/references/", {"use": "gold"}))
    assert "Golden" not in html
    assert "1 of them is not shown below" in html


def test_coverage_says_which_levels_have_no_example(as_lead):
    for level in range(1, 9):
        ReferenceFactory(level=level)

    assert "No example of 9 and 10 yet." in html_of(as_lead.get("/queue/references/"))


def test_a_lead_makes_and_withdraws_an_example(as_lead):
    track = TrackFactory()

    as_lead.post("/queue/references/?q=x", {"track": track.pk, "use": "example", "level": 7})
    assert Reference.objects.get().level == 7
    as_lead.post("/queue/references/withdraw/", {"track": track.pk, "use": "example"})
    assert not Reference.objects.exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"level": ""}, "Choose the level"),
        ({"level": "11"}, "less than or equal to 10"),
        ({"use": "both"}, "both is not one of the available choices"),
        ({"track": []}, "No track was chosen"),
        ({"track": ["x"]}, "Enter a whole number"),
        ({"track": [str(10**30)]}, "less than or equal to"),
        ({"track": [str(n) for n in range(1, 300)]}, "299 tracks were chosen; at most 200"),
    ],
)
@pytest.mark.parametrize("path", ["/queue/references/?q=", "/tracks/?state=ready"])
def test_what_makes_no_reference_is_refused_in_plain_words(as_lead, sent, said, path):
    track = TrackFactory()

    response = as_lead.post(path, {"track": track.pk, "use": "example", "level": 7, **sent})

    assert response.status_code == 422
    assert said in html_of(response)
    assert not Reference.objects.exists()


@pytest.mark.parametrize("query", ["use=x", "page=x&found=-3", "q=&level=77", "q=&level=x", "q=%00", "q=&found=99"])
def test_nonsense_in_the_address_of_examples_does_no_harm(as_lead, query):
    ReferenceFactory()

    assert as_lead.get(f"/queue/references/?{query}").status_code == 200


def test_examples_take_the_same_number_of_queries_for_any_number(as_lead, django_assert_max_num_queries):
    ReferenceFactory.create_batch(15)
    for _ in range(15):
        AnnotationFactory()

    with django_assert_max_num_queries(16):
        as_lead.get("/queue/references/", {"q": "", "level": "5"})


# ---- Assignments


@pytest.fixture
def anna():
    return able(AnnotatorFactory(first_name="Anna"))


def able(user):
    """Somebody who can log in."""
    user.set_password("x")
    user.save()
    return user


def test_only_those_who_can_log_in_and_label_are_offered(as_lead, anna):
    AnnotatorFactory(first_name="Imported", password="!").set_unusable_password()
    able(UserFactory(first_name="Roleless"))
    able(AnnotatorFactory(first_name="Gone", is_active=False))

    html = html_of(as_lead.get("/queue/assignments/"))

    assert "Anna" in html
    assert not [name for name in ("Imported", "Roleless", "Gone") if name in html]


def test_tracks_are_split_evenly_or_given_to_each(as_lead, anna):
    berta = able(AnnotatorFactory())
    uris = "\n".join(track.uri for track in TrackFactory.create_batch(4))
    sent = {"annotators": [anna.pk, berta.pk], "uris": uris}

    as_lead.post("/queue/assignments/", {**sent, "way": "split"})
    assert (anna.assignments.count(), berta.assignments.count()) == (2, 2)
    response = as_lead.post("/queue/assignments/", {**sent, "way": "each"}, follow=True)
    assert (anna.assignments.count(), berta.assignments.count()) == (4, 4)
    assert "Anna: 2 assigned (2 open before, nothing changed about them)" in html_of(response)


def test_unlabelled_tracks_are_drawn(as_lead, anna):
    AnnotationFactory()
    free = {track.pk for track in TrackFactory.create_batch(2)}
    sent = {"annotators": [anna.pk], "way": "split"}

    refused = as_lead.post("/queue/assignments/", {**sent, "n_random": 3})
    assert refused.status_code == 422
    assert "3 unlabelled tracks were asked for; there are 2" in html_of(refused)
    as_lead.post("/queue/assignments/", {**sent, "n_random": 2})
    assert set(anna.assignments.values_list("track", flat=True)) == free


def test_a_list_with_faults_assigns_nothing_until_the_lead_has_seen_them(as_lead, anna):
    track = TrackFactory()
    sent = {"annotators": [anna.pk], "way": "split", "uris": f"{track.uri}\nnowhere:1"}

    refused = as_lead.post("/queue/assignments/", sent)

    assert refused.status_code == 422
    assert "1 × not found" in html_of(refused)
    assert f"{track.uri}\nnowhere:1</textarea>" in html_of(refused)
    assert refused.context["form"]["annotators"].value() == [str(anna.pk)]
    assert not Assignment.objects.exists()
    as_lead.post("/queue/assignments/", {**sent, "confirmed": "yes"})
    assert Assignment.objects.get().track == track


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"annotators": []}, "Choose at least one annotator"),
        ({"annotators": ["77777"]}, "77777 is not one of the available choices"),
        ({"way": "somehow"}, "somehow is not one of the available choices"),
        ({"uris": ""}, "one of the two"),
        ({"n_random": "5"}, "one of the two"),
        ({"n_random": "-5"}, "greater than or equal to 1"),
        ({"uris": "my:\0"}, "Null characters are not allowed"),
        ({"uris": "nowhere:1", "confirmed": "yes"}, "no other is left"),
    ],
)
def test_what_cannot_be_assigned_is_refused_in_plain_words(as_lead, anna, sent, said):
    track = TrackFactory()

    response = as_lead.post("/queue/assignments/", {"annotators": [anna.pk], "way": "split", "uris": track.uri, **sent})

    assert response.status_code == 422
    assert said in html_of(response)
    assert not Assignment.objects.exists()


def test_ticked_tracks_come_over_from_the_page_of_tracks(as_lead):
    first, second = TrackFactory.create_batch(2)

    html = html_of(as_lead.get(f"/queue/assignments/?track={first.pk}&track={second.pk}&track=x"))

    assert f"{second.uri}\n{first.uri}</textarea>" in html


def test_progress_is_shown_for_each_and_what_is_open_can_be_withdrawn(as_lead, anna):
    done, first, second = AssignmentFactory.create_batch(3, annotator=anna)
    AnnotationFactory(track=done.track, annotator=anna)

    response = as_lead.get("/queue/assignments/", {"annotator": anna.pk})
    (row,) = response.context["rows"]
    assert (row["n_open"], row["n_done"]) == (2, 1)
    assert first.track.title in html_of(response)
    assert done.track.title not in html_of(response)

    as_lead.post("/queue/assignments/withdraw/", {"annotator": anna.pk, "assignment": [first.pk, done.pk]})
    assert set(Assignment.objects.all()) == {done, second}
    as_lead.post("/queue/assignments/withdraw/", {"annotator": anna.pk, "all": "yes"})
    assert set(Assignment.objects.all()) == {done}


def test_assignments_show_no_level(as_lead, anna):
    AssignmentFactory(annotator=anna, track=AnnotationFactory(level=9).track)

    assert "level-9" not in html_of(as_lead.get("/queue/assignments/", {"annotator": anna.pk}))


@pytest.mark.parametrize("query", ["annotator=x", "annotator=99999", "annotator=" + "9" * 30, "track=" + "9" * 30])
def test_nonsense_in_the_address_of_assignments_does_no_harm(as_lead, query):
    assert as_lead.get(f"/queue/assignments/?{query}").status_code == 200


def test_assignments_take_the_same_number_of_queries_for_any_number(as_lead, anna, django_assert_max_num_queries):
    AssignmentFactory.create_batch(20, annotator=anna)
    AssignmentFactory.create_batch(5)

    with django_assert_max_num_queries(14):
        as_lead.get("/queue/assignments/", {"annotator": anna.pk})


# ---- One track


def test_a_track_shows_what_others_said_only_to_a_lead_who_has_said_it_too(as_lead, lead):
    track = AnnotationFactory(level=9).track

    assert "level-9" not in html_of(as_lead.get(f"/tracks/{track.pk}/"))
    AnnotationFactory(track=track, annotator=lead, level=4)
    assert 'level-9">9' in html_of(as_lead.get(f"/tracks/{track.pk}/"))
    LeaseFactory(track=track, annotator=lead)  # to hear it once more
    assert "level-9" not in html_of(as_lead.get(f"/tracks/{track.pk}/"))


def test_a_label_is_sent_back_to_who_gave_it_once(as_lead, anna):
    track = AnnotationFactory(annotator=anna).track

    as_lead.post(f"/tracks/{track.pk}/send-back/", {"annotator": anna.pk})
    response = as_lead.post(f"/tracks/{track.pk}/send-back/", {"annotator": anna.pk}, follow=True)

    assert Assignment.objects.get().annotator == anna
    assert "asked again" in html_of(response)
    assert "1 open before" in html_of(response)


def test_nothing_is_sent_back_to_who_has_not_labelled_it_nor_an_example_to_anybody(as_lead, anna):
    track = AnnotationFactory(annotator=anna).track
    ReferenceFactory(track=track)
    other = AnnotationFactory(annotator__password="!").track

    for pk, annotator in ((track.pk, anna.pk), (other.pk, anna.pk), (other.pk, "x")):
        html = html_of(as_lead.post(f"/tracks/{pk}/send-back/", {"annotator": annotator}, follow=True))
        assert "Nothing was sent back" in html
    assert not Assignment.objects.exists()


def test_a_track_takes_the_same_number_of_queries_for_any_number_of_labels(as_lead, django_assert_max_num_queries):
    track = TrackFactory()
    for _ in range(10):
        AnnotationFactory(track=track)

    with django_assert_max_num_queries(12):
        as_lead.get(f"/tracks/{track.pk}/")


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("get", "/review/?q=a%00"),
        ("get", "/tracks/?q=a%00&state=%00"),
        ("get", "/label/mine/?q=a%00"),
        ("get", "/label/compare/?level=%00"),
        ("get", "/queue/references/?q=a%00"),
        ("get", "/queue/assignments/?annotator=%00&track=%00"),
        ("post", "/queue/list/take/"),
        ("post", "/queue/references/withdraw/"),
        ("post", "/label/skip/"),
        ("post", "/label/answer/"),
    ],
)
def test_no_database_is_asked_for_a_character_that_postgres_does_not_have(method, url, as_admin, admin):
    sent = dict.fromkeys(["track", "use", "track_id", "reason", "submission_id", "level"], "\0")
    sent["proposal"] = f"proposal {admin.pk}.\0"

    assert getattr(as_admin, method)(url, sent if method == "post" else {}).status_code < 500
