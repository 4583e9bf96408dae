"""The outlier loop as a whole, and the page that shows what each round brought."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from annotations.models import Annotation, Flag, ReviewRules, Stream, Track
from annotations.review import decisions
from modeling.core.comparison import paired_change
from modeling.core.dataset import in_evaluation_slice
from modeling.models import Prediction, TrainingRun
from modeling.rounds import ENOUGH_TRACKS, rounds_of
from tests.factories import AnnotationFactory, DecisionFactory, FlagFactory, TrainingRunFactory
from tests.modeling.training_library import train

pytestmark = pytest.mark.django_db

TOO_FEW = f"are too few to tell; from {ENOUGH_TRACKS} on"


def decide(flag, verdict, *, reviewer, heard, **also):
    decisions.give_blind_opinion(reviewer=reviewer, track=flag.annotation.track, level=heard, submission_id=uuid4())
    return decisions.decide(reviewer=reviewer, flag=flag, verdict=verdict, **also)


def rounds():
    return rounds_of(list(TrainingRun.objects.succeeded().for_dashboard().order_by("-pk")))


def spoil(library, every=5):
    """Every fifth track outside the slice gets a label far off; who is wrong, by annotation."""
    tracks = [track for track in Track.objects.order_by("pk") if not in_evaluation_slice(track.uri)]
    wrong = {}
    for track in tracks[::every]:
        old, level = Annotation.objects.get(track=track), library[track.uri]
        said = level + 5 if level <= 5 else level - 5
        wrong[AnnotationFactory(track=track, annotator=old.annotator, level=said, supersedes=old).pk] = level
    return wrong


# ---- The loop


def test_a_round_mends_what_was_wrong_and_the_slice_that_nobody_touched_tells(library, lead, as_lead):
    wrong = spoil(library)
    untouched = {track.uri: library[track.uri] for track in Track.objects.all() if in_evaluation_slice(track.uri)}
    first = train()
    flags = list(Flag.objects.open().strongest().for_queue())
    decided = {}
    for flag in flags:
        truth = wrong.get(flag.annotation_id)
        verdict = "change" if truth else "keep"
        decided[flag.annotation_id] = verdict
        decide(flag, verdict, reviewer=lead, heard=truth or flag.annotation.level, level=truth)

    second = train()

    n_mended = list(decided.values()).count("change")
    assert n_mended >= 2
    # What was decided does not come back, and its places went to others.
    again = set(Flag.objects.open().values_list("annotation", flat=True))
    assert again
    assert not again & set(decided)
    # The slice is as it was, and the model does better on it for the labels that were mended elsewhere.
    assert dict(slice_levels(second)) == untouched
    change = second.metrics["since_previous"]["slice"]
    assert second.metrics["since_previous"]["run"] == first.pk
    assert change["n"] == len(untouched)
    assert change["before"] == pytest.approx(first.metrics["slice"]["macro_mae"])
    assert change["after"] == pytest.approx(second.metrics["slice"]["macro_mae"])
    assert change["change"] == pytest.approx(change["after"] - change["before"])
    print(
        f"{n_mended} labels mended: slice {change['before']:.2f} -> {change['after']:.2f}, {change['change']:.2f} ± {change['se']:.2f}"
    )
    assert change["change"] < 0
    # And everybody sees it.
    of_second, of_first = rounds()
    assert (of_first.run, of_first.next_run, of_second.next_run) == (first, second, None)
    assert of_first.flags == {**first.metrics["flags"], "new": len(flags), "labels": len(flags), "open": len(flags)}
    assert (of_first.n_confirmed, of_first.n_judged) == (n_mended, len(decided))
    assert of_first.n_levels_changed == n_mended
    assert (of_second.n_decided, of_second.n_levels_changed) == (0, None)
    html = as_lead.get("/rounds/").content.decode()
    for shown in (
        f"{n_mended} of {len(decided)} confirmed",
        f"{change['before']:.2f} → {change['after']:.2f}",
        TOO_FEW,
    ):
        assert shown in html
    assert "All rounds" in as_lead.get("/dashboard/").content.decode()


def slice_levels(run):
    return run.predictions.filter(part=Prediction.Part.SLICE).values_list("track__uri", "true_level")


def test_a_kept_label_stays_away_until_a_reason_much_stronger_speaks_against_it(library, lead):
    ReviewRules.objects.create(count=100)
    track = next(t for t in Track.objects.order_by("pk") if not in_evaluation_slice(t.uri) and library[t.uri] == 2)
    odd = AnnotationFactory(track=track, level=3)
    train()
    flag = Flag.objects.open().filter(annotation=odd).strongest().get()
    kept_at = decide(flag, "keep", reviewer=lead, heard=3).suspicion

    train()
    assert not Flag.objects.open().filter(annotation=odd).exists()

    # As with better features: of a track that sounds like a 10.
    loud = Track.objects.get(uri="lib:9").feature_vectors.get()
    track.feature_vectors.update(values=loud.values)
    train()
    returned = Flag.objects.open().filter(annotation=odd)
    assert returned
    assert all(flag.suspicion > kept_at + 1 for flag in returned)


# ---- What counts in which round


@pytest.fixture
def two_runs():
    """A run, and another a day later: each knows what it had seen."""
    day = timezone.now() - timedelta(days=2)
    before = TrainingRunFactory(created_at=day)
    after = TrainingRunFactory(created_at=day + timedelta(days=1))
    for run in (before, after):
        run.metrics |= {
            "newest_decision": 0,
            "newest_annotation": 0,
            "flags": {"found": {"model error": 3, "drift": 4}, "labels": 6, "new": 2, "open": 9},
        }
        run.save()
    return before, after


def seen(run, **also):
    run.metrics |= also
    run.save()


def test_decisions_count_in_the_round_of_the_last_run_that_had_not_seen_them(two_runs):
    _, after = two_runs
    early = [DecisionFactory(verdict=verdict, level=level) for verdict, level in (("keep", None), ("change", 3))]
    seen(after, newest_decision=early[-1].pk)
    for verdict in ("drop label", "exclude", "ask another"):
        DecisionFactory(verdict=verdict)

    newest, oldest = rounds()

    assert dict(oldest.decided) == {"keep": 1, "change": 1}
    assert (oldest.n_confirmed, oldest.n_judged) == (1, 2)
    assert dict(newest.decided) == {"drop label": 1, "exclude": 1, "ask another": 1}
    assert (newest.n_confirmed, newest.n_judged, newest.n_decided) == (1, 1, 3)


def test_runs_that_do_not_know_what_they_had_seen_are_told_apart_by_time(two_runs):
    _, after = two_runs
    for run in two_runs:
        del run.metrics["newest_decision"]
        run.save()
    DecisionFactory(created_at=after.created_at - timedelta(hours=1))
    DecisionFactory(verdict="ask another", created_at=after.created_at + timedelta(hours=1))

    newest, oldest = rounds()

    assert dict(oldest.decided) == {"keep": 1}
    assert dict(newest.decided) == {"ask another": 1}


def test_undone_decisions_do_not_count_and_of_several_about_a_label_the_newest_does(two_runs, lead):
    flag = FlagFactory()
    undone = DecisionFactory(flag=FlagFactory(), verdict="drop label")
    DecisionFactory(flag=undone.flag, verdict="undo", undoes=undone)
    DecisionFactory(flag=flag, verdict="ask another")
    DecisionFactory(flag=flag, verdict="keep")

    newest, _ = rounds()

    assert dict(newest.decided) == {"keep": 1}


def test_a_label_counts_as_judged_once_somebody_listened_and_as_wrong_if_another_level_came_of_it(two_runs):
    DecisionFactory(verdict="keep", blind_level=None)  # many at once
    DecisionFactory(verdict="change", level=4, flag__annotation__level=4)
    DecisionFactory(verdict="change", level=4, flag__annotation__level=9)
    DecisionFactory(verdict="exclude")

    newest, _ = rounds()

    assert (newest.n_decided, newest.n_judged, newest.n_confirmed) == (4, 2, 1)


def test_labels_that_a_lead_asked_for_and_changes_of_mind_are_given_again(two_runs):
    _, after = two_runs
    early = AnnotationFactory(stream=Stream.ASKED)
    seen(after, newest_annotation=early.pk)
    AnnotationFactory(source=Annotation.Source.RELABEL)
    AnnotationFactory(stream=Stream.ASKED)
    AnnotationFactory()

    newest, oldest = rounds()

    assert (newest.n_relabelled, oldest.n_relabelled) == (2, 1)


# ---- Whether to believe the change


def test_the_change_is_of_paired_tracks_and_artists_err_together():
    truth, before = [5, 5, 5, 5, 9, 9], [7, 7, 6, 6, 9, 9]
    after = [5, 5, 6, 6, 9, 9]

    each = paired_change(truth, before=before, after=after, artists=list("abcdef"))
    together = paired_change(truth, before=before, after=after, artists=list("aabbcd"))

    assert each["before"] == together["before"] == pytest.approx(0.75)
    assert each["change"] == together["change"] == pytest.approx(-0.5)
    assert together["se"] > 1.4 * each["se"] > 0


@pytest.mark.parametrize(
    ("change", "also", "said"),
    [
        ({"n": 12, "change": -0.3, "se": 0.1}, {}, "12 tracks of the slice are too few to tell"),
        ({"n": 80, "change": -0.1, "se": 0.1}, {}, "That is no more than chance may bring."),
        ({"n": 80, "change": 0.0, "se": 0.0}, {}, "That is no more than chance may bring."),
        ({"n": 80, "change": -0.3, "se": 0.1}, {"recipe": "gp"}, "The two runs do not learn in the same way"),
        ({"n": 80, "change": -0.3, "se": 0.1}, {"n_annotations": 37}, "also had 7 more labels."),
        (None, {}, "was not held against this one"),
    ],
)
def test_the_page_says_why_a_change_may_not_be_for_the_labels(two_runs, as_lead, change, also, said):
    before, after = two_runs
    of_slice = change and {"before": 1.0, "after": 1.0 + change["change"], **change}
    seen(after, since_previous={"run": before.pk, "n_levels_changed": 4, "slice": of_slice})
    TrainingRun.objects.filter(pk=after.pk).update(**also)

    assert said in as_lead.get("/rounds/").content.decode()


def test_what_a_run_says_of_another_than_the_one_before_it_counts_for_nothing(two_runs):
    _, after = two_runs
    clear = {"n": 80, "before": 1.0, "after": 0.7, "change": -0.3, "se": 0.1}
    seen(after, since_previous={"run": 0, "n_levels_changed": 4, "slice": clear})

    oldest = rounds()[1]

    assert (oldest.slice_change, oldest.n_levels_changed) == (None, None)
    assert "was not held against this one" in oldest.caveats[0]


def test_a_clear_change_on_enough_tracks_is_said_without_a_but(two_runs):
    before, after = two_runs
    clear = {"n": 80, "before": 1.0, "after": 0.7, "change": -0.3, "se": 0.1}
    seen(after, since_previous={"run": before.pk, "n_levels_changed": 4, "slice": clear})

    newest, oldest = rounds()

    assert oldest.slice_change.is_clear
    assert (oldest.caveats, oldest.n_levels_changed) == ([], 4)
    assert newest.caveats == ["No run since: train again to see what the decisions brought."]


# ---- The page


def test_the_page_without_a_run_says_what_a_round_begins_with(as_lead):
    assert "No round yet" in as_lead.get("/rounds/").content.decode()


def test_runs_of_earlier_versions_have_a_round_that_says_less(as_lead):
    TrainingRunFactory()
    old = TrainingRunFactory()
    del old.metrics["slice"]
    old.save()

    html = as_lead.get("/rounds/").content.decode()

    assert "was not held against this one" in html
    assert "Flagged:" not in html
    assert "Newest round: 0 decided since" in " ".join(as_lead.get("/dashboard/").content.decode().split())


def test_many_rounds_take_few_statements_and_pages_of_ten(as_lead, django_assert_max_num_queries):
    TrainingRunFactory.create_batch(13)
    DecisionFactory.create_batch(3)

    with django_assert_max_num_queries(12):
        first = as_lead.get("/rounds/").content.decode()
    with django_assert_max_num_queries(12):
        second = as_lead.get("/rounds/?page=2").content.decode()

    assert first.count('aria-labelledby="round-') == 10
    assert second.count('aria-labelledby="round-') == 3
    newest_of_second = TrainingRun.objects.order_by("-pk")[10].pk
    assert f"to run {newest_of_second + 1}" in second
