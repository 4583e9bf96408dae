"""What every chart here is: a drawing, the table of its numbers, and where these can be downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse

from energyapp.charts import Table


@dataclass(frozen=True)
class Chart:
    """Without a drawing the table itself is shown, its bars being drawing enough.

    Attributes
    ----------
    note
        Beside the title: how to read it.
    caption
        Below it: what it says.
    missing
        Where there is nothing to show: why, and what to do.
    rows
        Small drawings with a name and a number, below the large one.
    as_of
        When its facts were counted, where that was not just now.
    """

    name: str
    title: str
    table: Table
    csv_url: str
    note: str = ""
    drawings: tuple[str, ...] = ()
    caption: str = ""
    missing: str = ""
    rows: tuple[tuple[str, str, str], ...] = ()
    as_of: datetime | None = None


def as_download(table: Table, *, name: str) -> HttpResponse:
    return HttpResponse(
        table.csv(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
