from django import forms

from modeling.models import TrainingRun


class PromoteForm(forms.Form):
    """Which run is to be used, and which one was in use as this was asked for."""

    run = forms.ModelChoiceField(TrainingRun.objects.select_related("job"))
    instead_of = forms.IntegerField(required=False, min_value=1)
