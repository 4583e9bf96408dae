from django import forms

from modeling.recipe_choices import DECISION_CHOICES, DEFAULT_DECISION, DEFAULT_RECIPE, RECIPE_CHOICES


class TrainForm(forms.Form):
    """What to train. What is not said is the default."""

    recipe = forms.ChoiceField(choices=[(name, name) for name in RECIPE_CHOICES], required=False)
    decision = forms.ChoiceField(choices=[(name, name) for name in DECISION_CHOICES], required=False)

    def clean_recipe(self) -> str:
        return self.cleaned_data["recipe"] or DEFAULT_RECIPE

    def clean_decision(self) -> str:
        return self.cleaned_data["decision"] or DEFAULT_DECISION
