"""Other people's CSV files: a bad row never stops the good ones, and no file stops the import without saying why."""

import codecs
import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotations.intake.csv_rows import FileRefused, RefusedRows, Row, read_rows, report_path

HEADER = b"track_uri,title\n"


@pytest.fixture
def rows_of(tmp_path):
    def read(content: bytes | str) -> list[Row]:
        path = tmp_path / "tracks.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_rows(path, required=("track_uri",)))

    return read


def lines_and_titles(rows):
    return [(row.line, row.cells["title"]) for row in rows if not row.problem]


def problems(rows):
    return {row.line: row.problem for row in rows if row.problem}


# ---- What is read


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_all_three_line_ends_are_read(rows_of, line_end):
    rows = rows_of(line_end.join([b"track_uri,title", b"t:1,One", b"t:2,Two", b""]))

    assert lines_and_titles(rows) == [(2, "One"), (3, "Two")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(rows_of):
    assert lines_and_titles(rows_of(b"\xef\xbb\xbf" + HEADER + b"t:1,One\n")) == [(2, "One")]


def test_columns_are_found_by_name_whatever_their_order_case_and_spaces(rows_of):
    (row,) = rows_of("Title , mood, TRACK_URI\nOne, calm , t:1\n")

    assert row.cells == {"title": "One", "mood": "calm", "track_uri": "t:1"}


def test_columns_without_a_name_are_left_alone(rows_of):
    assert lines_and_titles(rows_of("track_uri,title,,\nt:1,One,,\n")) == [(2, "One")]


def test_blank_lines_are_no_rows(rows_of):
    assert lines_and_titles(rows_of(HEADER + b"\nt:1,One\n\n\nt:2,Two\n")) == [(3, "One"), (6, "Two")]


def test_line_numbers_are_those_of_the_file_after_quoted_line_breaks_too(rows_of):
    rows = rows_of(HEADER + b't:1,"One\nand\nmore"\nt:2,Two\n')

    assert lines_and_titles(rows) == [(2, "One\nand\nmore"), (5, "Two")]


def test_a_file_with_only_its_first_line_has_no_rows(rows_of):
    assert rows_of(HEADER) == []


# ---- What spoils its own row only


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"t:2", "has 1 cells; the first line has 2"),
        (b"t:2,Two,3", "has 3 cells; the first line has 2"),
        (b"t:2,Caf\xe9", "title holds bytes that are not UTF-8; save the file as UTF-8"),
        (b"t:2,\x00", "title holds a zero byte"),
        (b"t:2," + b"x" * 10_001, "field larger than field limit"),
        (b"t:2," + b"x" * 2**20, "more than 100000 characters"),
        (b't:2,"Two"oo', "cannot be read as CSV"),
        (b't:2,"Two', "is a quote left open?"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_the_rows_around_it_are_read(rows_of, bad, reason):
    rows = rows_of(HEADER + b"t:1,One\n" + bad + b'\nt:3,"Three"\nt:4,Four\n')

    assert lines_and_titles(rows) == [(2, "One"), (4, "Three"), (5, "Four")]
    assert list(problems(rows)) == [3]
    assert reason in problems(rows)[3]


def test_an_open_quote_in_the_last_row_is_told(rows_of):
    rows = rows_of(HEADER + b't:1,One\nt:2,"Two')

    assert lines_and_titles(rows) == [(2, "One")]
    assert "unexpected end of data" in problems(rows)[3]


def test_an_open_quote_takes_no_row_with_it_however_many_follow(rows_of):
    good = [f"t:{i},Title {i}" for i in range(3_000)]

    rows = rows_of("\n".join(["track_uri,title", 't:x,"open', *good, 't:y,"open again']))

    assert [row.cells["title"] for row in rows if not row.problem] == [f"Title {i}" for i in range(3_000)]
    assert list(problems(rows)) == [2, 3_003]


def test_a_file_that_opens_and_closes_quotes_without_end_is_read_in_bounded_time(rows_of):
    assert len(rows_of(HEADER + b't:1,"\n' + b'","\n' * 5_000)) >= 5_000 / 2


# ---- What no row can be read from


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty; expected a first line with the columns track_uri"),
        (b"\n", "has no column 'track_uri'"),
        (b"title,genres\n", r"has no column 'track_uri'. Its first line is 'title,genres'."),
        (b"track_uri;title\nt:1;One\n", "separated by semicolons. Save it with commas"),
        (b"track_uri\ttitle\nt:1\tOne\n", "separated by tabs. Save it with commas"),
        (b"track_uri|title\nt:1|One\n", "separated by bars. Save it with commas"),
        (b"track_uri,title,Title\n", "names the column 'title' twice"),
        ("track_uri,title\n".encode("utf-16"), "is UTF-16: save it as CSV UTF-8"),
        (codecs.BOM_UTF16_BE + "track_uri,title\n".encode("utf-16-be"), "is UTF-16: save it as CSV UTF-8"),
        (
            b"PK\x03\x04 an Excel file",
            r"is a spreadsheet of an office program \(xlsx\), or a zip archive: save it as CSV",
        ),
        (b'track_uri,"title\nt:1,One\n', "first line of .* cannot be read as CSV"),
        (b"\x00" * 300_000, "first line of .* cannot be read as CSV"),
        (bytes(range(256)) * 40, "has no column 'track_uri'. Its first line is not text in UTF-8. Save it as CSV"),
        (b"t\xeftel,genres\n", "Its first line is not text in UTF-8"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_was_found(rows_of, content, reason):
    with pytest.raises(FileRefused, match=reason):
        rows_of(content)


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(FileRefused, match="cannot be read: Is a directory"):
        list(read_rows(tmp_path, required=()))


# ---- Any text

texts = st.text(st.sampled_from('ab1,;"\n\r \t\x00é\ud800=') | st.characters(), max_size=200)


def rows_of_text(text: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.csv"
        path.write_bytes(HEADER + text.encode("utf-8", "surrogatepass"))
        return list(read_rows(path, required=("track_uri",)))


@given(texts.map(lambda text: text.replace('"', "")))
def test_of_any_text_without_quotes_each_row_is_read_or_refused(text):
    by_csv = list(csv.reader(io.StringIO(text, newline="")))

    assert len(rows_of_text(text)) == sum(bool(cells) for cells in by_csv)


@given(texts)
def test_of_any_text_no_line_is_lost_and_none_is_read_twice(text):
    rows = rows_of_text(text)

    read = "".join(row.text for row in rows).encode("utf-8", "surrogateescape")
    assert read.replace(b"\r", b"\n").split() == text.encode("utf-8", "surrogatepass").replace(b"\r", b"\n").split()
    assert [row.line for row in rows] == sorted({row.line for row in rows})


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20))))
def test_whatever_csv_writes_is_read_back(pairs):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(pairs)

    rows = rows_of_text(text.getvalue())

    spoilt = [any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in "".join(pair)) for pair in pairs]
    assert [bool(row.problem) for row in rows] == spoilt
    assert [tuple(row.cells.values()) for row in rows] == [tuple(cell.strip() for cell in pair) for pair in pairs]


# ---- The report of what was refused


def refuse(path: Path, *texts: str) -> list[list[str]]:
    with RefusedRows(path) as refused:
        for line, text in enumerate(texts, start=2):
            refused.add(Row(line, text, {}), "because")
    return list(csv.reader(path.open(encoding="utf-8", newline=""))) if path.exists() else []


def test_the_report_holds_line_reason_and_the_row_as_it_was(tmp_path):
    assert refuse(tmp_path / "report.csv", '11,"t:1, or so"\r\n') == [
        ["line", "reason", "row"],
        ["2", "because", '11,"t:1, or so"'],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_a_formula_in_a_refused_row_is_text_to_a_spreadsheet(tmp_path, text):
    assert refuse(tmp_path / "report.csv", text)[1][2] == f"'{text}"


def test_bytes_that_are_no_text_can_be_reported(tmp_path):
    assert refuse(tmp_path / "report.csv", "t:1,Caf\udce9")[1][2] == "t:1,Caf\\udce9"


def test_an_earlier_report_does_not_outlive_an_import_that_refused_nothing(tmp_path):
    refuse(tmp_path / "report.csv", "t:1")

    assert refuse(tmp_path / "report.csv") == []
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_cannot_be_written_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(FileRefused, match="Nothing was imported; name another place with --refused"):
        refuse(tmp_path / "no such folder" / "report.csv")


def test_a_report_never_overwrites_the_file_it_is_about(tmp_path):
    (tmp_path / "link.csv").symlink_to("tracks.csv")

    with pytest.raises(FileRefused, match="that is the file to import"):
        report_path(tmp_path / "tracks.csv", tmp_path / "link.csv")
