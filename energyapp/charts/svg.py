"""SVG elements as escaped strings: the only module here that writes angle brackets."""

from collections.abc import Iterable
from functools import cache
from html import escape

from django.utils.safestring import SafeString, mark_safe


def tag(name: str, *children: str, **attributes: str | float | None) -> SafeString:
    """One element. An attribute that is None is left out; `_` in a name becomes `-`, and `class_` is `class`.

    Examples
    --------
    >>> tag("circle", cx=3, r=1.25, fill=None)
    '<circle cx="3" r="1.2"/>'
    >>> tag("text", "a < b", class_="tick", text_anchor="end")
    '<text class="tick" text-anchor="end">a &lt; b</text>'
    """
    # Plain strings, escaped here: a page of drawings has thousands of elements, and format_html takes most of its time.
    opening = "".join(
        [f' {_as_written(key)}="{escape(coordinate(value))}"' for key, value in attributes.items() if value is not None]
    )
    return mark_safe(f"<{name}{opening}>{join(children)}</{name}>" if children else f"<{name}{opening}/>")


@cache
def _as_written(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def join(parts: Iterable[str]) -> SafeString:
    """The parts one after the other, those that are not markup yet escaped."""
    return mark_safe("".join([part if isinstance(part, SafeString) else escape(part) for part in parts]))


def coordinate(value: str | float) -> str:
    """A number with one decimal, the precision of a drawing; text as it is.

    >>> coordinate(12.04), coordinate(3.0), coordinate("end")
    ('12', '3', 'end')
    """
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def text(content: object, *, x: float, y: float, anchor: str = "middle", class_: str = "tick") -> SafeString:
    return tag("text", str(content), class_=class_, x=x, y=y, text_anchor=anchor)


def drawing(*children: str, width: float, height: float, label: str, class_: str, has_links: bool) -> SafeString:
    """The outer `<svg>`.

    With links inside it is a group: an element of role img has no reachable children, so its links would be lost to
    keyboards and screen readers.
    """
    return tag(
        "svg",
        *children,
        class_=f"chart {class_}".strip(),
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        role="group" if has_links else "img",
        aria_label=label,
    )


def titled(title: str, *children: str, href: str | None = None) -> SafeString:
    """Shapes with a tooltip, which is also the name of the link when there is one."""
    content = (tag("title", title), *children)
    return tag("g", *content) if href is None else tag("a", *content, href=href, aria_label=title)


def no_data(*, width: float, height: float, label: str) -> SafeString:
    message = text("Nothing to draw yet", x=width / 2, y=height / 2)
    return drawing(message, width=width, height=height, label=f"{label}: nothing yet", class_="", has_links=False)
