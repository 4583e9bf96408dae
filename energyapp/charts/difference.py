"""Where two confusion matrices differ."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from energyapp.charts.matrix import (
    BOTTOM,
    CELL,
    GAP,
    LEFT,
    MAX_OPACITY,
    MIN_OPACITY,
    TOP,
)
from energyapp.charts.scale import require_finite
from energyapp.charts.svg import drawing, tag, text, titled


def difference_matrix(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], *, label: str) -> SafeString:
    """How many more (+) or fewer (−) cases each cell of `after` has; the sign is written, and has a colour of its own.

    Raises
    ------
    ValueError
        If the matrices are empty, not square, or not of one size, or a count is not finite.
    """
    n = len(before)
    if not n or any(len(matrix) != n or any(len(row) != n for row in matrix) for matrix in (before, after)):
        raise ValueError(f"found matrices of {n} and {len(after)} rows; expected two square ones of one size")
    change = [[b - a for a, b in zip(*rows, strict=True)] for rows in zip(before, after, strict=True)]
    require_finite([value for row in change for value in row], "counts")
    largest = max(abs(value) for row in change for value in row) or 1.0
    middles = [(i + 0.5) * CELL for i in range(n)]
    return drawing(
        *(_cell(i, j, value, largest) for i, row in enumerate(change) for j, value in enumerate(row)),
        *(text(i + 1, x=LEFT - 9, y=TOP + at + 4, anchor="end", class_="") for i, at in enumerate(middles)),
        *(text(j + 1, x=LEFT + at, y=TOP - 8, class_="") for j, at in enumerate(middles)),
        text("predicted →", x=LEFT + n * CELL / 2, y=TOP + n * CELL + BOTTOM - 6),
        width=LEFT + n * CELL + 4,
        height=TOP + n * CELL + BOTTOM,
        label=f"{label}: {sum(value != 0 for row in change for value in row)} cells differ",
        class_="matrix",
        has_links=False,
    )


def _cell(i: int, j: int, value: float, largest: float) -> SafeString:
    side = CELL - GAP
    box = {"x": LEFT + j * CELL + GAP / 2, "y": TOP + i * CELL + GAP / 2, "width": side, "height": side, "rx": 4.0}
    if not value:
        return tag("rect", class_="cell empty", **box)
    opacity = MIN_OPACITY + (MAX_OPACITY - MIN_OPACITY) * abs(value) / largest
    written = f"{value:+g}".replace("-", "−")
    return titled(
        f"label {i + 1}, predicted {j + 1}: {written}",
        tag("rect", class_="cell" if value > 0 else "cell below", fill_opacity=f"{opacity:.2f}", **box),
        text(written, x=box["x"] + side / 2, y=box["y"] + side / 2 + 4, class_="value"),
    )
