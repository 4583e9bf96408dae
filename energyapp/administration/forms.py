from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone

from annotations.models import User
from energyapp.administration.sources import KINDS, USUAL
from energyapp.administration.timeline import Asked

# What comes before or after is a slip of the pen, and beyond the days that databases know.
DAYS_OF_OURS = [MinValueValidator(dt.date(1970, 1, 1)), MaxValueValidator(dt.date(2999, 12, 31))]


class AuditForm(forms.Form):
    """What of history an address asks for; of nothing, the usual."""

    kind = forms.MultipleChoiceField(choices=list(KINDS.items()), required=False)
    person = forms.CharField(max_length=150, required=False)
    since = forms.DateField(required=False, validators=DAYS_OF_OURS)
    until = forms.DateField(required=False, validators=DAYS_OF_OURS)

    def clean_person(self) -> User | None:
        if not (name := self.cleaned_data["person"]):
            return None
        if (found := User.objects.filter(username=name).first()) is None:
            raise forms.ValidationError(f"Nobody has the username “{name}”.")
        return found

    def asked(self) -> Asked:
        """Both days are meant whole."""
        cleaned: dict[str, Any] = self.cleaned_data
        until = cleaned["until"] and cleaned["until"] + dt.timedelta(days=1)
        kinds = frozenset(cleaned["kind"]) or USUAL
        return Asked(kinds, cleaned["person"], _midnight(cleaned["since"]), _midnight(until))


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return timezone.make_aware(dt.datetime.combine(day, dt.time())) if day else None
