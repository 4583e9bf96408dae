"""Reading other people's CSV files: streaming, and a bad row never stops the good ones."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A cell that is longer is no title, link or number; without a limit one open quote would swallow the rest of the file.
MAX_CELL_CHARACTERS = 10_000


class FileRefused(Exception):
    """The file as a whole cannot be read as what it is said to be."""


class RowRefused(Exception):
    """One row cannot be taken; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Row:
    """One line after the header: its cells by column name, or why it cannot be read."""

    line: int
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
        Empty, a column missing or named twice, or not comma-separated.
    """
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    # surrogateescape: bytes that are no UTF-8 spoil their own row only.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        columns = _read_header(reader, path, required)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, {}, f"cannot be read as CSV: {error}")
                continue
            if cells:
                yield _row(line, columns, cells)


def _read_header(reader: Iterator[list[str]], path: Path, required: tuple[str, ...]) -> list[str]:
    try:
        columns = [name.strip().lower() for name in next(reader)]
    except StopIteration:
        raise FileRefused(f"{path} is empty; expected a first line with the columns {', '.join(required)}") from None
    except csv.Error as error:
        raise FileRefused(f"the first line of {path} cannot be read as CSV: {error}") from None
    if missing := [name for name in required if name not in columns]:
        raise FileRefused(f"{path} has no column {_listed(missing)}. {_what_was_found(columns)}")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise FileRefused(f"{path} names the column {_listed(twice)} twice; each may occur once")
    return columns


def _what_was_found(columns: list[str]) -> str:
    first_line = ",".join(columns)
    shown = ascii(first_line if len(first_line) <= 120 else first_line[:120] + "…")
    for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(columns) == 1 and separator in first_line:
            return f"Its first line is {shown}: it looks separated by {name}. Save it with commas."
    return f"Its first line is {shown}."


def _row(line: int, columns: list[str], values: list[str]) -> Row:
    if len(values) != len(columns):
        return Row(line, {}, f"has {len(values)} cells; the first line has {len(columns)}")
    cells = {name: value.strip() for name, value in zip(columns, values, strict=True)}
    for name, value in cells.items():
        if any("\ud800" <= character <= "\udfff" for character in value):
            return Row(line, cells, f"{name} holds bytes that are not UTF-8")
        if "\x00" in value:
            return Row(line, cells, f"{name} holds a zero byte")
    return Row(line, cells)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names)


class RefusedRows:
    """Writes what was refused beside the reason, as a CSV that a person can mend and import again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def add(self, row: Row, reason: str) -> None:
        mode = "a" if self.count else "w"
        with self.path.open(mode, encoding="utf-8", errors="backslashreplace", newline="") as file:
            writer = csv.writer(file)
            if not self.count:
                writer.writerow(["line", "reason", "row"])
            writer.writerow([row.line, reason, _safe(",".join(row.cells.values())[:500])])
        self.count += 1


def _safe(text: str) -> str:
    """A spreadsheet runs a cell that begins with one of these as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
