"""Each reason to doubt a label: found where it was planted, and nowhere else."""

from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.utils import timezone

from annotations.models import Annotation, AnnotatorExclusion, Flag, Reference, ReviewRules, Stream, Track
from annotations.review import decisions
from modeling.core.dataset import in_evaluation_slice
from modeling.core.evaluation import cross_validate
from modeling.models import FeatureVector
from modeling.suspects import find_suspects
from modeling.suspects.reasons import MAX_BY_DRIFT
from modeling.training_data import read_training_data
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    LeadFactory,
    ReferenceFactory,
    TrackFactory,
)
from tests.modeling.training_library import development_uri

pytestmark = pytest.mark.django_db

WITHOUT_FEATURES = {"bias", "n_labels", "biases"}
BY_FEATURES = {"score", "level", "interval", "belief", "neighbours"}


def suspects(reason, **rules):
    """The accusations for this reason, most suspicious first."""
    data = read_training_data()
    found = find_suspects(data, cross_validate("ridge_thresholds", data.dataset), ReviewRules(**rules), seed=0)
    return sorted((each for each in found if each.reason == reason), key=lambda each: -each.suspicion)


def development_tracks(library):
    return [track for track in Track.objects.order_by("pk") if not in_evaluation_slice(track.uri)]


def relabel(track, level):
    """The only annotator's new label in place of the one they have."""
    old = Annotation.objects.get(track=track)
    return AnnotationFactory(track=track, annotator=old.annotator, level=level, supersedes=old)


def quiet_track(library):
    """Outside the slice, of level 2."""
    return Track.objects.get(uri=development_uri(library))


# ---- By what a track sounds like


@pytest.mark.parametrize("reason", [Flag.Reason.MODEL_ERROR, Flag.Reason.NEIGHBOURS])
def test_a_label_far_from_what_its_sound_says_is_the_most_suspicious_by_model_and_by_neighbours(library, reason):
    wrong = relabel(quiet_track(library), 9)

    first, *_ = suspects(reason)

    assert first.annotation_id == wrong.pk
    assert first.suspicion > 4
    assert abs(first.expected_level - 2) < 2
    assert first.evidence.keys() >= WITHOUT_FEATURES | BY_FEATURES


def test_neighbours_are_other_artists_tracks_outside_the_slice_and_their_level_is_said(library):
    Track.objects.filter(pk__lte=Track.objects.order_by("pk")[30].pk).update(artist="One of two")
    wrong = relabel(quiet_track(library), 9)

    first, *_ = suspects(Flag.Reason.NEIGHBOURS)

    tracks = Track.objects.in_bulk([row["track"] for row in first.evidence["neighbours"]])
    assert len(tracks) == 5
    assert not {track.artist for track in tracks.values()} & {wrong.track.artist}
    assert not any(in_evaluation_slice(track.uri) for track in tracks.values())
    assert first.evidence["neighbours_level"] == pytest.approx(first.expected_level - first.evidence["bias"], abs=0.1)


@pytest.mark.parametrize("reason", [Flag.Reason.MODEL_ERROR, Flag.Reason.NEIGHBOURS])
def test_rules_say_how_many_by_share_or_by_count(library, reason):
    n_judged = len(development_tracks(library))

    assert len(suspects(reason, share=10)) == np.ceil(0.1 * n_judged)
    assert len(suspects(reason, share=10, count=3)) == 3
    assert len(suspects(reason, count=1_000)) == n_judged


def test_the_shown_bias_of_everybody_who_labelled_the_track_is_in_the_evidence(library):
    track = quiet_track(library)
    other = AnnotationFactory(track=track, level=2)
    old = Annotation.objects.exclude(pk=other.pk).get(track=track)
    wrong = AnnotationFactory(track=track, annotator=old.annotator, level=9, supersedes=old)

    first, *_ = suspects(Flag.Reason.MODEL_ERROR)

    assert first.annotation_id == wrong.pk
    assert set(first.evidence["biases"]) == {str(wrong.annotator_id), str(other.annotator_id)}
    assert first.evidence["n_labels"] == 20


# ---- By what people say


def test_annotators_who_are_far_apart_are_a_reason_and_those_who_are_not_are_none(library):
    one, two, three = development_tracks(library)[:3]
    AnnotationFactory(track=one, level=Annotation.objects.get(track=one).level)
    close = AnnotationFactory(track=two, level=Annotation.objects.get(track=two).level + 2)
    AnnotationFactory(track=three, level=3)
    far = AnnotationFactory(track=three, annotator=close.annotator, level=10)

    (found,) = suspects(Flag.Reason.DISAGREEMENT)

    assert found.annotation_id == far.pk
    assert (found.evidence["n_annotators"], found.suspicion > 2) == (3, True)
    assert found.evidence["spread"] >= 1.5


def test_gold_missed_by_as_much_as_leads_say_is_a_reason_by_the_current_label_only(library):
    missed, nearly, mended = development_tracks(library)[1:4]
    example = development_tracks(library)[4]
    for track, use in ((missed, "gold"), (nearly, "gold"), (mended, "gold"), (example, "example")):
        ReferenceFactory(track=track, use=use, level=Annotation.objects.get(track=track).level)
    label = AnnotationFactory(track=missed, level=missed.reference.level + 3)
    AnnotationFactory(track=nearly, level=nearly.reference.level + 2)
    slip = AnnotationFactory(track=mended, level=9 if mended.reference.level < 5 else 1)
    AnnotationFactory(track=mended, annotator=slip.annotator, level=mended.reference.level, supersedes=slip)
    AnnotationFactory(track=example, level=10 if example.reference.level < 6 else 1)

    (found,) = suspects(Flag.Reason.GOLD_MISSED)

    assert found.annotation_id == label.pk
    assert (found.suspicion, found.expected_level) == (3, missed.reference.level)
    assert found.evidence["agreed"] == missed.reference.level
    assert {each.annotation_id for each in suspects(Flag.Reason.GOLD_MISSED, gold_missed_by=2)} > {label.pk}
    assert not suspects(Flag.Reason.GOLD_MISSED, gold_missed_by=4)


# ---- By how somebody labels


def test_an_answer_is_too_fast_when_it_is_also_wrong_and_was_given_on_the_label_page(library):
    track, right, slow, imported, relabelled = development_tracks(library)[:5]
    quick = AnnotatorFactory()

    def answer(track, *, off, answered_s, **also):
        level = Annotation.objects.current().get(track=track).level
        said = level + off if level <= 5 else level - off
        return AnnotationFactory(track=track, annotator=quick, level=said, answered_s=answered_s, **also)

    wrong = answer(track, off=5, answered_s=1.5)
    answer(right, off=0, answered_s=1.5)
    answer(slow, off=5, answered_s=9.0)
    answer(imported, off=5, answered_s=1.5, source=Annotation.Source.IMPORT)
    answer(relabelled, off=5, answered_s=None, source=Annotation.Source.RELABEL)

    (found,) = suspects(Flag.Reason.TOO_FAST)

    assert found.annotation_id == wrong.pk
    assert (found.evidence["answered_s"], found.evidence["usual_s"]) == (1.5, 1.5)
    assert found.suspicion == pytest.approx(abs(wrong.level - found.expected_level), abs=0.6)
    assert not suspects(Flag.Reason.TOO_FAST, too_fast_s=1.0)


def label_all(tracks, *, by, change_at=1.0, **also):
    """One more annotator labels the tracks in turn, an hour each, and says more from some track on."""
    annotator, start = AnnotatorFactory(), timezone.now() - timedelta(days=30)
    labels = []
    for number, track in enumerate(tracks):
        level = Annotation.objects.filter(track=track).earliest("pk").level
        said = np.clip(level + (by if number >= change_at * len(tracks) else 0), 1, 10)
        when = start + timedelta(hours=number)
        labels.append(AnnotationFactory(track=track, annotator=annotator, level=said, created_at=when, **also))
    return labels


def shuffled_tracks():
    tracks = list(Track.objects.order_by("pk"))
    return [tracks[i] for i in np.random.default_rng(5).permutation(len(tracks))]


def test_an_annotator_who_changes_is_accused_of_a_few_labels_since_and_says_since_when(library):
    labels = label_all(shuffled_tracks(), by=3, change_at=0.5)

    found = suspects(Flag.Reason.DRIFT)

    assert 1 <= len(found) <= MAX_BY_DRIFT
    assert {each.annotation_id for each in found} <= {label.pk for label in labels[30:]}
    evidence = found[0].evidence
    assert evidence["bias_after"] - evidence["bias_before"] > 1.5
    day = timezone.localtime(labels[30].created_at).date()
    assert abs(timezone.datetime.fromisoformat(evidence["since"]).date() - day) <= timedelta(days=1)
    assert evidence["n_after"] == pytest.approx(30, abs=5)
    assert all(Annotation.objects.get(pk=each.annotation_id).level > each.expected_level for each in found)


def test_whoever_stays_as_they_are_or_labels_at_no_known_time_is_not_said_to_have_changed(library):
    tracks = shuffled_tracks()
    label_all(tracks, by=3, change_at=0.0)
    label_all(tracks, by=3, change_at=0.5, source=Annotation.Source.IMPORT)

    assert not suspects(Flag.Reason.DRIFT)


# ---- Tracks without features


def test_labels_of_tracks_without_features_are_doubted_by_what_needs_none(library):
    gold, disputed, fast = (TrackFactory(uri=uri) for uri in development_uris(3))
    ReferenceFactory(track=gold, use=Reference.Use.GOLD, level=2)
    missed = AnnotationFactory(track=gold, level=8)
    for level in (3, 3, 10):
        far = AnnotationFactory(track=disputed, level=level)
    for level in (6, 6, 6):
        AnnotationFactory(track=fast, level=level)
    quick = AnnotationFactory(track=fast, level=1, answered_s=0.5)

    accused = {
        reason: [each.annotation_id for each in suspects(reason)]
        for reason in (Flag.Reason.GOLD_MISSED, Flag.Reason.DISAGREEMENT, Flag.Reason.TOO_FAST)
    }

    assert accused[Flag.Reason.GOLD_MISSED] == [missed.pk]
    assert far.pk in accused[Flag.Reason.DISAGREEMENT]
    assert accused[Flag.Reason.TOO_FAST] == [quick.pk]
    assert suspects(Flag.Reason.GOLD_MISSED)[0].evidence.keys() == WITHOUT_FEATURES | {"agreed"}


def test_a_change_is_told_by_other_annotators_where_tracks_have_no_features(library):
    labels = label_all(shuffled_tracks(), by=3, change_at=0.5)
    # All but as few as a training needs: what is said of the others is expected by what others say of them.
    kept = [label.track_id for label in labels[::3]]
    FeatureVector.objects.exclude(track__in=kept).delete()

    found = suspects(Flag.Reason.DRIFT)

    assert found
    assert {each.annotation_id for each in found} <= {label.pk for label in labels[30:]}


def development_uris(n):
    uris = (f"bare:{number}" for number in range(1_000))
    return [uri for uri in uris if not in_evaluation_slice(uri)][:n]


# ---- Who is never accused, and what was decided


def every_reason_at_once(track):
    """A label that everything speaks against."""
    ReferenceFactory(track=track, use=Reference.Use.GOLD, level=2)
    AnnotationFactory(track=track, level=2)
    return AnnotationFactory(track=track, level=10, answered_s=0.5, stream=Stream.GOLD)


def accused_of_anything():
    data = read_training_data()
    found = find_suspects(data, cross_validate("ridge_thresholds", data.dataset), ReviewRules(), seed=0)
    return {(each.annotation_id, str(each.reason)) for each in found}


def test_what_everything_speaks_against_is_accused_for_five_reasons(library):
    label = every_reason_at_once(quiet_track(library))

    assert {reason for pk, reason in accused_of_anything() if pk == label.pk} == set(Flag.Reason.values) - {"drift"}


@pytest.mark.parametrize("where", ["slice", "settled", "excluded annotator", "dropped", "excluded track"])
def test_nothing_is_said_against_labels_that_are_out_of_it(library, where):
    track = quiet_track(library)
    if where == "slice":
        track = next(t for t in Track.objects.order_by("pk") if in_evaluation_slice(t.uri) and library[t.uri] == 2)
    label = every_reason_at_once(track)
    if where == "excluded annotator":
        AnnotatorExclusion.objects.create(annotator=label.annotator, is_excluded=True, decided_by=LeadFactory())
    elif where != "slice":
        verdict = {"settled": "change", "dropped": "drop label", "excluded track": "exclude"}[where]
        level = 2 if where == "settled" else None
        DecisionFactory(flag=FlagFactory(annotation=label), verdict=verdict, level=level, blind_level=2)

    assert label.pk not in {pk for pk, _ in accused_of_anything()}


def test_a_kept_label_is_accused_again_only_by_what_is_much_stronger_than_before(library):
    label = every_reason_at_once(quiet_track(library))
    flag = FlagFactory(annotation=label, suspicion=6.9)
    lead = LeadFactory()
    decisions.give_blind_opinion(reviewer=lead, track=label.track, level=9, submission_id=uuid4())
    decisions.decide(reviewer=lead, flag=flag, verdict="keep")

    assert {reason for pk, reason in accused_of_anything() if pk == label.pk} == {"gold missed"}
