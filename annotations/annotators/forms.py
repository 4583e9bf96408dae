from django import forms

from annotations.models import AnnotatorExclusion


class ExclusionForm(forms.Form):
    """Whether somebody is left out of training from now on, and why."""

    is_excluded = forms.TypedChoiceField(choices=[("yes", "yes"), ("no", "no")], coerce=lambda said: said == "yes")
    note = forms.CharField(required=False, max_length=AnnotatorExclusion._meta.get_field("note").max_length)
