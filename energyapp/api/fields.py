"""What may be sent: of the type that the schema names, and nothing that it does not name.

The framework's own fields take "7" and 7.0 for 7, and 5 for a text: whoever sends these has made a mistake elsewhere.
"""

import math
import re
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

BIGGEST_ID = 2**63 - 1  # what the database can look for
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


class Whole(serializers.IntegerField):
    """A whole number in a body."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            data = int(data)  # JSON knows no difference between 7 and 7.0
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class WholeText(serializers.IntegerField):
    """A whole number in an address."""

    def to_internal_value(self, data: Any) -> int:
        if not _WHOLE.fullmatch(str(data)):
            self.fail("invalid")
        return int(data)


class NumberText(serializers.FloatField):
    """A number in an address."""

    def to_internal_value(self, data: Any) -> float:
        if not _NUMBER.fullmatch(str(data)):
            self.fail("invalid")
        return float(data)


class Id(WholeText):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": BIGGEST_ID, "required": False, **kwargs})


class BodyId(Whole):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": BIGGEST_ID, **kwargs})


class Seconds(serializers.FloatField):
    """In a body."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "required": False, "allow_null": True, **kwargs})

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        try:
            value = float(data)
        except OverflowError:  # JSON has whole numbers of any length
            self.fail("invalid")
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class Text(serializers.CharField):
    """In a body."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(serializers.ChoiceField):
    """In a body or an address."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            known = ", ".join(map(str, self.choices))
            raise ValidationError(f"found {str(data)[:40]!r}; expected one of {known}")
        return data


class Uuid(serializers.UUIDField):
    """In a body."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class Body(serializers.Serializer):
    """What is sent to be done."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            _refuse_unknown(data, self.fields)
        return super().to_internal_value(data)


class Filters(serializers.Serializer):
    """What an address may ask for, beside the page."""

    @classmethod
    def read(cls, query: Any, *, beside: set[str]) -> dict[str, Any]:
        """Raises ValidationError for names that nobody knows, values that make no sense, and what is said twice."""
        filters = cls(data={name: query[name] for name in query if name not in beside})
        _refuse_unknown(query, {*filters.fields, *beside})
        if twice := [name for name in query if len(query.getlist(name)) > 1]:
            raise ValidationError({name: ["was given more than once; say what you want of it once"] for name in twice})
        filters.is_valid(raise_exception=True)
        return dict(filters.validated_data)


def _refuse_unknown(sent: Any, known: Any) -> None:
    if unknown := sorted(set(sent) - set(known)):
        expected = f"expected some of {', '.join(known)}" if known else "expected none"
        raise ValidationError({str(name): [f"there is nothing of this name here; {expected}"] for name in unknown})
