"""A list of tracks to be scored: what is taken in, how far each row is, and the file that comes back."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction

from annotations.intake.csv_rows import FileRefused
from annotations.models import Annotation, Track
from energyapp.jobs.claims import Claim
from energyapp.jobs.models import Job
from modeling.core.feature_sets import FEATURE_SETS
from modeling.models import FeatureVector
from modeling.scoring import score_job, services, taking_in
from modeling.scoring.models import Scoring, ScoringRow
from modeling.scoring.result import csv_lines
from modeling.scoring.states import State
from tests.factories import (
    AnnotationFactory,
    FlagFactory,
    LeadFactory,
    LeaseFactory,
    PredictionFactory,
    PromotionFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db

SIGNAL = FEATURE_SETS["signal"]


@pytest.fixture(autouse=True)
def _uploads_of_this_test(settings, tmp_path):
    settings.UPLOADS_DIR = tmp_path / "uploads"


@pytest.fixture
def live():
    """The run in use. It learnt from features that are computed of audio."""
    run = TrainingRunFactory(feature_sets=[SIGNAL.key])
    PromotionFactory(run=run)
    return run


def final(run, track, **fields):
    values = {"score": 6.25, "level": 6, "lower": 4.5, "upper": 8.0} | fields
    return PredictionFactory(run=run, track=track, part="final", true_level=None, **values)


def sent(text, lead, name="tracks.csv") -> Scoring:
    content = SimpleUploadedFile(name, text if isinstance(text, bytes) else text.encode())
    return services.request_scoring(name=name, content=content, requested_by=lead)


def taken_in(text, lead) -> Scoring:
    scoring = sent(text, lead)
    score_job.take_rows_in(scoring.job_id)
    scoring.refresh_from_db()
    return scoring


def result(scoring, run, reader=None) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(csv_lines(scoring, run, reader=reader)))))


def states(scoring, run, reader=None) -> list[str]:
    rows = scoring.rows.with_state(run, reader=reader).order_by("position")
    return list(rows.values_list("state", flat=True))


# ---- Taking in


def test_known_tracks_are_named_by_their_uri_and_new_ones_made_as_by_an_import(lead):
    known = TrackFactory(uri="known:1")

    scoring = taken_in(
        "track_uri,title,artist,genres,track_preview_url\n"
        "known:1,,,,\n"
        'new:1,Eins,Anna,"Techno, folk",https://previews.example/1.mp3\n',
        lead,
    )

    new = Track.objects.get(uri="new:1")
    assert list(scoring.rows.order_by("position").values_list("track", flat=True)) == [known.pk, new.pk]
    assert (new.title, new.artist, new.audio_state) == ("Eins", "Anna", "not fetched")
    assert sorted(genre.name for genre in new.genres.all()) == ["folk", "techno"]
    assert scoring.job.status == Job.Status.SUCCEEDED
    assert scoring.job.message == "2 rows taken in"
    assert not scoring.table.exists()


def test_a_level_in_the_file_is_left_alone(lead):
    track = TrackFactory(uri="known:1")

    scoring = taken_in("track_uri,energy,annotator_id\nknown:1,eleven,a1\n", lead)

    assert not Annotation.objects.filter(track=track).exists()
    assert scoring.rows.get().track == track
    assert scoring.rows.get().cells == ["known:1", "eleven", "a1"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",,", "Line 2: track_uri is empty"),
        ("typo:1,,", "Line 2: no track has this uri, and without a track_preview_url it cannot be heard"),
        ("new:1,,music/one.mp3", "Line 2: track_preview_url names the file 'music/one.mp3'; give a link"),
        ("new:1,,http://x.example/1.mp3", "Line 2: track_preview_url is 'http://x.example/1.mp3'; expected https://"),
        ("new:1,,", "Line 2: no track has this uri"),
        ("new:1", "Line 2: has 1 cells; the first line has 3"),
        (f"{'u' * 300},,", "Line 2: track_uri has 300 characters"),
    ],
)
def test_a_row_that_names_no_track_says_why_and_stops_no_other(row, reason, lead, live):
    TrackFactory(uri="known:1")

    scoring = taken_in(f"track_uri,title,track_preview_url\n{row}\nknown:1,,\n", lead)

    problem, good = scoring.rows.order_by("position")
    assert problem.problem.startswith(reason)
    assert good.track.uri == "known:1"
    assert states(scoring, live)[0] == State.UNUSABLE
    assert Track.objects.count() == 1


def test_what_a_row_says_of_audio_that_is_here_already_need_not_be_right(lead):
    TrackFactory(uri="known:1", preview_url="one.mp3")

    assert taken_in("track_uri,track_preview_url\nknown:1,one.mp3\n", lead).rows.get().track.preview_url == "one.mp3"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "it is empty; expected a first line with the columns track_uri"),
        (b"PK\x03\x04rest", "it is a spreadsheet of an office program"),
        (b"uri,title\n1,2\n", "it has no column 'track_uri'. Its first line is 'uri,title'."),
        (b"track_uri;title\n1;2\n", "it looks separated by semicolons"),
        (b"track_uri,a,A\n1,2,3\n", "names the column 'a' twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_not_taken_and_nothing_of_it_is_kept(content, problem, lead, settings):
    with pytest.raises(FileRefused) as refusal:
        sent(content, lead)

    assert problem in str(refusal.value)
    assert not Scoring.objects.exists()
    assert not Job.objects.exists()
    assert not list(settings.UPLOADS_DIR.iterdir())


def test_the_same_file_sent_twice_at_once_is_one_scoring(lead):
    assert sent("track_uri\nknown:1\n", lead) == sent("track_uri\nknown:1\n", LeadFactory())
    assert Job.objects.count() == 1


def test_a_worker_that_was_killed_halfway_is_followed_by_one_that_goes_on(lead, monkeypatch):
    monkeypatch.setattr(taking_in, "BATCH_SIZE", 3)
    rows = "".join(f"new:{i},https://previews.example/{i}.mp3\n" for i in range(8))
    scoring = sent(f"track_uri,track_preview_url\n{rows}", lead)

    class Killed(BaseException):
        pass

    report, n_reports = Claim.report, 0

    def die_in_the_second_batch(claim, *args, **kwargs):
        nonlocal n_reports
        n_reports += 1
        if n_reports == 2:
            raise Killed
        return report(claim, *args, **kwargs)

    monkeypatch.setattr(Claim, "report", die_in_the_second_batch)
    with pytest.raises(Killed):
        score_job.take_rows_in(scoring.job_id)
    assert scoring.rows.count() == 3
    monkeypatch.setattr(Claim, "report", report)

    score_job.take_rows_in(scoring.job_id)

    stored = scoring.rows.order_by("position").values_list("position", "track__uri")
    assert list(stored) == [(i + 1, f"new:{i}") for i in range(8)]


def test_a_file_that_has_gone_fails_the_job_with_a_sentence(lead):
    scoring = sent("track_uri\nknown:1\n", lead)
    scoring.table.unlink()

    with pytest.raises(Exception, match="Send it again"):
        score_job.take_rows_in(scoring.job_id)

    scoring.job.refresh_from_db()
    assert scoring.job.status == Job.Status.FAILED
    assert "Send it again" in scoring.job.message


def test_a_row_has_a_track_or_a_problem():
    scoring = Scoring.objects.create(name="x.csv")
    for wrong in ({"track": None}, {"track": TrackFactory(), "problem": "both"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ScoringRow.objects.create(scoring=scoring, position=1, **wrong)
    ScoringRow.objects.create(scoring=scoring, position=1, problem="p")
    with pytest.raises(IntegrityError), transaction.atomic():
        ScoringRow.objects.create(scoring=scoring, position=1, problem="p")


# ---- How far a row is


@pytest.fixture
def one_row(lead):
    def of(track) -> Scoring:
        scoring = Scoring.objects.create(name="tracks.csv", requested_by=lead, columns=["track_uri"])
        ScoringRow.objects.create(scoring=scoring, position=1, track=track, cells=[track.uri])
        return scoring

    return of


def vector(track, key=SIGNAL.key, values=b"1234"):
    FeatureVector.objects.create(track=track, feature_set=key, values=values)


@pytest.mark.parametrize(
    ("audio_state", "problem", "state", "reason"),
    [
        ("not fetched", "", State.PREVIEW, "Its preview is still to be fetched."),
        ("waiting", "", State.FEATURES, "Its features are still to be computed."),
        ("unreachable", "The server says 404.", State.UNUSABLE, "The server says 404."),
        ("bad", "It holds no sound.", State.UNUSABLE, "It holds no sound."),
        ("none", "", State.UNUSABLE, "There is no audio of it, and no link to fetch it from."),
        ("ready", "", State.FEATURES, "Its features are still to be computed."),
    ],
)
def test_a_track_without_features_waits_or_says_why_it_never_will_have_any(
    audio_state, problem, state, reason, one_row, live
):
    scoring = one_row(TrackFactory(audio_state=audio_state, audio_problem=problem))

    assert states(scoring, live) == [state]
    assert result(scoring, live)[0]["scoring_reason"] == reason


def test_a_track_with_features_waits_for_the_model_and_is_scored_by_what_it_says(one_row, live):
    track = TrackFactory()
    vector(track)
    scoring = one_row(track)

    before = states(scoring, live)
    final(live, track)

    assert before == [State.MODEL]
    assert states(scoring, live) == [State.SCORED]


def test_a_track_of_which_features_cannot_be_computed_cannot_be_used(one_row, live):
    track = TrackFactory()
    vector(track, values=b"")

    assert states(one_row(track), live) == [State.UNUSABLE]
    assert "signal features" in result(one_row(track), live)[0]["scoring_reason"]


def test_features_that_can_only_be_imported_are_not_waited_for(one_row, monkeypatch):
    monkeypatch.setitem(FEATURE_SETS, "given", type(SIGNAL)("given", 1, ("a",), None))
    run = TrainingRunFactory(feature_sets=["given@1"])

    assert states(one_row(TrackFactory()), run) == [State.UNUSABLE]


def test_without_a_model_tracks_wait_for_it(one_row):
    scoring = one_row(TrackFactory())

    assert states(scoring, None) == [State.MODEL]
    assert result(scoring, None)[0]["scoring_reason"].startswith("There is no model yet")


def test_another_part_or_another_run_is_no_score(one_row, live):
    track = TrackFactory()
    PredictionFactory(run=live, track=track, part="slice")
    final(TrainingRunFactory(), track)

    assert states(one_row(track), live) != [State.SCORED]


def test_a_lead_sees_no_score_of_what_is_still_to_be_heard_blind(one_row, live, lead):
    flag = FlagFactory(annotation=AnnotationFactory())
    track = flag.annotation.track
    final(live, track)
    scoring = one_row(track)

    (row,) = result(scoring, live, reader=lead)

    assert row["scoring_state"] == State.COVERED
    assert row["predicted_score"] == row["predicted_level"] == ""
    assert "still to hear it" in row["scoring_reason"]
    assert states(scoring, live, reader=None) == [State.SCORED]


def test_who_is_about_to_label_a_track_sees_no_score_of_it(one_row, live, lead):
    track = TrackFactory()
    final(live, track)
    LeaseFactory(track=track, annotator=lead)

    assert states(one_row(track), live, reader=lead) == [State.COVERED]


# ---- The file that comes back


def test_every_row_comes_back_in_its_order_with_its_own_columns_and_what_the_model_says(lead, live):
    for uri, level in (("a:1", 3), ("b:2", 9)):
        final(live, TrackFactory(uri=uri), level=level, score=level + 0.25)

    scoring = taken_in(
        "Track_URI,Größe,note\nb:2,ß ∑ 音,=1+1\nmissing:1,x,y\na:1,,-7.5\nb:2,again,@home\n".encode("utf-8-sig"), lead
    )
    rows = result(scoring, live)

    assert [(row["Track_URI"], row["predicted_level"]) for row in rows] == [
        ("b:2", "9"),
        ("missing:1", ""),
        ("a:1", "3"),
        ("b:2", "9"),
    ]
    assert [row["Größe"] for row in rows] == ["ß ∑ 音", "x", "", "again"]
    assert [row["note"] for row in rows] == ["'=1+1", "y", "'-7.5", "'@home"]
    assert rows[0] | {"Track_URI": "", "Größe": "", "note": ""} == {
        "Track_URI": "",
        "Größe": "",
        "note": "",
        "predicted_level": "9",
        "predicted_score": "9.25",
        "predicted_lower": "4.5",
        "predicted_upper": "8.0",
        "model_run": str(live.pk),
        "model_recipe": live.recipe,
        "model_date": f"{live.created_at:%Y-%m-%d}",
        "model_digest": "a" * 12,
        "scoring_state": "scored",
        "scoring_reason": "",
    }
    assert rows[1]["model_run"] == ""
    assert rows[1]["scoring_reason"].startswith("Line 3: no track has this uri")


def test_a_result_that_is_scored_again_gets_no_columns_twice_and_its_formulas_back(lead, live):
    final(live, TrackFactory(uri="a:1"))
    first = "".join(csv_lines(taken_in("track_uri,note\na:1,=1+1\n", lead), live, reader=None))

    again = taken_in(first, lead)

    assert again.columns == ["track_uri", "note"]
    assert again.rows.get().cells == ["a:1", "=1+1"]
    assert "".join(csv_lines(again, live, reader=None)) == first


def test_the_result_of_any_run_can_be_asked_for(lead, live):
    track, older = TrackFactory(uri="a:1"), TrainingRunFactory()
    final(live, track)
    final(older, track, level=2, score=2.0)
    scoring = taken_in("track_uri\na:1\n", lead)

    assert result(scoring, live)[0]["predicted_level"] == "6"
    assert result(scoring, older)[0]["predicted_level"] == "2"


def test_five_thousand_rows_come_back_in_little_memory_and_few_queries(lead, live, django_assert_max_num_queries):
    import tracemalloc

    tracks = Track.objects.bulk_create(Track(uri=f"t:{i}", audio_state="none") for i in range(5_000))
    for track in tracks[::50]:
        final(live, track)
    padding = "x" * 500
    scoring = taken_in("track_uri,padding\n" + "".join(f"t:{i},{padding}\n" for i in range(5_000)), lead)

    tracemalloc.start()
    with django_assert_max_num_queries(1):
        n_lines, n_scored = 0, 0
        for line in csv_lines(scoring, live, reader=lead):
            n_lines += 1
            n_scored += ",scored," in line
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (n_lines, n_scored) == (5_001, 100)
    assert peak < 4 * 2**20, f"{peak / 2**20:.1f} MB for a file of 2.7 MB"
