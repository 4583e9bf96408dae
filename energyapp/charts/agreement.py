"""How far each two agree, as a triangle: what they agree on is the same seen from either."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from energyapp.charts.matrix import MAX_OPACITY, MIN_OPACITY
from energyapp.charts.svg import drawing, no_data, tag, text, titled

CELL, GAP = 31.0, 1.5
LEFT, TOP = 118.0, 8.0
LONGEST_NAME = 15
SMALLEST = 420.0  # narrower drawings would be drawn very large
LARGE = 14  # so many names cannot be read at half the width of a page


def agreement_triangle(
    names: Sequence[str],
    values: Sequence[Sequence[float | None]],
    *,
    n_shared: Sequence[Sequence[int]],
    label: str,
    unit: str = "kappa",
    hrefs: Sequence[str | None] | None = None,
) -> SafeString:
    """A cell for each two, with its value, stronger the nearer it is to 1; below 0 in another colour.

    Parameters
    ----------
    names : shape (n,)
        Of the rows; columns are numbered like these.
    values : shape (n, n), at most 1, or None where it is not known
        Only what lies below the diagonal is drawn.
    n_shared : shape (n, n)
        Of how many each value was made.
    hrefs : shape (n,), optional
        Where a click on each name leads.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    n = len(names)
    links = hrefs if hrefs is not None else [None] * n
    if len(links) != n or any([len(row) for row in rows] != [n] * n for rows in (values, n_shared)):
        raise ValueError(f"found {n} names; expected as many links, values and shared numbers each way")
    if n < 2:
        return no_data(width=SMALLEST, height=120, label=label)
    cells = [
        _cell(i, j, values[i][j], f"{names[i]} and {names[j]}", n_shared[i][j], unit)
        for i in range(1, n)
        for j in range(i)
    ]
    known = [value for i in range(n) for value in values[i][:i] if value is not None]
    said = f"{unit} from {min(known):.2f} to {max(known):.2f}" if known else "no two share enough"
    return drawing(
        *(_name(i, name, href) for i, (name, href) in enumerate(zip(names, links, strict=True))),
        *cells,
        *(text(j + 1, x=LEFT + (j + 0.5) * CELL, y=TOP + n * CELL + 14) for j in range(n - 1)),
        width=max(LEFT + n * CELL, SMALLEST),
        height=TOP + n * CELL + 20,
        label=f"{label}: {said}",
        class_="matrix triangle large" if n > LARGE else "matrix triangle",
        has_links=any(links),
    )


def _name(i: int, name: str, href: str | None) -> SafeString:
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    written = text(f"{i + 1} {shown}", x=0, y=TOP + (i + 0.5) * CELL + 4, anchor="start", class_="")
    return titled(name, written, href=href) if href else written


def _cell(i: int, j: int, value: float | None, whom: str, n: int, unit: str) -> SafeString:
    side = CELL - GAP
    box = {"x": LEFT + j * CELL, "y": TOP + i * CELL, "width": side, "height": side, "rx": 4.0}
    if value is None:
        return titled(f"{whom}: too few ({n} shared)", tag("rect", class_="cell empty", **box))
    opacity = MIN_OPACITY + (MAX_OPACITY - MIN_OPACITY) * min(1.0, abs(value))
    shape = tag("rect", class_="cell" if value >= 0 else "cell below", fill_opacity=f"{opacity:.2f}", **box)
    written = text(short(value), x=box["x"] + side / 2, y=box["y"] + side / 2 + 4, class_="value")
    return titled(f"{whom}: {unit} {value:.2f}, {n} shared", shape, written)


def short(value: float) -> str:
    """As narrow as a cell: without the nought.

    >>> short(0.735), short(-0.5), short(1.0), short(-0.001)
    ('.73', '−.50', '1', '.00')
    """
    rounded = round(value, 2)
    if abs(rounded) >= 1:
        return f"{rounded:g}".replace("-", "−")
    return ("−" if rounded < 0 else "") + f"{abs(rounded):.2f}"[1:]
