"""A confusion matrix as a heat map."""

from collections.abc import Callable, Sequence
from typing import Literal

from django.utils.safestring import SafeString

from energyapp.charts.scale import require_finite
from energyapp.charts.svg import drawing, tag, text, titled

CELL, GAP = 31.0, 1.5
LEFT, TOP, BOTTOM = 44.0, 26.0, 22.0
# The ink on the strongest cell keeps a contrast of 4.5:1 up to here, in both themes (.cell in charts.css).
MAX_OPACITY = 0.7
MIN_OPACITY = 0.06
# So few rows would be drawn very large at the width of ten.
FEW = 6


def confusion_matrix(
    counts: Sequence[Sequence[float]],
    *,
    label: str,
    href: Callable[[int, int], str | None] | None = None,
    row_name: str = "true",
    column_name: str = "predicted",
    names: Sequence[str] | None = None,
    written: Literal["per cent", "count"] = "per cent",
) -> SafeString:
    """Per cent of each row, numbered from 1 or named; the colour is the stronger the larger the per cent.

    Parameters
    ----------
    counts : shape (n_levels, n_levels), >= 0
        Row: what is true; column: what was predicted.
    href : callable (row, column) -> str or None, optional
        Where a click on a cell that is not empty leads; row and column count from 1.
    names : shape (n_levels,), optional
        Short: what rows and columns are called.
    written
        What stands in the cells; counts of 10,000 and more are rounded.

    Raises
    ------
    ValueError
        If the matrix is empty or not square, a count is negative or not finite, or the names are not as many.
    """
    _check(counts)
    n = len(counts)
    names = [str(i + 1) for i in range(n)] if names is None else names
    if len(names) != n:
        raise ValueError(f"names must be as many as rows ({n}), found {len(names)}")
    strongest = max((max(row) / sum(row) for row in counts if sum(row)), default=1.0)
    cells = []
    for i, row in enumerate(counts):
        for j, count in enumerate(row):
            if not count:
                cells.append(tag("rect", class_="cell empty", **_box(i, j)))
                continue
            share = count / sum(row)
            percent = f"{100 * share:.0f}" if share >= 0.005 else "<1"
            title = f"{row_name} {names[i]}, {column_name} {names[j]}: {count:g} of {sum(row):g} ({percent} %)"
            value = percent if written == "per cent" else _short(count)
            cells.append(_cell(i, j, share / strongest, value, title, href(i + 1, j + 1) if href else None))
    width, height = LEFT + n * CELL + 4, TOP + n * CELL + BOTTOM
    return drawing(
        *cells,
        *(text(name, x=LEFT - 9, y=_middle(i, TOP) + 4, anchor="end", class_="") for i, name in enumerate(names)),
        *(text(name, x=_middle(j, LEFT), y=TOP - 8, class_="") for j, name in enumerate(names)),
        text(f"{column_name} →", x=_middle(n / 2 - 0.5, LEFT), y=height - 6),
        tag("text", f"← {row_name}", class_="tick", text_anchor="middle", transform=_upright(TOP + n * CELL / 2)),
        width=width,
        height=height,
        label=f"{label}: {written} of each {row_name} level, by {column_name} level",
        class_="matrix" if n > FEW else "matrix few",
        has_links=href is not None,
    )


def _check(counts: Sequence[Sequence[float]]) -> None:
    if not len(counts) or any(len(row) != len(counts) for row in counts):
        raise ValueError(f"counts must be a square matrix, found rows of length {[len(row) for row in counts]}")
    flat = [count for row in counts for count in row]
    require_finite(flat, "counts")
    if min(flat) < 0:
        raise ValueError(f"counts must be >= 0, found {min(flat)}")


def _short(count: float) -> str:
    """
    >>> _short(17), _short(12_345)
    ('17', '12k')
    """
    return f"{count:g}" if count < 10_000 else f"{count / 1000:.0f}k"


def _cell(i: int, j: int, intensity: float, written: str, title: str, href: str | None) -> SafeString:
    opacity = MIN_OPACITY + (MAX_OPACITY - MIN_OPACITY) * intensity
    # Written here: two decimals, one more than a coordinate has.
    shape = tag("rect", class_="cell", fill_opacity=f"{opacity:.2f}", **_box(i, j))
    value = text(written, x=_middle(j, LEFT), y=_middle(i, TOP) + 4, class_="value")
    return titled(title, shape, value, href=href)


def _box(i: int, j: int) -> dict[str, float]:
    side = CELL - GAP
    return {"x": LEFT + j * CELL + GAP / 2, "y": TOP + i * CELL + GAP / 2, "width": side, "height": side, "rx": 4.0}


def _middle(i: float, offset: float) -> float:
    return offset + (i + 0.5) * CELL


def _upright(y: float) -> str:
    return f"translate(11 {y:g}) rotate(-90)"
