"""The page of tracks."""

import pytest

from annotations.models import Reference
from tests.factories import ReferenceFactory, SkipFactory, TrackFactory

pytestmark = pytest.mark.django_db


def test_a_track_that_cannot_be_used_says_why(as_lead):
    TrackFactory(title="Silence", audio_state="bad", audio_problem="The file is silent.")

    html = as_lead.get("/tracks/").content.decode()

    assert "Silence" in html
    assert "The file is silent." in html


def test_a_track_of_which_a_part_could_not_be_read_says_so(as_lead):
    TrackFactory(audio_damage="3 of 1,150 packets could not be decoded")

    html = as_lead.get("/tracks/").content.decode()

    assert "damaged" in html
    assert "3 of 1,150 packets could not be decoded" in html


def test_tracks_are_found_by_the_state_of_their_audio(as_lead):
    TrackFactory(title="Plays")
    TrackFactory(title="Elsewhere", audio_state="not fetched", audio="")

    html = as_lead.get("/tracks/", {"state": "not fetched"}).content.decode()

    assert "Elsewhere" in html
    assert "Plays" not in html
    assert "Ready 1" in html


def test_what_annotators_report_as_broken_reaches_the_lead(as_lead):
    skip = SkipFactory(reason="broken", track__title="Crackles")
    SkipFactory(reason="broken", track=skip.track)
    SkipFactory(track__title="Strange")

    html = as_lead.get("/tracks/", {"state": "reported"}).content.decode()

    assert "Crackles" in html
    assert "reported broken by 2" in html
    assert "Strange" not in html


def test_an_empty_library_says_how_to_fill_it(as_lead):
    assert "import_tracks" in as_lead.get("/tracks/").content.decode()


def test_a_state_that_does_not_exist_is_left_out_and_says_so(as_lead):
    TrackFactory(title="Bright")

    html = as_lead.get("/tracks/", {"state": "nonsense"}).content.decode()

    assert "There is no state “nonsense”: all tracks show." in html
    assert "Bright" in html
    assert "There is no state" not in as_lead.get("/tracks/", {"state": "ready"}).content.decode()


@pytest.mark.parametrize("query", ["state=nonsense", "page=-1", "page=x", "state=reported&page=9", "q=%00"])
def test_nonsense_in_the_address_does_no_harm(as_lead, query):
    assert as_lead.get(f"/tracks/?{query}").status_code == 200


def test_the_page_takes_the_same_number_of_queries_for_any_number_of_tracks(as_lead, django_assert_max_num_queries):
    TrackFactory.create_batch(60)

    with django_assert_max_num_queries(14):
        as_lead.get("/tracks/")


def test_tracks_are_found_by_title_artist_and_uri_and_pages_keep_the_search(as_lead):
    TrackFactory.create_batch(60, artist="Quixote")
    TrackFactory(title="Windmill", uri="mill:1")

    assert "Windmill" in as_lead.get("/tracks/", {"q": "windm"}).content.decode()
    assert "Windmill" in as_lead.get("/tracks/", {"q": "mill:1"}).content.decode()
    html = as_lead.get("/tracks/", {"q": "quix", "page": "2"}).content.decode()
    assert "51 – 60 of 60" in html
    assert "q=quix&amp;page=1" in html


def test_a_search_without_a_match_says_so(as_lead):
    TrackFactory()

    assert "Nothing matches “zzz”" in as_lead.get("/tracks/", {"q": "zzz"}).content.decode()


def test_ticked_tracks_become_gold_and_the_lead_stays_where_they_were(as_lead):
    first, second = TrackFactory.create_batch(2)

    response = as_lead.post("/tracks/?q=Title&page=1", {"track": [first.pk, second.pk], "use": "gold", "level": 8})

    assert response["Location"] == "/tracks/?q=Title&page=1"
    assert set(Reference.objects.values_list("track", "use", "level")) == {
        (first.pk, "gold", 8),
        (second.pk, "gold", 8),
    }


def test_what_was_ticked_stays_ticked_when_it_is_refused(as_lead):
    track = TrackFactory()

    response = as_lead.post("/tracks/", {"track": track.pk, "use": "gold", "level": ""})

    assert response.status_code == 422
    assert f'value="{track.pk}" checked' in response.content.decode()


def test_the_page_of_tracks_shows_no_level_of_gold(as_lead):
    ReferenceFactory(use="gold", level=9)

    html = as_lead.get("/tracks/").content.decode()

    assert "gold</span>" in html
    assert "level-9" not in html
