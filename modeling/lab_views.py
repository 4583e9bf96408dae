"""The lab: every experiment there is, asking one, and the reports that came of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from annotations.http import Request
from energyapp.jobs import workers
from modeling import services
from modeling.core.lab.catalogue import EXPERIMENTS
from modeling.core.lab.experiment import Experiment as Question
from modeling.lab_form import Form, form_of, text_of
from modeling.lab_report import Written, report_of, shown_chart, shown_matrix, shown_table
from modeling.models import Experiment

N_FORMER = 10

see_lab = permission_required("modeling.view_experiment", raise_exception=True)
may_ask = permission_required("modeling.add_experiment", raise_exception=True)


# ---- All of them


@require_safe
@see_lab
def lab(request: Request) -> HttpResponse:
    """Every experiment: its question, its last answer, and a form to ask it. `from`: one whose options to begin with."""
    forms = {}
    if (pk := request.GET.get("from", "")).isdecimal() and (asked := Experiment.objects.filter(pk=pk).first()):
        forms = {asked.name: _form_as_asked(asked)} if asked.name in EXPERIMENTS else {}
    return _lab(request, forms)


@require_POST
@may_ask
def run_experiment(request: Request, name: str) -> HttpResponse:
    """Ask it; with an option that cannot be, the page again with all that was typed."""
    form = form_of(_kind(name), _texts(request.POST))
    if not form.is_valid:
        return _lab(request, {name: form}, status=422)
    experiment = services.request_experiment(name=name, options=form.options, requested_by=request.user)
    return redirect("experiment", pk=experiment.pk)


@require_safe
@see_lab
def experiment_state(request: Request, name: str) -> HttpResponse:
    """How one goes: a fragment that asks for itself again while it runs. The page around it is left as somebody fills it in."""
    return render(request, "modeling/_lab_state.html", {"card": _cards({}, names=[_kind(name).name])[0]})


def _lab(request: Request, forms: dict[str, Form], status: int = 200) -> HttpResponse:
    context = {"cards": _cards(forms, names=list(EXPERIMENTS)), "is_served": workers.serve("train")}
    return render(request, "modeling/lab.html", context, status=status)


def _cards(forms: dict[str, Form], *, names: list[str]) -> list[dict[str, Any]]:
    of_names = Experiment.objects.filter(name__in=names)
    newest = {each.name: each for each in of_names.newest_of_each_name()}
    answered = {each.name: each for each in of_names.answered().newest_of_each_name()}
    return [
        {
            "kind": EXPERIMENTS[name],
            "form": forms.get(name) or form_of(EXPERIMENTS[name]),
            "is_open": name in forms,
            "newest": newest.get(name),
            "answered": answered.get(name),
        }
        for name in names
    ]


# ---- One of them


@require_safe
@see_lab
def experiment(request: Request, pk: int) -> HttpResponse:
    """Its report, or how far it is."""
    shown = get_object_or_404(Experiment.objects.select_related("job", "requested_by"), pk=pk)
    former = Experiment.objects.filter(name=shown.name).exclude(pk=pk).select_related("job").defer("report")
    kind = EXPERIMENTS.get(shown.name)
    context: dict[str, Any] = {
        "experiment": shown,
        "title": kind.title if kind else shown.name,
        "question": kind.question if kind else "",
        "can_be_asked": kind is not None,
        "asked": _as_asked(shown, kind),
        "job": shown.job,
        "is_served": workers.serve("train"),
        "former": former.order_by("-pk")[:N_FORMER],
    }
    if shown.report:
        context |= _findings(shown, "count" if request.GET.get("cells") == "counts" else "per cent")
    return render(request, "modeling/lab_report.html", context)


@require_POST
@may_ask
def run_again(request: Request, pk: int) -> HttpResponse:
    """The same question of the labels there are now."""
    former = get_object_or_404(Experiment, pk=pk)
    try:
        again = services.request_experiment(name=former.name, options=former.options, requested_by=request.user)
    except ValueError as problem:
        messages.error(request, f"It cannot be asked any more as it was: {problem}.")
        return redirect("experiment", pk=pk)
    return redirect("experiment", pk=again.pk)


@require_safe
@see_lab
def report_csv(request: Request, pk: int) -> HttpResponse:
    """All tables, for a spreadsheet."""
    shown = get_object_or_404(Experiment.objects.answered(), pk=pk)
    if (report := report_of(shown)) is None:
        messages.error(request, "This report was written by another version of the program: only its JSON can be had.")
        return redirect("experiment", pk=pk)
    return _download(shown, "csv", report.to_csv(), "text/csv")


@require_safe
@see_lab
def report_json(request: Request, pk: int) -> HttpResponse:
    """All of it, for a program."""
    shown = get_object_or_404(Experiment.objects.answered(), pk=pk)
    return _download(shown, "json", shown.report, "application/json")


def _download(shown: Experiment, suffix: str, text: str, content_type: str) -> HttpResponse:
    name = f"{shown.name}-{shown.pk}.{suffix}"
    return HttpResponse(
        text,
        content_type=f"{content_type}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _findings(shown: Experiment, written: Written) -> dict[str, Any]:
    if (report := report_of(shown)) is None:
        return {"is_unreadable": True}
    findings = report.findings
    return {
        "report": report,
        "findings": findings,
        "tables": [shown_table(table) for table in findings.tables],
        "charts": [shown_chart(chart) for chart in findings.charts],
        "matrices": [shown_matrix(matrix, written) for matrix in findings.matrices],
        "written": written,
    }


# ---- Options


def _kind(name: str) -> type[Question]:
    if name not in EXPERIMENTS:
        raise Http404(f"there is no experiment {name}")
    return EXPERIMENTS[name]


def _texts(posted: QueryDict) -> dict[str, str]:
    # Of a checkbox that is set there are two, of which the last counts: "no" comes with every form.
    return {name: str(posted[name]) for name in posted}


def _form_as_asked(asked: Experiment) -> Form:
    return form_of(EXPERIMENTS[asked.name], {name: text_of(value) for name, value in asked.options.items()})


def _as_asked(shown: Experiment, kind: type[Question] | None) -> list[tuple[str, str, bool]]:
    """(option, value, whether it is another than usual)."""
    usual, idle = (kind().options, kind.idle) if kind else ({}, ())
    return [
        (name, text_of(value) or "–", usual.get(name) != value)
        for name, value in shown.options.items()
        if name not in idle
    ]
