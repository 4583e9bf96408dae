from typing import Any

from django import forms

from modeling.core.feature_sets import FEATURE_SETS
from modeling.exports.models import Export
from modeling.exports.registry import TABLES
from modeling.exports.tables import Options

# Rows of thousands of columns are more than a spreadsheet or our own import takes.
FEATURE_SET_CHOICES = [(name, name) for name, feature_set in FEATURE_SETS.items() if not feature_set.on_request]


class ExportForm(forms.Form):
    """Which table, how, and whether by name."""

    table = forms.ChoiceField(choices=[(table.name, table.words) for table in TABLES.values()])
    format = forms.ChoiceField(choices=Export.Format, initial=Export.Format.CSV)
    people = forms.ChoiceField(choices=[("pseudonyms", "Pseudonyms"), ("names", "Names")], initial="pseudonyms")
    feature_set = forms.ChoiceField(choices=FEATURE_SET_CHOICES, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("table") != "features":
            cleaned["feature_set"] = ""
        elif not cleaned.get("feature_set"):
            self.add_error("feature_set", "Choose the set whose numbers you want.")
        return cleaned

    @property
    def asked(self) -> dict[str, Any]:
        """As `services.request_export` takes it."""
        cleaned = self.cleaned_data
        options = Options(is_pseudonymous=cleaned["people"] == "pseudonyms", feature_set=cleaned["feature_set"])
        return {"table": cleaned["table"], "format": cleaned["format"], "options": options}
