"""Small bars that stand in a table cell beside their number, or in a row of their own."""

from collections.abc import Sequence

from django.utils.safestring import SafeString

from energyapp.charts.scale import require_finite
from energyapp.charts.svg import tag

THICKNESS = 6.0
SPARK_WIDTH, SPARK_HEIGHT = 240.0, 26.0


def share_bar(share: float, *, label: str = "") -> SafeString:
    """A share of a whole, 0 to 1.

    Without a label it is decoration and hidden from screen readers: right where the number is written beside it.

    Raises
    ------
    ValueError
        If the share is outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"a share lies between 0 and 1, found {share}")
    return _meter(share, width=56, label=label)


def value_bar(value: float, *, maximum: float, label: str = "") -> SafeString:
    """A value beside others of its column, `maximum` being as long as a bar gets; longer ones are cut off there.

    Raises
    ------
    ValueError
        If a number is not finite or negative, or the maximum is zero.
    """
    require_finite([value, maximum], "value and maximum")
    if value < 0 or maximum <= 0:
        raise ValueError(f"need value >= 0 and maximum > 0, found {value=}, {maximum=}")
    return _meter(min(1.0, value / maximum), width=150, label=label)


def spark_bars(values: Sequence[float], *, maximum: float, label: str) -> SafeString:
    """A bar for each value, side by side and small: one of several rows that share a maximum.

    Raises
    ------
    ValueError
        If a number is not finite or negative, or the maximum is zero.
    """
    require_finite([*values, maximum], "values and maximum")
    if min(values, default=0) < 0 or maximum <= 0:
        raise ValueError(f"need values >= 0 and maximum > 0, found {min(values)} and {maximum}")
    step = SPARK_WIDTH / max(len(values), 1)
    bars = (
        tag(
            "rect",
            class_="meter-value",
            x=i * step,
            y=SPARK_HEIGHT * (1 - value / maximum),
            width=max(step - 1, 1.0),
            height=SPARK_HEIGHT * value / maximum,
        )
        for i, value in enumerate(values)
        if value
    )
    return tag(
        "svg",
        tag("line", class_="axis", x1=0, x2=SPARK_WIDTH, y1=SPARK_HEIGHT, y2=SPARK_HEIGHT),
        *bars,
        class_="spark",
        preserveAspectRatio="none",
        viewBox=f"0 0 {SPARK_WIDTH:g} {SPARK_HEIGHT:g}",
        role="img",
        aria_label=label,
    )


def _meter(share: float, *, width: float, label: str) -> SafeString:
    box = {"height": THICKNESS, "rx": THICKNESS / 2}
    name: dict[str, str] = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return tag(
        "svg",
        tag("rect", class_="meter-rest", width=width, **box),
        tag("rect", class_="meter-value", width=share * width, **box) if share else "",
        class_="meter",
        width=width,
        height=THICKNESS,
        viewBox=f"0 0 {width:g} {THICKNESS:g}",
        **name,
    )
