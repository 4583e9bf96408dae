from django import forms

from annotations.labelling import Listening
from annotations.models import MAX_LEVEL, MIN_LEVEL, Comparison, Decision, Skip

BIGGEST_ID = 2**63 - 1  # what the database can look for


class LevelField(forms.IntegerField):
    def __init__(self, **kwargs):
        super().__init__(min_value=MIN_LEVEL, max_value=MAX_LEVEL, **kwargs)


class TrackField(forms.IntegerField):
    def __init__(self, **kwargs):
        super().__init__(min_value=1, max_value=BIGGEST_ID, **kwargs)


class SecondsField(forms.FloatField):
    def __init__(self, **kwargs):
        super().__init__(min_value=0, required=False, **kwargs)

    def to_python(self, value):
        try:
            return super().to_python(value)
        except OverflowError:  # JSON has whole numbers of any length
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None


class LabelForm(forms.Form):
    track_id = TrackField()
    submission_id = forms.UUIDField()
    level = LevelField()
    listened_s = SecondsField()
    answered_s = SecondsField()

    def clean(self):
        cleaned = super().clean() or {}
        cleaned["listening"] = Listening(cleaned.pop("listened_s", None), cleaned.pop("answered_s", None))
        return cleaned


class RelabelForm(forms.Form):
    track_id = TrackField()
    submission_id = forms.UUIDField()
    level = LevelField()


class SkipForm(forms.Form):
    track_id = TrackField()
    reason = forms.ChoiceField(choices=Skip.Reason)


class ComparisonForm(forms.Form):
    track_id = TrackField()
    submission_id = forms.UUIDField()
    other_id = TrackField()
    answer = forms.ChoiceField(choices=Comparison.Answer)


class OpinionForm(forms.Form):
    submission_id = forms.UUIDField()
    level = LevelField()


# Undoing is no verdict about a label.
_VERDICTS = [choice for choice in Decision.Verdict.choices if choice[0] != Decision.Verdict.UNDO]
_NO_LEVEL = dict.fromkeys(["invalid", "min_value", "max_value"], "Choose a level from 1 to 10.")
_ONE_OF = "Choose one: keep, a level from 1 to 10 to change to, ask another, or exclude."


class DecisionForm(forms.Form):
    """Either a verdict, or a level, which means: change to it."""

    verdict = forms.ChoiceField(choices=_VERDICTS, required=False, error_messages={"invalid_choice": _ONE_OF})
    level = LevelField(required=False, error_messages=_NO_LEVEL)
    note = forms.CharField(required=False, max_length=500)
    seen_decision = forms.IntegerField(required=False, max_value=BIGGEST_ID)

    def clean(self):
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        changes = cleaned.get("level") is not None
        cleaned["verdict"] = cleaned.get("verdict") or (Decision.Verdict.CHANGE if changes else "")
        if not cleaned["verdict"] or changes != (cleaned["verdict"] == Decision.Verdict.CHANGE):
            raise forms.ValidationError(_ONE_OF)
        return cleaned

    @property
    def problem(self) -> str:
        """All that is wrong with it, in words."""
        return " ".join(str(error) for errors in self.errors.values() for error in errors)


class UndoForm(forms.Form):
    decision = forms.IntegerField(min_value=1, max_value=BIGGEST_ID)
