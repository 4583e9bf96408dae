"""Experiments on the labels of the database: asked for, answered by a worker or a command, cancelled, refused."""

import json
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from annotations.models import Annotation, Track
from energyapp.jobs import services as jobs
from energyapp.jobs.claims import Claim, JobRefused
from energyapp.jobs.models import Job
from modeling import experiments, lab_data, services, window_features
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.data import LabData
from modeling.core.lab.report import Report
from modeling.models import Experiment, FeatureVector
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    GenreFactory,
    LeadFactory,
    TrackFactory,
)
from tests.labelled_library import make_labelled_library

pytestmark = pytest.mark.django_db

QUICK = {"recipe": "ridge_thresholds", "n_folds": 2}
SPOTIFY, SIGNAL = FEATURE_SETS["spotify"], FEATURE_SETS["signal"]


@pytest.fixture
def library():
    return make_labelled_library(60)


def ask(name="resampling", **options):
    return services.request_experiment(name=name, options=QUICK | options, requested_by=LeadFactory())


def state_of(experiment):
    return Job.objects.get(pk=experiment.job_id).status


def read(name="resampling", **options):
    return lab_data.read_lab_data(EXPERIMENTS[name](**options))


# ---- Asking


def test_an_experiment_is_asked_for_with_all_of_its_options():
    experiment = ask(seed=3)

    assert experiment.options == EXPERIMENTS["resampling"](seed=3, **QUICK).options
    assert (experiment.job.kind, state_of(experiment), experiment.report) == ("experiment", Job.Status.QUEUED, "")


def test_the_same_question_asked_twice_while_it_goes_on_is_one():
    first, second, other = ask(), ask(), ask(seed=1)

    assert first == second != other
    assert Experiment.objects.count() == 2


def test_once_answered_it_can_be_asked_again(library):
    first = ask()
    experiments.run(first.job_id)

    assert ask() != first


def test_a_feature_set_may_be_named_without_its_version():
    assert services.question(name="resampling", options={"sets": ("signal", "spotify@1")}).sets == (
        "signal@2",
        "spotify@1",
    )


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("alchemy", {}, "found experiment 'alchemy'; expected one of data_understanding"),
        ("resampling", {"n_folds": 1}, "found n_folds 1; expected 2 to 20"),
        ("resampling", {"lead": "gold"}, "found options lead; .*unexpected keyword argument 'lead'"),
        ("resampling", {"sets": ("signal@1",)}, "found feature set 'signal@1'; expected some of signal@2"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(name, options, message):
    with pytest.raises(ValueError, match=message):
        services.request_experiment(name=name, options=options, requested_by=None)

    assert not Job.objects.exists()


def test_a_worker_is_woken_after_the_commit_and_a_command_wakes_none(django_capture_on_commit_callbacks, monkeypatch):
    published = []
    monkeypatch.setattr(jobs, "publish", published.append)

    with django_capture_on_commit_callbacks(execute=True):
        experiment = ask()
        ask()
        services.note_experiment(name="resampling", options={}, requested_by=None)

    assert published == [experiment.job]


# ---- Answering


def test_an_answer_is_a_report_with_its_snapshot(library):
    experiment = ask()

    experiments.run(experiment.job_id)

    experiment.refresh_from_db()
    report = Report.from_json(experiment.report)
    assert experiment.job.status == Job.Status.SUCCEEDED
    assert experiment.job.message == report.findings.conclusions[0]
    assert (report.provenance.n_tracks, report.provenance.n_annotations) == (60, 60)
    assert report.provenance.options == experiment.options
    assert report.provenance.code_version.startswith("0.")
    snapshot = LabData.load(experiments.folder_of(experiment) / "dataset.npz")
    assert snapshot.digest() == experiment.data_digest == report.provenance.data_digest


def test_leaving_out_an_annotator_is_asked_by_name_and_refused_with_the_names_there_are(library):
    name = Annotation.objects.first().annotator.display_name
    known, unknown = (ask("without_annotator", annotator=annotator) for annotator in (name, "nobody"))

    experiments.run(known.job_id)

    assert Job.objects.get(pk=known.job_id).message.startswith(f"Leaving out {name}: ")
    with pytest.raises(JobRefused, match=f"Found annotator 'nobody'; these labelled .*{name}"):
        experiments.run(unknown.job_id)


def test_the_same_labels_and_options_give_the_same_findings(library):
    reports = []
    for _ in range(2):
        experiment = ask()
        experiments.run(experiment.job_id)
        stored = json.loads(Experiment.objects.get(pk=experiment.pk).report)
        for table in stored["findings"]["tables"]:
            table["rows"] = [row[:-1] for row in table["rows"]]  # the time it took
        reports.append((stored["findings"], stored["provenance"]["data_digest"]))

    assert reports[0] == reports[1]


def test_a_message_delivered_twice_is_answered_once(library):
    experiment = ask()
    experiments.run(experiment.job_id)
    before = Experiment.objects.get().report

    experiments.run(experiment.job_id)

    assert Experiment.objects.get().report == before


def test_too_little_data_fails_the_job_with_a_sentence_that_says_what_to_do():
    make_labelled_library(5)
    experiment = ask()

    with pytest.raises(JobRefused):
        experiments.run(experiment.job_id)

    job = Job.objects.get()
    assert job.status == Job.Status.FAILED
    assert "this experiment needs" in job.message
    assert "label more" in job.message
    assert not experiments.folder_of(experiment).exists()


def test_without_a_single_label_it_says_so():
    with pytest.raises(JobRefused, match="No track is labelled yet"):
        read()


def test_an_experiment_called_off_stops_at_the_next_step_and_leaves_nothing(library):
    experiment, steps = ask(), []

    def call_off_in_the_middle(share, message):
        steps.append(message)
        if share > 0:
            jobs.cancel(job=experiment.job, by="Lea")

    experiments.answer(experiment.job_id, on_progress=call_off_in_the_middle)

    experiment.refresh_from_db()
    assert state_of(experiment) == Job.Status.CANCELLED
    assert (experiment.report, experiment.data_digest) == ("", "")
    assert len(steps) < 5
    assert not experiments.folder_of(experiment).exists()


def test_an_attempt_after_an_interruption_goes_on_with_what_the_first_has_read(library):
    experiment = ask()

    def told_to_stop(share, message):
        if share > 0:
            raise SystemExit

    with pytest.raises(SystemExit):
        experiments.answer(experiment.job_id, on_progress=told_to_stop)
    AnnotationFactory.create_batch(3)

    experiments.run(experiment.job_id)

    experiment.refresh_from_db()
    assert (experiment.job.status, experiment.job.attempt) == (Job.Status.SUCCEEDED, 2)
    assert Report.from_json(experiment.report).provenance.n_tracks == 60


def test_a_snapshot_that_another_database_has_left_behind_is_not_taken_for_ones_own(library):
    experiment = ask()
    path = experiments.folder_of(experiment) / "dataset.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    read().tracks(np.arange(20)).save(path)

    experiments.run(experiment.job_id)

    assert Report.from_json(Experiment.objects.get().report).provenance.n_tracks == 60


def test_an_attempt_that_was_given_up_for_dead_stores_no_report(library, monkeypatch):
    experiment = ask()
    succeed = Claim.succeed

    def too_late(claim, message):
        Job.objects.update(token=Claim(experiment.job_id).token, attempt=2)
        succeed(claim, message)

    monkeypatch.setattr(Claim, "succeed", too_late)

    with pytest.raises(Exception, match="given to another worker"):
        experiments.run(experiment.job_id)

    assert Experiment.objects.get().report == ""


def test_a_report_comes_with_its_digest_or_not_at_all():
    with pytest.raises(IntegrityError), transaction.atomic():
        Experiment.objects.filter(pk=ask().pk).update(report="{}")


# ---- What an experiment looks at


def test_labels_are_the_level_that_people_see(library):
    changed, twice = library[0].track, library[1].track
    DecisionFactory(flag=FlagFactory(annotation=library[0]), verdict="change", level=9)
    AnnotationFactory(track=twice, level=5)  # beside a 2: 3.5, ties go up

    levels = dict(zip(read().dataset.uris, read().dataset.y, strict=True))

    assert (levels[changed.uri], levels[twice.uri]) == (9, 4)


def test_excluded_tracks_are_left_out_and_unlabelled_ones_do_not_count(library):
    DecisionFactory(flag=FlagFactory(annotation=library[0]), verdict="exclude")
    TrackFactory(uri="unlabelled")

    uris = set(read().dataset.uris)

    assert len(uris) == 59
    assert not uris & {library[0].track.uri, "unlabelled"}


def test_tracks_that_lack_a_set_have_nan_there_and_are_kept(library):
    track = library[7].track
    values = np.arange(len(SIGNAL.columns), dtype="<f4")
    FeatureVector.objects.create(track=track, feature_set=SIGNAL.key, values=values.tobytes())

    data = read()

    assert list(data.columns_of_set) == [SIGNAL.key, SPOTIFY.key]
    assert data.has(SIGNAL.key).nonzero()[0].tolist() == [7]
    assert data.has(SPOTIFY.key).all()
    start, end = data.columns_of_set[SIGNAL.key]
    assert data.dataset.X[7, start:end].tolist() == values.tolist()
    assert data.dataset.columns[start:end] == SIGNAL.columns
    assert data.usual_sets() == (SPOTIFY.key,)


def test_a_value_that_is_no_number_is_missing(library):
    values = np.full(len(SPOTIFY.columns), np.inf, "<f4")
    FeatureVector.objects.filter(track=library[4].track).update(values=values.tobytes())

    assert read().has(SPOTIFY.key).sum() == 59


def test_windows_of_long_tracks_come_along_for_the_experiment_about_them_alone(library):
    computed, row = FEATURE_SETS["spotify_like"], 2
    track, without = library[row].track, library[5].track
    for long in (track, without):
        Track.objects.filter(pk=long.pk).update(duration_s=95.0)
    for annotation in library:
        vector = np.zeros(len(computed.columns), "<f4")
        annotation.track.feature_vectors.create(feature_set=computed.key, values=vector.tobytes())
    track.refresh_from_db()
    n = window_features.n_windows(track)
    written = np.arange(n * len(computed.columns), dtype="<f4").reshape(n, -1)
    window_features.write(track, computed, written)

    data = read("windows_maximum", sets=(computed.key,))

    assert list(data.windows) == [row]
    start, end = data.columns_of_set[computed.key]
    assert data.windows[row][:, start:end].tolist() == written.tolist()
    start, end = data.columns_of_set[SPOTIFY.key]  # only imported: the same in every window
    assert (data.windows[row][:, start:end] == data.dataset.X[row, start:end]).all()
    assert "1 long tracks have no features of their windows" in data.notes[0]
    assert not read(sets=(computed.key,)).windows


def test_sets_that_trainings_do_not_use_are_read_where_they_are_named(library):
    like = FEATURE_SETS["spotify_like"]
    for track in Track.objects.all():
        track.feature_vectors.create(feature_set=like.key, values=np.ones(len(like.columns), "<f4").tobytes())

    assert like.key not in read().columns_of_set
    assert like.key in read(sets=(like.key,)).columns_of_set


def test_a_set_that_no_track_has_is_refused(library):
    with pytest.raises(JobRefused, match=r"No track has features of transfer@1; there are: spotify@1"):
        read(sets=("transfer@1",))


def test_annotators_genres_artists_and_audio_states_come_along(library):
    library[3].track.genres.set([GenreFactory(name="techno"), GenreFactory(name="folk")])
    Track.objects.filter(pk=library[3].track_id).update(artist=" ABBA ")
    Annotation.objects.first().annotator.__class__.objects.filter(pk=library[0].annotator_id).update(alias="th1234")
    TrackFactory(audio_state="none", audio="")

    data = read()

    assert data.genres[3] == ("folk", "techno")
    assert data.genres[4] == ()
    assert data.dataset.groups[3] == "abba"
    assert data.annotations.annotator[0] == "th1234"
    assert (data.annotations.track[5], data.annotations.level[5]) == (5, 6)
    assert dict(data.audio_states) == {"none": 1, "ready": 60}


def test_two_annotators_of_the_same_name_stay_two(library):
    people = [AnnotatorFactory(username=f"ann{n}", first_name="Ann") for n in range(2)]
    for person, annotation in zip(people, library, strict=False):
        AnnotationFactory(track=annotation.track, annotator=person)

    assert {"Ann (ann0)", "Ann (ann1)"} <= set(read().annotations.annotator)


def test_the_same_database_gives_the_same_digest(library):
    assert read().digest() == read().digest()


def test_reading_takes_as_many_queries_for_many_tracks_as_for_few(django_assert_max_num_queries):
    make_labelled_library(30)

    with django_assert_max_num_queries(16):
        read()


# ---- The command


def run_command(*arguments):
    out, err = StringIO(), StringIO()
    call_command("run_experiment", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_command_answers_without_a_worker_and_writes_files(library, tmp_path):
    out, err = run_command(
        *("resampling", "--set", "recipe=ridge_thresholds", "--set", "n_folds=2"),
        *("--json", str(tmp_path / "report.json"), "--csv", str(tmp_path / "report.csv")),
    )

    experiment = Experiment.objects.get()
    assert (state_of(experiment), experiment.requested_by) == (Job.Status.SUCCEEDED, None)
    assert "Lowest macro-MAE" in out
    assert "fold 1" in err
    assert Report.from_json((tmp_path / "report.json").read_text()) == Report.from_json(experiment.report)
    assert (tmp_path / "report.csv").read_text().startswith("Resampling")


def test_ctrl_c_cancels_it(library, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiments, "run_experiment", interrupted)

    with pytest.raises(CommandError, match="Cancelled") as stopped:
        run_command("resampling")

    assert stopped.value.returncode == 130
    assert Job.objects.get().status == Job.Status.CANCELLED


def test_what_a_worker_answers_already_is_left_to_it():
    experiment = services.request_experiment(name="resampling", options={}, requested_by=None)
    with Claim(experiment.job_id):
        with pytest.raises(CommandError, match=f"see experiment {experiment.pk} on the page Lab"):
            run_command("resampling")
        jobs.cancel(job=experiment.job, by="Lea")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--list names all"),
        (("resampling", "--set", "n_folds"), "found --set n_folds; expected OPTION=VALUE"),
        (("resampling", "--set", "n_folds=many"), "found n_folds 'many'; expected a whole number"),
        (("resampling", "--set", "n_folds=99"), "found n_folds 99; expected 2 to 20"),
        (("resampling", "--set", "recipe=ridge_thresholds"), "No track is labelled yet"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(arguments, message):
    with pytest.raises(CommandError, match=message):
        run_command(*arguments)


def test_the_list_names_every_experiment_and_its_options():
    out, _ = run_command("--list")

    for name, kind in EXPERIMENTS.items():
        assert f"{name}: {kind.question}" in out
    assert "    n_folds=4" in out
