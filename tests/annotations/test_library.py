"""The page of tracks."""

import pytest

from tests.factories import SkipFactory, TrackFactory

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


@pytest.mark.parametrize("query", ["state=nonsense", "page=-1", "page=x", "state=reported&page=9"])
def test_nonsense_in_the_address_does_no_harm(as_lead, query):
    assert as_lead.get(f"/tracks/?{query}").status_code == 200


def test_the_page_takes_the_same_number_of_queries_for_any_number_of_tracks(as_lead, django_assert_max_num_queries):
    TrackFactory.create_batch(60)

    with django_assert_max_num_queries(14):
        as_lead.get("/tracks/")
