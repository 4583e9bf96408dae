import csv
import io
import json

import numpy as np
import pytest

from modeling.core.estimates import Estimate
from modeling.core.lab.report import (
    Chart,
    Column,
    Findings,
    Matrix,
    Provenance,
    Report,
    Series,
    Table,
    matrix,
    table_rows,
    with_column,
)
from modeling.core.lab.text import report_text

COLUMNS = (
    Column("Name", "text", help="What."),
    Column("macro-MAE"),
    Column("n", "count"),
    Column("thesis", from_thesis=True),
)


ROWS = (("a", Estimate(0.9, 0.04), 1200, 1.16), ("b", Estimate(1.1, 0.05), 3, None))


def report(rows=ROWS):
    findings = Findings(
        conclusions=("a is best.",),
        tables=(Table("All", COLUMNS, tuple(rows), "A caption.", best=0),),
        matrices=(matrix("counts", np.eye(10, dtype=int)), matrix("coarse", [[3, 1], [0, 2]], ("1-5", "6-10"))),
        charts=(Chart("curve", "x", "y", (Series("a", (0.0, 1.0), (3.0, 4.0), (0.1, 0.2)),), "bar", ("one", "two")),),
        notes=("a note",),
    )
    about = Provenance(
        experiment="resampling",
        options={"seed": 0, "sets": []},
        n_tracks=10,
        n_artists=4,
        n_annotations=0,
        feature_sets=("signal@2",),
        data_digest="0" * 64,
        code_version="sha256:1",
        versions={"numpy": "2"},
        started_at="2026-01-01T00:00:00+00:00",
        seconds=1.5,
    )
    return Report("Title", "Question?", about, findings)


def test_a_report_read_from_its_json_is_the_same():
    assert Report.from_json(report().to_json()) == report()


def test_numbers_of_numpy_are_plain_in_json():
    rows = [(np.str_("a"), Estimate(np.float64(0.5), np.float64(0.1)), np.int64(3), np.float32(0.5))]

    read = Report.from_json(report(rows).to_json())

    assert read.findings.tables[0].rows == (("a", Estimate(0.5, 0.1), 3, 0.5),)
    assert all(type(cell) is not np.float64 for cell in read.findings.tables[0].rows[0])


def test_what_is_no_number_is_null_in_json_and_none_or_nan_when_read():
    rows = [("a", Estimate(0.5, float("nan")), 3, float("inf")), ("b", Estimate(float("nan"), float("nan")), 0, None)]
    text = report(rows).to_json()

    first, second = Report.from_json(text).findings.tables[0].rows

    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert first[1].value == 0.5
    assert np.isnan([first[1].se, *second[1]]).all()
    assert first[3] is None


@pytest.mark.parametrize("text", ['{"format": 2}', "[]", "{}"])
def test_a_report_of_another_version_is_refused(text):
    with pytest.raises(ValueError, match="another version"):
        Report.from_json(text)


def test_csv_gives_every_figure_a_cell_of_its_own():
    rows = list(csv.reader(io.StringIO(report().to_csv())))

    head = rows.index(["Name", "macro-MAE", "macro-MAE (se)", "n", "thesis"])
    assert rows[head + 1] == ["a", "0.9", "0.04", "1200", "1.16"]
    assert rows[head + 2] == ["b", "1.1", "0.05", "3", ""]
    coarse = rows.index(["coarse: labelled \\ predicted", "1-5", "6-10"])
    assert rows[coarse + 1] == ["1-5", "3", "1"]
    assert ["data_digest", "0" * 64] in rows
    assert ["feature_sets", '["signal@2"]'] in rows


def test_csv_says_what_was_found_before_the_tables_and_the_notes_after_them():
    rows = list(csv.reader(io.StringIO(report().to_csv())))

    assert rows.index(["a is best."]) < rows.index(["All"]) < rows.index(["note", "a note"])


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_name_that_a_spreadsheet_would_run_is_quoted(text):
    table = Table("names", (Column(text, "text"),), ((text,),))

    assert list(table_rows(table)) == [[f"'{text}"], [f"'{text}"]]


def test_a_name_that_a_spreadsheet_would_run_is_quoted_wherever_it_stands():
    findings = Findings(
        ("a",),
        (Table("=title", (Column("n", "count"),), ((-3,),)),),
        (Matrix("@matrix", ((1, 0), (0, 1)), ("-label", "b")),),
    )
    text = Report("=Title", "?", report().provenance, findings).to_csv()

    rows = list(csv.reader(io.StringIO(text)))
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "@"}]
    assert ["-3"] in rows  # a number stays one
    assert ["'-label", "1", "0"] in rows


def test_a_row_must_fit_its_columns():
    with pytest.raises(ValueError, match="found a row of 2 cells in 'All'; expected 4"):
        Table("All", COLUMNS, (("a", 1.0),))


def test_a_column_is_put_after_another():
    table = with_column(Table("t", COLUMNS[:2], (("a", 1.0),)), Column("features", "count"), [160], after="Name")

    assert [column.name for column in table.columns] == ["Name", "features", "macro-MAE"]
    assert table.rows == (("a", 160, 1.0),)


def test_shares_of_a_matrix_are_of_its_rows():
    assert matrix("m", [[3, 1], [0, 0]], ("a", "b")).shares == ((0.75, 0.25), (0, 0))


def test_the_text_holds_everything_and_leaves_out_what_is_not_known():
    text = report([("a", Estimate(0.9, 0.04), 1200, 1.16), ("b", Estimate(1.1, float("nan")), 3, None)]).findings
    printed = report_text(Report("Title", "Question?", report().provenance, text))

    assert "Title: Question?\na is best." in printed
    assert "a     0.900 ± 0.040  1,200   1.160" in printed
    assert "nan" not in printed
    assert "Note: a note." in printed
    assert " 1-5    3    1" in printed
    assert "signal" not in printed.split("Note")[0]
