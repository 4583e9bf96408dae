"""The dashboard: its numbers against cases worked out by hand, its downloads, its cost, and what it says where something is missing."""

import csv
import io
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest
from django.utils import timezone

from annotations.annotators import report
from annotations.models import LabellingRules
from modeling.dashboard import charts, run_charts
from modeling.dashboard.facts import Facts, OpenFlag, age_of
from modeling.dashboard.found import Live
from modeling.dashboard.run_charts import Part
from modeling.models import Prediction, TrainingRun
from tests.factories import (
    AnnotationFactory,
    AnnotatorFactory,
    DecisionFactory,
    FlagFactory,
    JobFactory,
    PredictionFactory,
    PromotionFactory,
    RankingFactory,
    RulesFactory,
    TrackFactory,
    TrainingRunFactory,
)

pytestmark = pytest.mark.django_db


class Cells(HTMLParser):
    """The text of each cell of the first table after a heading of this name."""

    def __init__(self, html: str, heading: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        start = html.index(f'id="{heading}"')
        assert html.index("<table", start) < html.index("</section>", start), f"{heading} has no table"
        self.feed(html[html.index("<table", start) : html.index("</table>", start)])

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data):
        if self._in_cell:
            self.rows[-1][-1] += data.strip()


def downloaded(client, path: str) -> list[list[str]]:
    response = client.get(path)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/csv")
    assert response["Content-Disposition"].startswith("attachment")
    return list(csv.reader(io.StringIO(response.content.decode())))


def rows_of(table) -> dict:
    return {row[0]: row[1:] for row in table.rows}


def without(run: TrainingRun, *names: str) -> TrainingRun:
    """As an earlier version made it."""
    for part in ("out_of_fold", "slice"):
        run.metrics[part] = {name: value for name, value in run.metrics[part].items() if name not in names}
    TrainingRun.objects.filter(pk=run.pk).update(metrics=run.metrics)
    return run


# ---- Numbers


def test_coverage_holds_the_labels_against_equal_shares_and_against_the_predictions(lead):
    for level, n in ((5, 6), (6, 3), (9, 1)):
        AnnotationFactory.create_batch(n, level=level)
    run = PromotionFactory().run
    for level in (5, 9):
        PredictionFactory.create_batch(2, run=run, level=level, part="final", true_level=None)
    PredictionFactory(run=run, level=1)  # held out: says nothing of the library
    report.refresh()

    chart = charts.coverage(Facts(lead))

    assert rows_of(chart.table)[5] == [6, 0.6, 6.0, 0.5, 1.2]
    assert rows_of(chart.table)[9] == [1, 0.1, 1.0, 0.5, 0.2]
    assert rows_of(chart.table)[1] == [0, 0.0, 0.0, 0.0, None]
    assert "Rare, with less than half of an equal share: level 1, 2, 3, 4, 7, 8, 10." in chart.caption
    assert "Fewer labels than the library's predictions would have: level 9." in chart.caption


def test_throughput_says_what_is_left_and_when_it_is_done(lead, monkeypatch):
    now = timezone.make_aware(datetime(2026, 11, 20, 12))
    monkeypatch.setattr(timezone, "now", lambda: now)
    RulesFactory(labels_per_track=2)
    anna = AnnotatorFactory()
    for number in range(20):  # five a day of four days, one a minute
        moment = now - timedelta(days=number // 5, seconds=60 * (number % 5))
        AnnotationFactory(annotator=anna, answered_s=30, created_at=moment)
    TrackFactory.create_batch(3)
    TrackFactory(audio_state="bad", audio_problem="no music")
    report.refresh()

    facts = Facts(lead)
    rows = rows_of(charts.throughput(facts).table)

    assert rows["Labels in the last 28 days"] == [20]
    assert rows["Labels a day"] == [5.0]
    assert rows["Labels an hour of labelling"] == [60.0]
    assert rows["Seconds a label, half take less"] == [30.0]
    assert rows["Tracks that lack labels"] == [23]
    assert rows["Labels they lack"] == [20 + 2 * 3]
    assert rows["At this pace done by"] == ["2026-11-26"]  # six days of five


def test_nothing_left_is_never_done_and_no_pace_says_no_day(lead):
    AnnotationFactory()
    report.refresh()
    assert Facts(lead).outstanding.n_labels == 0
    assert Facts(lead).done_by is None


def test_labels_of_long_ago_are_no_pace(lead):
    AnnotationFactory(created_at=timezone.now() - timedelta(days=60))
    TrackFactory()
    report.refresh()

    facts = Facts(lead)

    assert (facts.outstanding.n_labels, facts.a_day, facts.done_by) == (1, None, None)
    assert "there is no pace" in charts.throughput(facts).caption


def test_open_flags_are_counted_by_reason_and_age(as_lead, lead):
    now = timezone.now()
    flags = [
        OpenFlag(1, "drift", now - timedelta(hours=1)),
        OpenFlag(1, "neighbours", now - timedelta(days=3)),
        OpenFlag(2, "drift", now - timedelta(days=8)),
        OpenFlag(3, "drift", now - timedelta(days=31)),
    ]
    assert age_of(flags, now=now) == {"drift": [1, 0, 1, 1], "neighbours": [0, 1, 0, 0]}

    FlagFactory(reason="drift")
    FlagFactory(reason="neighbours", created_at=now - timedelta(days=40))
    FlagFactory(annotation__annotator=lead)  # nobody reviews their own label
    DecisionFactory(flag=FlagFactory())  # kept, so no longer open

    assert downloaded(as_lead, "/dashboard/flags.csv") == [
        ["Reason", "Open", "A day", "A week", "A month", "Longer"],
        ["Annotator changed", "1", "1", "0", "0", "0"],
        ["Far from neighbours", "1", "0", "0", "0", "1"],
    ]
    assert "/review/?reason=drift" in as_lead.get("/dashboard/").content.decode()


def test_labels_over_time_are_by_annotator_without_gaps(lead, monkeypatch):
    ann, ben = AnnotatorFactory(username="ann"), AnnotatorFactory(username="ben")
    now = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # no midnight in between
    AnnotationFactory.create_batch(2, annotator=ann, created_at=now - timedelta(days=14))
    AnnotationFactory(annotator=ben, created_at=now)
    AnnotationFactory(annotator=ben, source="import", created_at=now)
    report.refresh()

    chart = charts.CHARTS["labels_by_week"](Facts(lead))
    by_day = charts.CHARTS["labels_by_day"](Facts(lead))

    assert [column.name for column in chart.table.columns] == ["Week", "All", "ann", "ben"]
    assert [row[1:] for row in chart.table.rows] == [[2, 2, 0], [0, 0, 0], [1, 0, 1]]
    assert len(by_day.table.rows) == 28
    assert by_day.table.rows[-1] == [timezone.localdate(), 1, 0, 1]
    assert "Without 1 imported labels" in chart.caption


def test_more_annotators_than_can_be_read_are_one_row(lead):
    for number in range(15):
        AnnotationFactory.create_batch(1 + (number < 12), annotator=AnnotatorFactory(username=f"p{number:02}"))
    report.refresh()

    chart = charts.CHARTS["labels_by_week"](Facts(lead))

    assert [column.name for column in chart.table.columns][-1] == "3 others"
    assert chart.table.rows[-1][-1] == 3


def test_runs_are_drawn_with_intervals_and_their_labels_below():
    run = TrainingRunFactory(n_annotations=9448)

    chart = charts.macro_mae(Facts(run.requested_by))

    (row,) = chart.table.rows
    assert row[0] == f"run {run.pk}"
    assert row[3:] == pytest.approx([9448, 24, 0.95, 0.75, 1.15, 1.05, 0.85, 1.25])
    assert ">9.4k</text>" in chart.drawings[0]
    assert f"{run.pk}: 0.95 (0.75 to 1.15)" in chart.drawings[0]


def test_the_model_is_held_against_each_annotator(as_lead):
    ann, ben = AnnotatorFactory(username="ann"), AnnotatorFactory(username="ben")
    run = TrainingRunFactory()
    rows = [
        {"annotator": str(ann.pk), "n": 40, "mae": 0.8, "mae_se": 0.1, "bias": -0.3, "bias_se": 0.05},
        {"annotator": str(ben.pk), "n": 1, "mae": 2.0, "mae_se": None, "bias": 2.0, "bias_se": None},
    ]
    run.metrics["out_of_fold"]["by_annotator"] = rows
    TrainingRun.objects.filter(pk=run.pk).update(metrics=run.metrics)

    html = as_lead.get(f"/runs/{run.pk}/").content.decode()

    assert "ann: 0.80 (0.60 to 1.00)" in html
    assert Cells(html, "by_annotator").rows[1:] == [
        ["ann", "40", "0.80", "0.10", "−0.30", "0.05"],
        ["ben", "1", "2.00", "–", "+2.00", "–"],
    ]
    assert f'href="/annotators/{ann.pk}/"' in html
    assert downloaded(as_lead, f"/runs/{run.pk}/by_annotator.csv")[2] == ["ben", "1", "2.0", "", "2.0", ""]


# ---- The confusion matrix


def test_the_matrix_is_written_as_shares_or_as_counts_without_a_script(as_lead):
    run = TrainingRunFactory()

    shares = as_lead.get("/dashboard/").content.decode()
    counts = as_lead.get("/dashboard/?cells=counts").content.decode()

    # Of eight tracks labelled 5 six are predicted 5, and two 7.
    assert ">75</text>" in shares
    assert ">6</text>" in counts
    assert ">75</text>" not in counts
    assert f"/runs/{run.pk}/tracks/?part=out_of_fold&amp;true=5&amp;predicted=7" in counts
    assert "part=slice" in as_lead.get(f"/runs/{run.pk}/?part=slice&cells=counts").content.decode()


# ---- What the newest ranking found

MORE = {"n_now": 4_000, "n_used": 3_000, "gain": 0.021, "low": 0.008, "high": 0.047, "sentence": "It would help."}
FIGURE = {"n_ranked": 40, "n_random": 40, "ranked": 0.9, "random": 1.0, "change": -0.1, "low": -0.15, "high": -0.05}
LIVE = {
    "strategy": "k_center",
    "since": "2026-11-03T10:00:00+00:00",
    "until": None,
    "worth": FIGURE,
    "error": FIGURE | {"ranked": 1.5},
    "rare": {"missing": "No level was rare before the strategy."},
}


def test_the_dashboard_says_what_more_labels_bring_and_whether_the_strategy_pays(as_lead):
    PromotionFactory()
    RankingFactory(found={"more": MORE | {"sentence": "Of an older ranking."}, "live": None})
    RankingFactory(found={"more": MORE, "live": LIVE})
    RankingFactory(found={}, n_open=None, n_ranked=None)  # not done yet

    html = as_lead.get("/dashboard/").content.decode()

    assert "<b>It would help.</b>" in html
    assert "the curve of 3,000 of 4,000 labelled tracks" in html
    assert "<b>Its labels bring more than random ones.</b>" in html
    assert "k_center, since 3 Nov 2026</span>" in html
    assert "<dt>Macro-MAE of a model with 40 labels of each</dt>" in html
    assert '<b class="number">0.90</b>, random <b class="number">1.00</b>' in html
    assert "−0.10 (95 %: −0.15 to −0.05)" in html
    assert '<b class="number">1.50</b>, random <b class="number">1.00</b>' in html
    assert "No level was rare before the strategy." in html
    assert 'href="/queue/next/"' in html


@pytest.mark.parametrize(
    ("worth", "verdict"),
    [
        (FIGURE, "Its labels bring more than random ones."),
        (FIGURE | {"low": 0.01, "high": 0.2}, "Its labels bring less than random ones."),
        (FIGURE | {"high": 0.01}, "Its labels and random ones bring the same, as far as can be told."),
        ({"missing": "20 tracks"}, "Nothing can be said yet of what its labels are worth."),
    ],
)
def test_a_strategy_pays_only_where_the_interval_does_not_reach_0(worth, verdict):
    assert Live(LIVE | {"worth": worth}).verdict == verdict


def test_before_a_ranking_it_says_when_it_comes_and_without_a_strategy_there_is_one_card(as_lead):
    TrainingRunFactory()
    html = as_lead.get("/dashboard/").content.decode()
    assert "Said with the next ranking: when the next model is put to use" in html

    RankingFactory(found={"more": {"sentence": "It takes 100 labelled tracks."}, "live": None})
    html = as_lead.get("/dashboard/").content.decode()
    assert "<b>It takes 100 labelled tracks.</b>" in html
    assert "Extrapolated" not in html
    assert "Strategy against random" not in html


# ---- Downloads


def test_each_table_on_the_page_is_what_is_downloaded(as_lead, lead):
    ann = AnnotatorFactory(username="=cmd|' /C calc'!A0")
    for level, annotation in enumerate(AnnotationFactory.create_batch(3, annotator=ann, answered_s=7), start=3):
        AnnotationFactory(track=annotation.track, level=level)
    FlagFactory()
    run = TrainingRunFactory()
    run.metrics["out_of_fold"]["by_annotator"] = [
        {"annotator": str(ann.pk), "n": 3, "mae": 0.5, "mae_se": 0.1, "bias": 0.25, "bias_se": 0.1}
    ]
    TrainingRun.objects.filter(pk=run.pk).update(metrics=run.metrics)
    report.refresh()
    html = as_lead.get("/dashboard/?by=day").content.decode() + as_lead.get("/dashboard/?by=week").content.decode()

    def same(shown: str, raw: str) -> bool:
        if raw.startswith("'="):
            raw = raw[1:]
        try:
            n_decimals = len(shown.partition(".")[2])
            return float(shown.replace(",", "").replace("−", "-")) == pytest.approx(
                float(raw), abs=0.51 * 10**-n_decimals
            )
        except ValueError:
            return shown == raw or (shown == "–" and raw == "") or len(shown.split()) == 3  # a day

    paths = {name: f"/dashboard/{name}.csv" for name in charts.CHARTS}
    paths |= {name: f"/runs/{run.pk}/{name}.csv?part=out_of_fold" for name in run_charts.CHARTS}
    for name, path in paths.items():
        raw = downloaded(as_lead, path)
        shown = Cells(html, name).rows
        assert len(shown) == len(raw), name
        for shown_row, raw_row in zip(shown, raw, strict=True):
            assert all(same(*pair) for pair in zip(shown_row, raw_row, strict=True)), (name, shown_row, raw_row)
    # A name that a spreadsheet would run.
    assert downloaded(as_lead, f"/runs/{run.pk}/by_annotator.csv")[1][0] == "'=cmd|' /C calc'!A0"


def test_a_chart_that_is_not_there_is_not_found(as_lead):
    run = TrainingRunFactory()

    assert as_lead.get("/dashboard/nonsense.csv").status_code == 404
    assert as_lead.get(f"/runs/{run.pk}/nonsense.csv").status_code == 404
    assert as_lead.get("/runs/999/matrix.csv").status_code == 404


# ---- Where something is missing


def test_without_labels_and_runs_each_part_says_what_to_do(as_lead):
    html = as_lead.get("/dashboard/").content.decode()

    for said in ("No model yet", "No label yet: annotators find tracks under Annotate.", "No flag waits for you."):
        assert said in html
    assert "Nobody has labelled yet." in html
    for name in charts.CHARTS:
        assert as_lead.get(f"/dashboard/{name}.csv").status_code == 200


def test_labels_that_no_worker_has_counted_yet_say_so(as_lead):
    AnnotationFactory()

    html = as_lead.get("/dashboard/").content.decode()

    assert "A worker counts labels within a minute" in html
    assert "<dt>Labels</dt><dd>1" in html


def test_runs_of_earlier_versions_show_what_they_know(as_lead):
    everything = ("mae_interval", "within_2", "by_genre", "by_annotator", "macro_mae_interval")
    run = without(TrainingRunFactory(), *everything)
    del run.metrics["slice"]
    TrainingRun.objects.filter(pk=run.pk).update(metrics=run.metrics)

    for path in ("/dashboard/", f"/runs/{run.pk}/"):
        html = as_lead.get(path).content.decode()
        assert "0.95" in html
        assert "was made by an earlier version, which did not measure this. Train again." in html
        assert "No track of this part has a genre." in html
    assert downloaded(as_lead, "/dashboard/macro_mae.csv")[1][5:] == ["0.95", "", "", "", "", ""]


def test_one_run_has_nothing_to_be_compared_with(as_lead):
    TrainingRunFactory()

    assert "Compare runs" not in as_lead.get("/dashboard/").content.decode()
    assert "One run has results so far; two are needed." in as_lead.get("/runs/compare/").content.decode()


def test_a_run_that_failed_has_no_charts(as_lead):
    run = TrainingRunFactory(
        job=JobFactory(status="failed", finished_at=timezone.now(), message="no", error="no"),
        **{"metrics": None, "n_tracks": None, "artifact_digest": "", "dataset_digest": "", "artifact": ""},
    )

    assert as_lead.get(f"/runs/{run.pk}/").status_code == 200
    assert as_lead.get(f"/runs/{run.pk}/matrix.csv").status_code == 404


# ---- Who, and at what cost


def test_an_annotator_sees_none_of_it(as_annotator):
    run = TrainingRunFactory()

    for path in ("/dashboard/", "/dashboard/flags.csv", f"/runs/{run.pk}/matrix.csv", "/runs/", "/runs/compare/"):
        assert as_annotator.get(path).status_code == 403


def test_it_costs_as_many_statements_however_much_there_is(as_lead, django_assert_max_num_queries):
    runs = TrainingRunFactory.create_batch(4)
    PromotionFactory(run=runs[1])
    PromotionFactory(run=runs[3])
    for number in range(12):
        annotation = AnnotationFactory(level=1 + number % 10)
        FlagFactory(annotation=annotation)
        PredictionFactory(run=runs[3], track=annotation.track, part=Prediction.Part.FINAL, true_level=None)
    LabellingRules.objects.create(labels_per_track=3)
    runs[3].metrics["out_of_fold"]["by_annotator"] = [
        {"annotator": str(annotation.annotator_id), "n": 1, "mae": 1, "mae_se": None, "bias": 1, "bias_se": None}
    ]
    TrainingRun.objects.filter(pk=runs[3].pk).update(metrics=runs[3].metrics)
    RankingFactory(found={"more": MORE, "live": LIVE})
    report.refresh()
    as_lead.get("/dashboard/")  # reads the report, which is then kept

    with django_assert_max_num_queries(15):
        html = as_lead.get("/dashboard/").content.decode()

    assert f"In use: run {runs[3].pk}" in html


# ---- All runs


def test_all_runs_are_listed_a_page_at_a_time_from_a_run_on(as_lead, django_assert_max_num_queries):
    runs = TrainingRunFactory.create_batch(30)
    PromotionFactory(run=runs[2])

    with django_assert_max_num_queries(8):
        first = as_lead.get("/runs/")
    assert [run.pk for run in first.context["runs"]] == [run.pk for run in runs[:4:-1]]
    assert (first.context["newer"], first.context["older"]) == (None, runs[5].pk)
    assert (first.context["a"], first.context["b"]) == (runs[-2].pk, runs[-1].pk)

    second = as_lead.get("/runs/", {"before": runs[5].pk})
    assert [run.pk for run in second.context["runs"]] == [run.pk for run in runs[4::-1]]
    assert second.context["older"] is None
    assert second.context["a"] == runs[2].pk  # the one in use
    back = as_lead.get("/runs/", {"after": second.context["newer"]})
    assert [run.pk for run in back.context["runs"]] == [run.pk for run in first.context["runs"]]
    for nonsense in ({"before": "x"}, {"before": 1}, {"after": 9**9}, {"after": "9" * 30}):
        assert as_lead.get("/runs/", nonsense).context["runs"][0] == runs[-1]


def test_before_the_first_run_the_list_says_where_to_train(as_lead):
    assert "No run yet" in as_lead.get("/runs/").content.decode()


def test_a_part_knows_the_names_it_is_given(lead):
    run = TrainingRunFactory()
    run.metrics["slice"]["by_annotator"] = [{"annotator": "7", "n": 1, "mae": 1, "mae_se": 0, "bias": 0, "bias_se": 0}]

    assert Part(run, "slice", known_names={7: "ann"}).names == {"7": "ann"}
    assert Part(run, "slice").names == {}
