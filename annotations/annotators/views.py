"""The pages about annotators: all of them, one of them, and leaving one out of training."""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from celery import current_app
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from kombu.exceptions import OperationalError as BrokerUnavailable

from annotations.annotators import exclusions, report, together, words
from annotations.annotators.forms import ExclusionForm
from annotations.annotators.measures import MIN_LABELS
from annotations.annotators.people import Person, names_of, people_of
from annotations.http import Request
from annotations.models import Annotation, AnnotatorReport, User
from energyapp.charts import Ridge, agreement_triangle, ridges

PAGE_SIZE = 18

see_annotators = permission_required("annotations.view_flag", raise_exception=True)
may_exclude = permission_required("annotations.add_annotatorexclusion", raise_exception=True)


# ---- All of them


class Sort(NamedTuple):
    heading: str
    key: Callable[[Person], Any]  # None: last, whichever way
    help: str = ""
    is_descending: bool = True  # at the first click


def _value(name: str, absolute: bool = False) -> Callable[[Person], Any]:
    def key(person: Person) -> float | None:
        value = person.entry[name]["value"]
        return abs(value) if absolute and value is not None else value

    return key


def _range(person: Person) -> int:
    low, high = person.entry["range"]
    return high - low


SORTS: Mapping[str, Sort] = {
    "name": Sort("Annotator", lambda person: person.name.casefold(), is_descending=False),
    "labels": Sort("Labels", lambda person: person.entry["n_labels"]),
    "bias": Sort("Bias", _value("bias", absolute=True), "in levels, + higher than others"),
    "scale": Sort("Scale", _value("scale"), "1: spreads labels as others do", is_descending=False),
    "noise": Sort("Noise", _value("noise"), "what is left, in levels"),
    "error": Sort("MAE vs pool", _value("error"), "levels from the mean of the others, on shared tracks"),
    "repeats": Sort("Own repeats", _value("repeats"), "levels between two answers to the same track"),
    "gold": Sort("Gold", _value("gold"), "levels from what leads agreed on"),
    "seconds": Sort("Seconds", _value("seconds"), "median of an answer", is_descending=False),
    "range": Sort("Range used", _range, "of the scale, by nine in ten labels", is_descending=False),
}


@require_safe
@see_annotators
def annotators(request: Request) -> HttpResponse:
    """How each annotator uses the scale, against others on the same tracks; and how far all agree."""
    last = report.newest()
    if request.htmx:
        return _unless(last, request.GET.get("than", ""))
    if last is None or not last.content["annotators"]:
        nothing = {"last": last, "awaited": _stamp(last) if Annotation.objects.exists() else None}
        return render(request, "annotations/annotators.html", nothing)
    people = people_of(last.content["annotators"])
    name, is_descending = _order(request.GET.get("sort", ""))
    page = Paginator(_sorted(people.values(), name, is_descending), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "last": last,
        "awaited": _stamp(last) if request.GET.get("after") == _stamp(last) else None,
        "content": last.content,
        "page": page,
        "rows": [{"person": person, "chart": person.chart("mini")} for person in page],
        "columns": _columns(name, is_descending),
        "n_people": len(people),
        "n_concerning": sum(bool(person.concerns) for person in people.values()),
        "ridges": _ridges(list(page)),
        "triangle": _triangle(last.content["matrix"], people),
        "n_in_matrix": together.N_IN_MATRIX,
        "min_shared": together.MIN_SHARED,
        "min_labels": MIN_LABELS,
        "groups": _groups(last.content["groups"], people),
    }
    return render(request, "annotations/annotators.html", context)


def _stamp(last: AnnotatorReport | None) -> str:
    """Tells one report from the next, in an address."""
    return f"{last.made_at.timestamp():.6f}" if last else "none"


def _unless(last: AnnotatorReport | None, than: str) -> HttpResponse:
    """What a page hears that waits for a newer report: nothing, or to load again."""
    return HttpResponse(status=204) if _stamp(last) == than else HttpResponse(headers={"HX-Refresh": "true"})


def _order(asked: str) -> tuple[str, bool]:
    """Of an address: "bias", or "-bias" for the largest first."""
    name = asked.removeprefix("-")
    return (name, asked.startswith("-")) if name in SORTS else ("labels", True)


def _sorted(people: Any, name: str, is_descending: bool) -> list[Person]:
    key = SORTS[name].key
    known = [person for person in people if key(person) is not None]
    unknown = [person for person in people if key(person) is None]
    return sorted(known, key=key, reverse=is_descending) + unknown


def _columns(name: str, is_descending: bool) -> list[dict[str, Any]]:
    return [
        {
            "name": each,
            "heading": sort.heading,
            "help": sort.help,
            "order": ("descending" if is_descending else "ascending") if each == name else None,
            "next": ("" if (is_descending if each == name else not sort.is_descending) else "-") + each,
        }
        for each, sort in SORTS.items()
    ]


def _ridges(people: list[Person]) -> Any:
    enough = [person for person in people if person.entry["n_labels"] >= MIN_LABELS]
    by_mean = sorted(enough, key=lambda person: person.entry["mean"])
    return ridges([Ridge(each.name, each.entry["counts"], each.href) for each in by_mean], label="Shape of the scale")


def _triangle(matrix: dict[str, Any], people: dict[int, Person]) -> Any:
    """None where fewer than two of those with most labels are left."""
    known = [i for i, pk in enumerate(matrix["ids"]) if pk in people]
    if len(known) < 2:
        return None
    of = [people[matrix["ids"][i]] for i in known]
    kappa, n_shared = ([[matrix[each][i][j] for j in known] for i in known] for each in ("kappa", "n_shared"))
    return agreement_triangle(
        [each.name for each in of],
        kappa,
        n_shared=n_shared,
        label="Agreement of each two",
        unit="weighted kappa",
        hrefs=[each.href for each in of],
    )


def _groups(groups: dict[str, Any], people: dict[int, Person]) -> dict[str, Any]:
    members = [[people[pk] for pk in group if pk in people] for group in groups["members"]]
    return {
        "lettered": list(zip(string.ascii_uppercase, members, strict=False)),
        "n_unknown": len(groups["unknown"]),
        "n_asked": groups["n_asked"],
    }


@require_POST
@see_annotators
def look_again(request: Request) -> HttpResponse:
    """Ask for the report at once, by who cannot wait a minute."""
    if report.is_current():
        messages.info(request, "Nothing has changed since the last look.")
        return redirect("annotators")
    try:
        current_app.send_task("upkeep.refresh_annotator_report")
    except BrokerUnavailable:
        problem = "The broker cannot be reached, so no worker hears of it. Start it (locally: make run); it is tried each minute."
        messages.error(request, problem)
        return redirect("annotators")
    return redirect(f"{reverse('annotators')}?{urlencode({'after': _stamp(report.newest())})}")


# ---- One of them


@require_safe
@see_annotators
def annotator(request: Request, pk: int) -> HttpResponse:
    return _annotator_page(request, get_object_or_404(User, pk=pk))


@require_POST
@may_exclude
def exclude_annotator(request: Request, pk: int) -> HttpResponse:
    """Leave them out of training, or take them back."""
    user, form = get_object_or_404(User, pk=pk), ExclusionForm(request.POST)
    if not form.is_valid():
        return _annotator_page(request, user, form=form, status=422)
    try:
        said = exclusions.say(annotator=user, decided_by=request.user, **form.cleaned_data)
    except exclusions.NothingToDo as refusal:
        messages.info(request, str(refusal))
    else:
        done = "is left out" if said.is_excluded else "is taken back"
        messages.success(request, f"{user.display_name} {done}, from the next training on.")
    return redirect("annotator", pk=pk)


def _annotator_page(
    request: Request, user: User, *, form: ExclusionForm | None = None, status: int = 200
) -> HttpResponse:
    last = report.newest()
    people = people_of(last.content["annotators"]) if last else {}
    history = list(user.exclusions.select_related("decided_by"))
    context = {
        "who": user,
        "name": people[user.pk].name if user.pk in people else user.display_name,
        "last": last,
        "form": form,
        "history": history,
        "is_excluded": bool(history) and history[0].is_excluded,
        **(_figures(people[user.pk], last.content, people) if last and user.pk in people else {}),
    }
    return render(request, "annotations/annotator.html", context, status=status)


def _figures(person: Person, content: dict[str, Any], people: dict[int, Person]) -> dict[str, Any]:
    return {
        "person": person,
        "chart": person.chart("normal"),
        "all_labels": person.all_labels(),
        "sentences": person.sentences(content["too_fast_s"]),
        "drift_chart": person.drift_chart(),
        "drift": words.drift(person.entry),
        "partners": [
            {"person": people[pk], "kappa": kappa, "mae": mae, "n": n}
            for pk, kappa, mae, n in person.entry["partners"]
            if pk in people
        ],
        "min_shared": together.MIN_SHARED,
        # What an experiment knows them by: who is left out of training is not among those it learns from.
        "name_in_lab": names_of(each.user for each in people.values() if not each.is_excluded).get(person.pk),
    }
