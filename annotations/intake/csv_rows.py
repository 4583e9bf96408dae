"""Reading other people's CSV files: streaming, and a bad row never stops the good ones."""

from __future__ import annotations

import codecs
import csv
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import TextIO

from energyapp.spreadsheets import as_it_was, defused

# More is no title, link or row of numbers. Without limits one open quote, or a file of one line, would fill the memory.
MAX_CELL_CHARACTERS = 10_000
MAX_ROW_CHARACTERS = 100_000
MAX_ROW_LINES = 100
_OTHER_FORMATS = {
    b"PK\x03\x04": "a spreadsheet of an office program (xlsx), or a zip archive: save it as CSV (UTF-8)",
    codecs.BOM_UTF16_LE: "UTF-16: save it as CSV UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16: save it as CSV UTF-8",
}


class FileRefused(Exception):
    """The file as a whole cannot be read as what it is said to be."""


class RowRefused(Exception):
    """One row cannot be taken; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Row:
    """One row after the header: its cells by column name, or why it cannot be read."""

    line: int
    text: str
    cells: dict[str, str]
    problem: str = ""


def read_rows(path: Path, *, required: tuple[str, ...]) -> Iterator[Row]:
    """The rows of a comma-separated UTF-8 file, one at a time, in any file size.

    Parameters
    ----------
    path
        With or without a byte order mark.
    required
        Columns without which the file makes no sense.

    Raises
    ------
    FileRefused
        Not readable, another format, empty, a column missing or named twice, or not comma-separated.
    """
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        binary = path.open("rb")
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error.strerror}") from None
    # surrogateescape: bytes that are no UTF-8 spoil their own row only.
    with TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        _refuse_other_formats(binary.peek(4), path)
        lines = _Lines(file)
        # Not strict, csv takes an open quote at the end of the file for one cell that holds all the rows after it.
        reader = csv.reader(lines, strict=True)
        columns = _read_header(reader, path, required)
        while row := _next_row(reader, lines, columns):
            if row.cells or row.problem:
                yield row


def _refuse_other_formats(head: bytes, path: Path) -> None:
    """What spreadsheets save under the name of a CSV, and reads like a first line of nonsense."""
    for beginning, words in _OTHER_FORMATS.items():
        if head.startswith(beginning):
            raise FileRefused(f"{path} is {words}")


class _Lines:
    """The lines of a file, counted. Those that a broken row has run into can be given back and read again."""

    def __init__(self, file: TextIO) -> None:
        self.number = 0
        self._file = file
        self._given_back: deque[str] = deque()
        self.start_row()

    def start_row(self) -> None:
        self.taken: list[str] = []
        self._n_characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        self._n_characters += len(line)
        if self._n_characters >= MAX_ROW_CHARACTERS:
            raise csv.Error(f"more than {MAX_ROW_CHARACTERS} characters")
        if len(self.taken) > MAX_ROW_LINES:
            raise csv.Error(f"more than {MAX_ROW_LINES} lines")
        return line

    def _read(self) -> str:
        """The next line; of an endless one its beginning."""
        line = part = self._file.readline(MAX_ROW_CHARACTERS)
        while len(part) == MAX_ROW_CHARACTERS and not part.endswith(("\n", "\r")):
            part = self._file.readline(MAX_ROW_CHARACTERS)
        return line

    def give_back_all_but_first(self) -> None:
        self.number -= len(self.taken) - 1
        self._given_back.extendleft(reversed(self.taken[1:]))


def _next_row(reader: Iterator[list[str]], lines: _Lines, columns: list[str]) -> Row | None:
    """The next row, without cells where the line is blank; None after the last."""
    lines.start_row()
    line = lines.number + 1
    try:
        cells, problem = next(reader), ""
    except StopIteration:
        return None
    except csv.Error as error:
        cells, problem = [], f"cannot be read as CSV: {error}"
    if cells and len(cells) != len(columns):
        problem = f"has {len(cells)} cells; the first line has {len(columns)}"
    if not problem:
        text = "".join(lines.taken)
        return _row(line, text, columns, cells) if cells else Row(line, text, {})
    if len(lines.taken) > 1:
        problem += f". It ran on to line {lines.number}: is a quote left open?"
        lines.give_back_all_but_first()
    return Row(line, lines.taken[0], {}, problem)


def _read_header(reader: Iterator[list[str]], path: Path, required: tuple[str, ...]) -> list[str]:
    try:
        columns = [name.strip().lower() for name in next(reader)]
    except StopIteration:
        raise FileRefused(f"{path} is empty; expected a first line with the columns {', '.join(required)}") from None
    except csv.Error as error:
        raise FileRefused(f"the first line of {path} cannot be read as CSV: {error}") from None
    if missing := [name for name in required if name not in columns]:
        raise FileRefused(f"{path} has no column {_listed(missing)}. {_what_was_found(columns)}")
    # Columns without a name are what spreadsheets leave behind the last one.
    if twice := sorted(name for name, n in Counter(columns).items() if name and n > 1):
        raise FileRefused(f"{path} names the column {_listed(twice)} twice; each may occur once")
    return columns


def _what_was_found(columns: list[str]) -> str:
    first_line = ",".join(columns)
    shown = ascii(first_line if len(first_line) <= 120 else first_line[:120] + "…")
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(columns) == 1 and separator in first_line:
            return f"Its first line is {shown}: it looks separated by {name}. Save it with commas."
    if any(character < " " or "\udc80" <= character <= "\udcff" for character in first_line):
        return "Its first line is not text in UTF-8. Save it as CSV in UTF-8, with commas."
    return f"Its first line is {shown}."


def _row(line: int, text: str, columns: list[str], values: list[str]) -> Row:
    # Our own exports keep spreadsheets from running cells: here these are again what they were.
    cells = {name: as_it_was(value.strip()) for name, value in zip(columns, values, strict=True)}
    for name, value in cells.items():
        if any("\ud800" <= character <= "\udfff" for character in value):
            return Row(line, text, cells, f"{name} holds bytes that are not UTF-8; save the file as UTF-8")
        if "\x00" in value:
            return Row(line, text, cells, f"{name} holds a zero byte")
    return Row(line, text, cells)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


def report_path(imported: Path, chosen: Path | None) -> Path:
    """Where the refused rows of a file go: beside it, unless another place is chosen.

    >>> report_path(Path("labels.csv"), None).name
    'labels.refused.csv'
    """
    path = chosen or imported.with_suffix(".refused.csv")
    if path.resolve() == imported.resolve():
        raise FileRefused(f"The refused rows cannot be written to {path}: that is the file to import.")
    return path


class RefusedRows:
    """Writes what was refused beside the reason, as a CSV that a person can mend and import again.

    The file is opened before the first row is stored, so that an import whose refusals could not be told does not
    begin. It is removed again when nothing was refused: an earlier import's would be taken for this one's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def __enter__(self) -> RefusedRows:
        try:
            # A line at a time, so that an import that is killed has told what it refused.
            self._file = self.path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace", newline="")
        except OSError as error:
            raise FileRefused(
                f"The refused rows cannot be written to {self.path}: {error.strerror}. Nothing was imported; "
                "name another place with --refused."
            ) from None
        self._writer = csv.writer(self._file)
        self._writer.writerow(["line", "reason", "row"])
        return self

    def add(self, row: Row, reason: str) -> None:
        self._writer.writerow([row.line, reason, defused(row.text.rstrip("\r\n")[:500])])
        self.count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.count:
            self.path.unlink()
