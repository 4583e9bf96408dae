"""All tracks by what the model in use says: filters, orders, pages, the file, and what stays covered."""

import csv

import pytest
from django.urls import reverse

from modeling.scoring import catalogue
from modeling.scoring.catalogue import Catalogue, page_of
from tests.factories import (
    AnnotationFactory,
    FlagFactory,
    GenreFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def live():
    return PromotionFactory(run=TrainingRunFactory()).run


@pytest.fixture
def add(live):
    def add(title, score, width=2.0, track=None, **fields):
        return PredictionFactory(
            run=live,
            part="final",
            true_level=None,
            score=score,
            level=round(score),
            lower=score - width / 2,
            upper=score + width / 2,
            track=track or TrackFactory(title=title, **fields),
        )

    return add


def titles(client, query="") -> list[str]:
    return [row.track.title for row in client.get(f"/catalogue/?{query}").context["rows"]]


def html(client, query="") -> str:
    return " ".join(client.get(f"/catalogue/?{query}").content.decode().split())


def test_tracks_show_with_what_the_model_in_use_says_most_energetic_first(as_lead, add, live):
    add("Calm", 2.25)
    track = add("Wild", 9.5, artist="Anna").track
    PredictionFactory(track=track, run=live, part="slice", score=1.5)
    PredictionFactory(track=track, run=TrainingRunFactory(), part="final", true_level=None, score=1.75)

    page = html(as_lead)

    assert titles(as_lead) == ["Wild", "Calm"]
    assert f'href="/tracks/{track.pk}/energy/">Wild</a><small>Anna</small>' in page
    assert "8.5 – 10.5" in page
    assert f'<audio preload="none" src="{reverse("track_audio", args=[track.pk])}">' in page
    assert "1.75" not in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("low=5", ["c", "b"]),
        ("high=5", ["b", "a"]),
        ("low=5&high=5", ["b"]),
        ("low=8&high=3", []),
        ("q=ARTIST+B", ["b"]),
        ("q=test:c", ["c"]),
        ("labelled=yes", ["b"]),
        ("labelled=no", ["c", "a"]),
        ("uncertain=on", ["a"]),
        ("sort=low", ["a", "b", "c"]),
        ("sort=unsure", ["a", "c", "b"]),
        ("sort=sure", ["b", "c", "a"]),
        ("sort=title", ["a", "b", "c"]),
    ],
)
def test_filters_and_orders(query, expected, as_lead, add):
    add("a", 2.0, width=6.0, artist="Artist A", uri="test:a")
    AnnotationFactory(track=add("b", 5.0, width=1.0, artist="Artist B", uri="test:b").track)
    add("c", 9.0, artist="Artist C", uri="test:c")

    assert titles(as_lead, query) == expected


def test_tracks_of_a_genre(as_lead, add):
    genre = GenreFactory(name="folk")
    add("a", 2.0).track.genres.add(genre)
    add("b", 5.0).track.genres.add(GenreFactory(name="techno"))

    assert titles(as_lead, f"genre={genre.pk}") == ["a"]


def test_what_makes_no_sense_in_an_address_is_left_out_and_said(as_lead, add):
    add("a", 2.0)

    page = html(as_lead, "low=99&genre=77&sort=nonsense&after=x&labelled=perhaps")

    assert titles(as_lead, "low=99&genre=77&sort=nonsense&after=x") == ["a"]
    assert "There is no such genre: all show." in page
    assert "less than or equal to 10" in page


def test_the_bars_count_every_level_under_the_rest_of_the_filter_and_lead_to_it(as_lead, add):
    for score in (3.0, 3.0, 7.0):
        add("x", score)
    add("y", 7.0)

    page = html(as_lead, "low=3&high=3&q=x")

    assert "3: 2, 4: 0, 5: 0, 6: 0, 7: 1" in page
    assert "2 tracks under this filter" in page
    assert 'href="?q=x&amp;low=7&amp;high=7"' in page
    assert 'href="?q=x"' in page, "the bar that is chosen leads back to all"


@pytest.mark.parametrize("order", catalogue.ORDERS)
def test_pages_hold_every_track_once_and_lead_back(order, add, live, lead, monkeypatch):
    monkeypatch.setattr(catalogue, "PAGE_SIZE", 4)
    for i in range(14):
        add(f"same {i // 5}", 3.0 + i // 6, width=1.0 + i // 4)
    shown = Catalogue(live, lead, {"sort": order})

    forwards, page = [], page_of(shown)
    while page.next:
        forwards.append(page)
        page = page_of(Catalogue(live, lead, {"sort": order}), after=page.next)
    forwards.append(page)
    backwards, page = [page], page
    while page.previous:
        page = page_of(shown, before=page.previous)
        backwards.append(page)

    everything = list(shown.in_order().values_list("pk", flat=True))
    assert [pk for page in forwards for pk in page.rows] == everything
    assert [page.rows for page in backwards[::-1]] == [page.rows for page in forwards]
    assert len(everything) == 14


def test_a_page_after_a_row_that_is_gone_is_the_first(add, live, lead):
    add("a", 2.0)

    assert page_of(Catalogue(live, lead, {}), after=999).rows == page_of(Catalogue(live, lead, {})).rows


def test_what_a_lead_is_still_to_hear_is_nowhere_in_list_bars_or_file(as_lead, lead, add):
    flag = FlagFactory(annotation=AnnotationFactory())
    add("", 7.25, track=flag.annotation.track)
    LeaseFactory(track=add("Held", 8.25).track, annotator=lead)
    add("Seen", 2.0)

    page = html(as_lead)

    assert titles(as_lead) == ["Seen"]
    assert "7: 0, 8: 0" in page
    assert "2 more are not shown" in page
    assert [row[1] for row in file(as_lead)[1:]] == ["Seen"]


def file(client, query="") -> list[list[str]]:
    response = client.get(f"/catalogue/catalogue.csv?{query}")
    assert response.streaming
    return list(csv.reader(b"".join(response.streaming_content).decode().splitlines()))


def test_the_file_holds_what_is_filtered_in_its_order_and_no_formulas(as_lead, add, live):
    add("Calm", 2.25)
    track = add("=1+1", 9.5, artist="Ann∀").track
    track.genres.add(GenreFactory(name="folk"), GenreFactory(name="techno"))

    head, first, *rest = file(as_lead, "sort=high")

    assert head[:4] == ["track_uri", "title", "artist", "genres"]
    assert first == [
        *(track.uri, "'=1+1", "Ann∀", "folk,techno", "0", "10", "9.5", "8.5", "10.5"),
        *(str(live.pk), live.recipe, f"{live.created_at:%Y-%m-%d}", "a" * 12),
    ]
    assert len(rest) == 1
    assert len(file(as_lead, "low=9")) == 2


def test_without_a_model_the_page_says_so(as_lead, as_admin):
    assert "No model yet" in html(as_lead)
    assert '<a href="/dashboard/">Train one' in html(as_admin)
    assert as_lead.get("/catalogue/catalogue.csv").status_code == 404


def test_an_annotator_sees_no_prediction(as_annotator, add):
    add("a", 2.0)

    for path in ("/catalogue/", "/catalogue/catalogue.csv"):
        assert as_annotator.get(path).status_code == 403


def test_a_page_takes_the_same_number_of_queries_for_any_number_of_tracks(as_lead, add, django_assert_max_num_queries):
    for i in range(30):
        add(f"{i}", 3.0).track.genres.add(GenreFactory())

    with django_assert_max_num_queries(14):
        as_lead.get("/catalogue/?sort=title&q=Artist")
