"""The options of an experiment as fields of a form. What they may be stands in the catalogue, but for what depends on the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from django.db.models import Exists, OuterRef

from annotations.annotators.people import names_of
from annotations.models import Annotation, AnnotatorExclusion, User
from modeling import services
from modeling.core.feature_sets import FEATURE_SETS
from modeling.core.lab.experiment import Experiment, parsed_options

MAX_LENGTH = 300
MAX_NAMES = 20


def people() -> tuple[str, ...]:
    """Everybody who has labelled and is not excluded from training, as reports and the page of an annotator call them.

    Whether any label of theirs still counts is not asked: that takes as long as reading all decisions.
    """
    labelled = Annotation.objects.filter(annotator=OuterRef("pk"))
    known = User.objects.filter(Exists(labelled)).exclude(pk__in=AnnotatorExclusion.objects.excluded())
    return tuple(sorted(names_of(known).values()))


# What the catalogue does not know of options of that name.
NAMES: dict[str, Callable[[], tuple[str, ...]]] = {
    "sets": lambda: tuple(each.key for each in FEATURE_SETS.values()),
    "annotator": people,
}


@dataclass(frozen=True)
class Field:
    """One option. `text` is what stands in it: what somebody has typed, however wrong."""

    name: str
    kind: Literal["number", "select", "checkbox", "text"]
    text: str
    help: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    error: str = ""

    @property
    def label(self) -> str:
        """
        >>> Field("n_folds", "number", "4", "", 2, 20, ()).label
        'Folds'
        """
        return self.name.removeprefix("n_").replace("_", " ").capitalize()


@dataclass(frozen=True)
class Form:
    """The options of one experiment, as text and, where nothing is wrong with them, as values."""

    fields: list[Field]
    options: dict[str, Any]

    @property
    def is_valid(self) -> bool:
        return not any(field.error for field in self.fields)


def form_of(kind: type[Experiment], texts: Mapping[str, str] | None = None) -> Form:
    """The form with these texts, checked one by one; what is not given is as it usually is."""
    options: dict[str, Any] = {}
    shown = []
    for each in fields(kind):
        if each.name in kind.idle:
            continue
        text = (texts or {}).get(each.name, text_of(each.default))[:MAX_LENGTH]
        value, error = _checked(kind, each.name, text)
        options[each.name] = value
        shown.append(_field(each.name, each.default, each.metadata, text, error))
    return Form(shown, options)


def text_of(value: Any) -> str:
    """
    >>> text_of(("gp", "svr")), text_of(True), text_of(4)
    ('gp, svr', 'yes', '4')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _checked(kind: type[Experiment], name: str, text: str) -> tuple[Any, str]:
    try:
        options = parsed_options(kind, {name: text})
        services.question(name=kind.name, options=options)
        if name == "annotator":
            _refuse_unknown(options[name])
    except ValueError as problem:
        return None, str(problem)
    return options[name], ""


def _refuse_unknown(annotator: str) -> None:
    if annotator and annotator not in (names := people()):
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        expected = f"one of {', '.join(names[:MAX_NAMES])}{more}" if names else "nobody, as nobody has labelled"
        raise ValueError(f"found annotator {annotator!r}; expected {expected}")


def _field(name: str, default: Any, metadata: Mapping[str, Any], text: str, error: str) -> Field:
    choices = metadata["choices"] or NAMES.get(name, tuple)()
    help = metadata["help"]
    if isinstance(default, tuple):
        help += f" Separated by commas; there are: {', '.join(choices)}."
    kind = _kind(default, choices)
    if kind == "select" and not metadata["choices"]:
        choices = (default, *choices)  # none of them
    return Field(name, kind, text, help, metadata["low"], metadata["high"], choices, error)


def _kind(default: Any, choices: tuple[str, ...]) -> Literal["number", "select", "checkbox", "text"]:
    if isinstance(default, bool):
        return "checkbox"
    if isinstance(default, int | float):
        return "number"
    return "select" if choices and isinstance(default, str) else "text"
