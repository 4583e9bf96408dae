"""All tracks with what the model in use says of them: filters, orders, and pages that begin after a row.

A page is found by the place of the row that it begins after, not by a number of rows: at 100,000 tracks the last page costs
what the first does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Count, F, Q, QuerySet
from django.db.models.expressions import Combinable

from annotations.models import LEVELS, MAX_LEVEL, MIN_LEVEL, Genre, User
from modeling.models import Prediction, TrainingRun
from modeling.scoring.blindness import covered_tracks

PAGE_SIZE = 25
# Nine labels of ten lie in the interval. One as wide as this is of little use: it spans half of the scale.
UNCERTAIN_LEVELS = 5

WIDTH = F("upper") - F("lower")
# What an address says -> words, what is sorted by, and whether the highest come first.
ORDERS: dict[str, tuple[str, Combinable, bool]] = {
    "high": ("Most energetic first", F("score"), True),
    "low": ("Least energetic first", F("score"), False),
    "unsure": ("Most uncertain first", WIDTH, True),
    "sure": ("Most certain first", WIDTH, False),
    "title": ("Title", F("track__title"), False),
}


class CatalogueForm(forms.Form):
    """What an address asks for. What makes no sense there is left out, and said."""

    q = forms.CharField(required=False, max_length=200)
    genre = forms.ModelChoiceField(
        Genre.objects.all(), required=False, error_messages={"invalid_choice": "There is no such genre: all show."}
    )
    low = forms.IntegerField(required=False, min_value=MIN_LEVEL, max_value=MAX_LEVEL)
    high = forms.IntegerField(required=False, min_value=MIN_LEVEL, max_value=MAX_LEVEL)
    labelled = forms.ChoiceField(choices=[("yes", "Labelled"), ("no", "Not labelled")], required=False)
    uncertain = forms.BooleanField(required=False)
    sort = forms.ChoiceField(choices=[(name, words) for name, (words, *_) in ORDERS.items()], required=False)

    @property
    def problems(self) -> list[str]:
        return [
            f"{name.capitalize()}: {problem}"
            for name, problems in self.errors.items()
            for problem in map(str, problems)
        ]


@dataclass(frozen=True)
class Catalogue:
    """The predictions of a run that somebody may see, under a filter."""

    run: TrainingRun
    user: User
    chosen: dict[str, Any]

    @property
    def order(self) -> str:
        return self.chosen.get("sort") or "high"

    @cached_property
    def predictions(self) -> QuerySet[Prediction]:
        """In no order. Without those that the reader is still to hear."""
        return self._at_any_level.filter(*self._levels())

    @cached_property
    def n_by_level(self) -> list[int]:
        """At each level of the scale, under the rest of the filter."""
        counts = dict(self._at_any_level.values_list("level").annotate(Count("pk")))
        return [counts.get(level, 0) for level in LEVELS]

    @property
    def n_rows(self) -> int:
        low, high = self.chosen.get("low") or MIN_LEVEL, self.chosen.get("high") or MAX_LEVEL
        return sum(self.n_by_level[low - 1 : high])

    @cached_property
    def n_covered(self) -> int:
        return self._of_run.filter(track__in=covered_tracks(self.user)).count()

    def in_order(self, *, backwards: bool = False) -> QuerySet:
        _, place, is_descending = ORDERS[self.order]
        rows = self.predictions.annotate(place=place)
        first, second = ("-place", "-pk") if is_descending else ("place", "pk")
        return rows.order_by(first, second).reverse() if backwards else rows.order_by(first, second)

    def in_full(self, rows: Sequence[int]) -> list[Prediction]:
        """These rows, with what is shown of their tracks: looked up for these few, and not for all that are sorted."""
        found = Prediction.objects.select_related("track").defer("track__peaks").prefetch_related("track__genres")
        by_id = found.in_bulk(rows)
        return [by_id[pk] for pk in rows]

    def query_string(self, **changes: Any) -> str:
        values = {**self.chosen, **changes}
        values["genre"] = getattr(values.get("genre"), "pk", None)
        values["uncertain"] = "on" if values.get("uncertain") else ""
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def is_narrow(self) -> bool:
        return bool(self.query_string(sort=None))

    # ---- Conditions

    @cached_property
    def _of_run(self) -> QuerySet[Prediction]:
        return Prediction.objects.filter(run=self.run, part=Prediction.Part.FINAL).order_by()

    @cached_property
    def _at_any_level(self) -> QuerySet[Prediction]:
        return self._of_run.exclude(track__in=covered_tracks(self.user)).filter(*self._conditions())

    def _conditions(self) -> Iterator[Q]:
        chosen = self.chosen
        if words := chosen.get("q"):
            yield Q(track__title__icontains=words) | Q(track__artist__icontains=words) | Q(track__uri__icontains=words)
        if genre := chosen.get("genre"):
            yield Q(track__in=genre.tracks.values("pk"))
        if labelled := chosen.get("labelled"):
            yield Q(track__n_annotators__gt=0) if labelled == "yes" else Q(track__n_annotators=0)
        if chosen.get("uncertain"):
            yield Q(upper__gte=F("lower") + UNCERTAIN_LEVELS)
        if ORDERS[self.order][1] is WIDTH:
            yield Q(lower__isnull=False)  # a run of an earlier version has no intervals

    def _levels(self) -> Iterator[Q]:
        if low := self.chosen.get("low"):
            yield Q(level__gte=low)
        if high := self.chosen.get("high"):
            yield Q(level__lte=high)


@dataclass(frozen=True)
class Page:
    """Some rows by their ids, and those that its neighbours begin after, or end before."""

    rows: list[int]
    next: int | None = None
    previous: int | None = None


def page_of(catalogue: Catalogue, *, after: int = 0, before: int = 0) -> Page:
    """The page that begins after this prediction, or ends before that one; the first where it is not in the catalogue."""
    if before and len(rows := _beyond(catalogue, before, backwards=True)) > PAGE_SIZE:
        shown = rows[:PAGE_SIZE][::-1]
        return Page(shown, next=shown[-1], previous=shown[0])
    if after and (rows := _beyond(catalogue, after)):
        return Page(rows[:PAGE_SIZE], next=_more(rows), previous=rows[0])
    rows = list(catalogue.in_order().values_list("pk", flat=True)[: PAGE_SIZE + 1])
    return Page(rows[:PAGE_SIZE], next=_more(rows))


def _more(rows: list[int]) -> int | None:
    """One more than a page was asked for."""
    return rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None


def _beyond(catalogue: Catalogue, pk: int, *, backwards: bool = False) -> list[int]:
    """A page of ids and one more."""
    rows = catalogue.in_order(backwards=backwards)
    place = rows.filter(pk=pk).values_list("place", flat=True).first()
    if place is None:
        return []
    if ORDERS[catalogue.order][2] != backwards:
        further = Q(place__lte=place) & (Q(place__lt=place) | Q(pk__lt=pk))  # the first alone, for the index
    else:
        further = Q(place__gte=place) & (Q(place__gt=place) | Q(pk__gt=pk))
    return list(rows.filter(further).values_list("pk", flat=True)[: PAGE_SIZE + 1])
