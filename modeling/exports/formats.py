"""Writing rows to a file, a chunk at a time: CSV for spreadsheets, JSON Lines for programs, Parquet for data frames."""

from __future__ import annotations

import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from energyapp.spreadsheets import defused
from modeling.exports.models import Export
from modeling.exports.tables import Column, Row


class Writer(ABC):
    """`with Writer(path, columns) as writer:`, then chunk by chunk. A new file, never one that is there."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.open(path)

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def open(self, path: Path) -> None: ...

    @abstractmethod
    def write(self, rows: Iterable[Row]) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class CsvWriter(Writer):
    """UTF-8 with a line that names the columns; times in ISO 8601; nothing that a spreadsheet would run."""

    def open(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow([column.name for column in self.columns])

    def write(self, rows: Iterable[Row]) -> None:
        text = [place for place, column in enumerate(self.columns) if column.kind == "text"]
        time = [place for place, column in enumerate(self.columns) if column.kind == "time"]
        self._writer.writerows(_as_text(list(row), text, time) for row in rows)

    def close(self) -> None:
        self._file.close()


def _as_text(cells: list[Any], text: Sequence[int], time: Sequence[int]) -> list[Any]:
    for place in text:
        cells[place] = defused(cells[place])
    for place in time:
        cells[place] = cells[place].isoformat()
    return cells


class JsonLinesWriter(Writer):
    """An object a line, UTF-8."""

    def open(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", newline="\n")
        self._names = [column.name for column in self.columns]

    def write(self, rows: Iterable[Row]) -> None:
        for row in rows:
            cells = dict(zip(self._names, row, strict=True))
            self._file.write(json.dumps(cells, ensure_ascii=False, default=_as_json) + "\n")

    def close(self) -> None:
        self._file.close()


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else float(str(value))  # a float32's own digits


class ParquetWriter(Writer):
    """Typed columns, packed. pyarrow loads here, in a worker."""

    def open(self, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
            "time": pa.timestamp("us", tz="UTC"),
        }
        self._schema = pa.schema([(column.name, types[column.kind]) for column in self.columns])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Iterable[Row]) -> None:
        import pyarrow as pa

        of_column = zip(*rows, strict=True)
        arrays = [pa.array(cells, field.type) for cells, field in zip(of_column, self._schema, strict=True)]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


WRITERS: dict[str, type[Writer]] = {
    Export.Format.CSV: CsvWriter,
    Export.Format.JSON_LINES: JsonLinesWriter,
    Export.Format.PARQUET: ParquetWriter,
}
