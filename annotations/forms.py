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


class DecisionForm(forms.Form):
    """Either a verdict, or a level, which means: change to it."""

    verdict = forms.ChoiceField(choices=Decision.Verdict, required=False)
    level = LevelField(required=False)
    note = forms.CharField(required=False, max_length=500)
    seen_decision = forms.IntegerField(required=False, max_value=BIGGEST_ID)

    def clean(self):
        cleaned = super().clean() or {}
        changes = cleaned.get("level") is not None
        cleaned["verdict"] = cleaned.get("verdict") or (Decision.Verdict.CHANGE if changes else "")
        if not cleaned["verdict"] or changes != (cleaned["verdict"] == Decision.Verdict.CHANGE):
            raise forms.ValidationError("Choose one: keep, a level to change to, ask another, or exclude.")
        return cleaned
