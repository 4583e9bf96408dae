"""Why a label was flagged: one sentence for each reason, with its numbers, from the evidence that the flag carries.

Flags raised by older versions lack some of the numbers: of these the sentence says less.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

from django.utils.formats import date_format

from annotations.models import Flag


def why(flag: Flag) -> str:
    return SENTENCES[Flag.Reason(flag.reason)](flag, flag.evidence)


def _model_error(flag: Flag, evidence: dict[str, Any]) -> str:
    bias = evidence.get("bias")
    habit = f", and with this annotator usually saying {_more(bias)} than others," if bias is not None else ""
    return _sentence(f"by its sound{habit} {_expected(flag)}")


def _neighbours(flag: Flag, evidence: dict[str, Any]) -> str:
    level = evidence.get("neighbours_level")
    alike = level is not None and f"the most similar tracks of other artists are at {level:.1f} on average"
    return _sentence(alike, f"of this annotator {_expected(flag)}")


def _disagreement(flag: Flag, evidence: dict[str, Any]) -> str:
    spread, n_annotators = evidence.get("spread"), evidence.get("n_annotators")
    people = f"{n_annotators} annotators" if n_annotators is not None else "annotators"
    apart = spread is not None and f"{people} lie {spread:.1f} times as far apart as usual, their habits aside"
    return _sentence(apart, f"by what all of them say {_expected(flag)}")


def _gold_missed(flag: Flag, evidence: dict[str, Any]) -> str:
    level, agreed = flag.annotation.level, evidence.get("agreed", flag.expected_level)
    return _sentence(f"leads agreed on {agreed:g} for this track", f"{level} is {_off(level - agreed, n_decimals=0)}")


def _too_fast(flag: Flag, evidence: dict[str, Any]) -> str:
    answered_s, usual_s = evidence.get("answered_s"), evidence.get("usual_s")
    fast = "answered too fast" if answered_s is None else f"answered within {answered_s:.1f} s"
    usual = f", where {usual_s:.1f} s are usual for this annotator" if usual_s is not None else ""
    return _sentence(fast + usual, _expected(flag))


def _drift(flag: Flag, evidence: dict[str, Any]) -> str:
    before, after = evidence.get("bias_before"), evidence.get("bias_after")
    changed: str | None = None
    if before is not None and after is not None:
        changed = f"{_since(evidence)} this annotator says {_more(after)} than others, before it was {_more(before)}"
    return _sentence(changed, f"as before {_expected(flag)}")


def _since(evidence: dict[str, Any]) -> str:
    day, n_after = evidence.get("since"), evidence.get("n_after")
    since = f"since {date_format(date.fromisoformat(day), 'j M Y')}" if day else "by now"
    return since if n_after is None else f"{since} ({n_after} labels)"


def _expected(flag: Flag) -> str:
    """What was expected, and how far off the label is: by the suspicion, as what is expected is kept within the scale."""
    level, expected = flag.annotation.level, flag.expected_level
    gap = flag.suspicion if level > expected else -flag.suspicion
    return f"{expected:.1f} was expected; {level} is {_off(gap)}"


def _off(gap: float, *, n_decimals: int = 1) -> str:
    """
    >>> _off(-6.04), _off(1.0), _off(0.01), _off(3, n_decimals=0)
    ('6.0 levels lower', '1.0 level higher', 'about that', '3 levels higher')
    """
    size = round(abs(gap), n_decimals)
    if not size:
        return "about that"
    return f"{size:.{n_decimals}f} level{'' if size == 1 else 's'} {'higher' if gap > 0 else 'lower'}"


def _more(bias: float) -> str:
    """
    >>> _more(0.24), _more(-1.0), _more(0.04)
    ('0.2 levels more', '1.0 level less', 'no more')
    """
    size = round(abs(bias), 1)
    return f"{size:.1f} level{'' if size == 1 else 's'} {'more' if bias > 0 else 'less'}" if size else "no more"


def _sentence(*clauses: str | bool | None) -> str:
    said = ": ".join(clause for clause in clauses if isinstance(clause, str))
    return f"{said[0].upper()}{said[1:]}."


SENTENCES: dict[Flag.Reason, Callable[[Flag, dict[str, Any]], str]] = {
    Flag.Reason.MODEL_ERROR: _model_error,
    Flag.Reason.NEIGHBOURS: _neighbours,
    Flag.Reason.DISAGREEMENT: _disagreement,
    Flag.Reason.GOLD_MISSED: _gold_missed,
    Flag.Reason.TOO_FAST: _too_fast,
    Flag.Reason.DRIFT: _drift,
}
