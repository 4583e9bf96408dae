"""What an experiment is, for those who ask: its name, its question, its options. Loads nothing heavy."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar


def option(
    default: Any, help: str, *, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """An option: its default, one sentence, and what it may be (a range, or names).

    Its type is that of the default: int, float, bool, str, or a tuple of str.
    """
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


@dataclass(kw_only=True)
class Experiment:
    """A question to labelled tracks. Its fields are its options, by keyword, with their defaults.

    Attributes
    ----------
    name
        What it is called in commands and addresses.
    title, question
        For people: what it is about, what it answers in one sentence.
    thesis
        Where the thesis does the same ("table 3.5"); empty where it goes beyond.
    sets : names of feature sets with version
        Empty: the usual ones.
    idle
        Options of all experiments that change nothing in this one: not offered.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    question: ClassVar[str]
    thesis: ClassVar[str] = ""
    idle: ClassVar[tuple[str, ...]] = ()

    seed: int = option(0, "All randomness: the same seed and data give the same numbers.", low=0, high=2**31 - 1)
    n_folds: int = option(
        4, "Parts the tracks are cut into; each is predicted by models of the others.", low=2, high=20
    )
    n_repeats: int = option(
        1, "How often, with other folds. More make the figures steadier, and take longer.", low=1, high=50
    )
    by_artist: bool = option(True, "Hold out all tracks of an artist together.")
    sets: tuple[str, ...] = option((), "Feature sets to learn from, by name. None: the usual ones.")

    def __post_init__(self) -> None:
        for each in fields(self):
            checked = _checked(each.name, getattr(self, each.name), each.default, each.metadata)
            setattr(self, each.name, checked)

    @property
    def options(self) -> dict[str, Any]:
        """Every option and its value, as JSON holds it: `type(self)(**options)` asks the same."""
        return json.loads(json.dumps({each.name: getattr(self, each.name) for each in fields(self)}))


def parsed_options(kind: type[Experiment], texts: Mapping[str, str]) -> dict[str, Any]:
    """Options from what people type, by name; a tuple is separated by commas.

    Raises
    ------
    ValueError
        If an option is unknown or its text is not of its type. The range is checked when the experiment is made.
    """
    defaults = {each.name: each.default for each in fields(kind)}
    if unknown := sorted(set(texts) - set(defaults)):
        raise ValueError(f"found option {unknown[0]!r}; {kind.name} has {', '.join(defaults)}")
    return {name: _parsed(name, text.strip(), defaults[name]) for name, text in texts.items()}


def output_file(text: str) -> Path:
    """A file to write when all is computed, for argparse: that its folder is missing should not be learnt then."""
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise ArgumentTypeError(f"found {text}; expected a file in a folder that is there")
    return path


def _parsed(name: str, text: str, default: Any) -> Any:
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if isinstance(default, bool):
        if text.lower() not in {"yes", "no", "true", "false"}:
            raise ValueError(f"found {name} {text!r}; expected yes or no")
        return text.lower() in {"yes", "true"}
    try:
        return type(default)(text)
    except ValueError:
        expected = "a whole number" if isinstance(default, int) else "a number"
        raise ValueError(f"found {name} {text!r}; expected {expected}") from None


def _checked(name: str, value: Any, default: Any, metadata: Mapping[str, Any]) -> Any:
    """The value, a list as the tuple that JSON made it of; ValueError where it is of another type, or not among what it may be."""
    value = tuple(value) if isinstance(default, tuple) and isinstance(value, list) else value
    if type(value) is not type(default) and not (type(default) is float and type(value) is int):
        raise ValueError(f"found {name} {value!r}; expected a {type(default).__name__}")
    low, high, choices = metadata["low"], metadata["high"], metadata["choices"]
    if low is not None and not low <= value <= high:
        raise ValueError(f"found {name} {value!r}; expected {low} to {high}")
    if choices and value == ():
        raise ValueError(f"found no {name}; expected some of {', '.join(choices)}")
    for each in value if isinstance(value, tuple) else [value]:
        if isinstance(value, tuple) and not isinstance(each, str):
            raise ValueError(f"found {name} {each!r}; expected a name")
        if choices and each not in choices:
            raise ValueError(f"found {name} {each!r}; expected one of {', '.join(choices)}")
    return value
