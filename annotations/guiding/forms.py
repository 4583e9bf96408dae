"""What the pages of the queue take: rules, lists of tracks, references, assignments."""

from typing import Any

from django import forms

from annotations.forms import LevelField, TrackField
from annotations.guiding.guidance import LIST_ORDER, MAX_ASSIGNED, WAYS
from annotations.guiding.track_lists import uris_in
from annotations.models import LabellingRules, Reference, User
from annotations.queue import ORDERS, strategy_of

MB = 2**20
MAX_LIST_BYTES = 20 * MB
# A page of tracks has 50.
MAX_CHOSEN = 200

ORDER_WORDS = {
    "random": "any track that nobody has labelled, each equally likely: fair to models that learn from it",
    "oldest": "what came in first comes first",
    LIST_ORDER: "as the list below says; what it does not name comes after it, at random",
}
STRATEGY_WORDS = "as this strategy ranks them; what it does not rank comes after it, at random"


def orders(now: LabellingRules) -> list[tuple[str, str]]:
    """Name and words of each that can be chosen: that of a strategy only while it is in force, as it is chosen elsewhere."""
    strategy = strategy_of(now)
    return [(name, ORDER_WORDS[name]) for name in ORDERS] + ([(strategy, STRATEGY_WORDS)] if strategy else [])


class RulesForm(forms.ModelForm):
    """All that admins set. Never saved itself: rules are added by a service, as they are history."""

    order = forms.ChoiceField(choices=lambda: orders(LabellingRules.objects.current()), label="Order of new tracks")
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = LabellingRules
        fields = [
            "labels_per_track",
            "order",
            *LabellingRules.SHARES,
            "repeat_after_days",
            "hides_names",
            "shows_gold",
            "min_listened_s",
            "session_goal",
            "break_after_minutes",
        ]
        labels = {
            "second_share": "Second opinions, %",
            "repeat_share": "Own tracks again, %",
            "gold_share": "Gold tracks, %",
            "evaluation_share": "Evaluation slice, %",
            "repeat_after_days": "Own tracks again after, days",
            "hides_names": "Hide names",
            "shows_gold": "Feedback on gold tracks",
            "min_listened_s": "Listen at least, s",
            "session_goal": "Goal of a session, labels",
            "break_after_minutes": "Propose a break after, minutes",
        }
        help_texts = {
            "second_share": "Tracks that have labels, but not yet as many as they are to have.",
            "gold_share": "Their level leads have agreed on: a test that nobody notices.",
            "repeat_after_days": "Sooner they would remember what they said.",
            "session_goal": "",
            "break_after_minutes": "Of labelling without a pause.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.NumberInput):
                field.widget.attrs["class"] = "input short"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        shares = [cleaned[name] for name in LabellingRules.SHARES if cleaned.get(name) is not None]
        if len(shares) == len(LabellingRules.SHARES) and sum(shares) > 100:
            added = " + ".join(map(str, shares))
            # With a field's name, or the database's constraint is reported besides, in words for programmers.
            self.add_error(
                "second_share", f"The shares come to {sum(shares)} per cent ({added}); 100 at most. Lower one of them."
            )
        return cleaned

    @classmethod
    def words_of(cls, name: str) -> str:
        """What the history calls a rule: also the one that is set on another page."""
        return "At random beside a strategy, %" if name == "random_share" else f"{cls.base_fields[name].label}"

    def remainder(self) -> int | None:
        """Per cent that are left for new tracks; None where what was typed does not say."""
        shares = [str(self[name].value()) for name in LabellingRules.SHARES]
        if not all(share.isdecimal() and len(share) < 4 for share in shares):
            return None
        left = 100 - sum(map(int, shares))
        return left if left >= 0 else None


class ListForm(forms.Form):
    """A list of tracks, pasted or as a file."""

    uris = forms.CharField(required=False, widget=forms.Textarea)
    file = forms.FileField(required=False, allow_empty_file=True)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        file = cleaned.get("file")
        if file and cleaned.get("uris"):
            raise forms.ValidationError(
                f"Lines were pasted and the file “{file.name}” was chosen: one of the two, please."
            )
        cleaned["listed"] = uris_in(_text_of(file) if file else cleaned.get("uris", ""))
        if not self.errors and not cleaned["listed"]:
            raise forms.ValidationError("The list is empty. Expected: uris of tracks, one a line.")
        return cleaned


def _text_of(file: Any) -> str:
    if file.size > MAX_LIST_BYTES:
        raise forms.ValidationError(
            f"“{file.name}” has {file.size / MB:.1f} MB; a list has {MAX_LIST_BYTES // MB} at most."
        )
    try:
        # With the mark that some editors begin a file with.
        return forms.CharField(strip=False).clean(file.read().decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise forms.ValidationError(
            f"“{file.name}” is no text in UTF-8, from its byte {problem.start + 1} on."
        ) from None
    except forms.ValidationError as problem:
        raise forms.ValidationError(f"“{file.name}” cannot be read as a list: {' '.join(problem.messages)}") from None


def to_id(text: str | None) -> int:
    """An id out of a form's own hidden fields; 0, which nothing has, where somebody has written something else there."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else 0


class TrackIdsField(forms.Field):
    """Tracks that were ticked on a page."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> list[int]:
        if not value:
            raise forms.ValidationError("No track was chosen: tick some first.")
        if len(value) > MAX_CHOSEN:
            raise forms.ValidationError(f"{len(value)} tracks were chosen; at most {MAX_CHOSEN} can be at once.")
        return [TrackField().clean(each) for each in value]


class ReferenceForm(forms.Form):
    track = TrackIdsField()
    use = forms.ChoiceField(choices=Reference.Use)
    level = LevelField(error_messages={"required": "Choose the level that the track is of."})

    def clean_use(self) -> Reference.Use:
        return Reference.Use(self.cleaned_data["use"])


class CandidatesForm(forms.Form):
    """What to choose examples and gold from."""

    q = forms.CharField(required=False, max_length=200)
    level = LevelField(required=False)


class AssignForm(forms.Form):
    annotators = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Choose at least one annotator."}
    )
    way = forms.ChoiceField(choices=[(name, name) for name in WAYS], initial="split")
    uris = forms.CharField(required=False, widget=forms.Textarea)
    n_random = forms.IntegerField(required=False, min_value=1, max_value=MAX_ASSIGNED)
    confirmed = forms.BooleanField(required=False)

    def __init__(self, *args: Any, people: list[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.people = {str(person.pk): person for person in people}
        self.fields["annotators"].choices = [(pk, person.display_name) for pk, person in self.people.items()]  # type: ignore[attr-defined]

    def clean_annotators(self) -> list[User]:
        return [self.people[pk] for pk in self.cleaned_data["annotators"]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        cleaned["listed"] = uris_in(cleaned.get("uris", ""))
        if not self.errors and bool(cleaned["listed"]) == bool(cleaned["n_random"]):
            raise forms.ValidationError(
                "Either list tracks, or say how many unlabelled ones are to be drawn: one of the two."
            )
        return cleaned
