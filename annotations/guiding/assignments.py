"""The page of assignments: which tracks leads want which people to label, and how far those are."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotations.guiding import guidance
from annotations.guiding.forms import MAX_CHOSEN, AssignForm, to_id
from annotations.guiding.track_lists import Findings, find, left_out_for_page, to_being_assigned
from annotations.http import Request
from annotations.models import Annotation, Assignment, Track, User

PAGE_SIZE = 50

assign_permission = permission_required("annotations.add_assignment", raise_exception=True)


def labellers() -> list[User]:
    """Who can log in and label, by name."""
    may = User.objects.with_perm("annotations.add_annotation", backend="annotations.backends.OneQueryBackend")
    return sorted((user for user in may if user.has_usable_password()), key=lambda user: user.display_name.casefold())


@require_http_methods(["GET", "HEAD", "POST"])
@assign_permission
def assignments(request: Request) -> HttpResponse:
    people = labellers()
    if request.method != "POST":
        return _page(request, people, AssignForm(people=people, initial={"uris": _ticked(request)}))
    form = AssignForm(request.POST, people=people)
    if not form.is_valid():
        return _page(request, people, form, status=422)
    findings = find(form.cleaned_data["listed"], objection=to_being_assigned)
    if findings.left_out and not (form.cleaned_data["confirmed"] and findings.taken):
        return _page(request, people, form, findings=findings, status=422)
    try:
        _assign(request, form, findings)
    except guidance.NotDone as refusal:
        form.add_error(None, str(refusal))
        return _page(request, people, form, status=422)
    return redirect("assignments")


def _assign(request: Request, form: AssignForm, findings: Findings) -> None:
    chosen, n_random = form.cleaned_data["annotators"], form.cleaned_data["n_random"]
    track_ids = guidance.draw_unlabelled(n_random) if n_random else findings.taken
    parts = guidance.WAYS[form.cleaned_data["way"]](track_ids, len(chosen))
    given = guidance.assign(shares=list(zip(chosen, parts, strict=True)), assigned_by=request.user)
    messages.success(request, "; ".join(_said(each) for each in given) + ".")
    if findings.left_out:
        messages.info(request, f"{findings.n_left_out:,} lines were left out.")


def _said(given: guidance.Given) -> str:
    open_before = f" ({given.n_open_before:,} open before, nothing changed about them)" if given.n_open_before else ""
    return f"{given.annotator.display_name}: {given.n_new:,} assigned{open_before}"


@require_POST
@assign_permission
def withdraw_assignments(request: Request) -> HttpResponse:
    """Those that are ticked; or, by the other button, all of one person."""
    annotator = get_object_or_404(User, pk=to_id(request.POST.get("annotator")))
    theirs = Assignment.objects.filter(annotator=annotator)
    if "all" not in request.POST:
        theirs = theirs.filter(pk__in=[to_id(pk) for pk in request.POST.getlist("assignment")[:MAX_CHOSEN]])
    n_withdrawn = guidance.withdraw_assignments(assignments=theirs)
    if n_withdrawn:
        messages.success(request, f"{n_withdrawn:,} assignments of {annotator.display_name} were withdrawn.")
    else:
        messages.info(request, "Nothing was withdrawn: none was ticked that is still open.")
    return redirect(f"{reverse('assignments')}?annotator={annotator.pk}")


@require_POST
@assign_permission
def send_back(request: Request, pk: int) -> HttpResponse:
    """Ask one who has labelled a track to label it once more. They are not told that, nor what they said."""
    track = get_object_or_404(Track.objects.defer("peaks"), pk=pk)
    annotator = next((user for user in labellers() if str(user.pk) == request.POST.get("annotator")), None)
    objection = next(iter(find([track.uri], objection=to_being_assigned).left_out), "")
    if annotator is None or not Annotation.objects.filter(track=track, annotator=annotator).exists():
        messages.error(
            request, "Nothing was sent back: that person has not labelled this track, or can no longer log in."
        )
    elif objection:
        messages.error(request, f"Nothing was sent back: this track is {objection}.")
    else:
        (given,) = guidance.assign(shares=[(annotator, [track.pk])], assigned_by=request.user)
        messages.success(request, _said(given) + ".")
    return redirect("track", pk=pk)


def _ticked(request: Request) -> str:
    """The uris of tracks that were ticked on the page of tracks, to begin with."""
    track_ids = [to_id(pk) for pk in request.GET.getlist("track")[:MAX_CHOSEN]]
    return "\n".join(Track.objects.filter(pk__in=track_ids).order_by("-pk").values_list("uri", flat=True))


def _page(
    request: Request, people: list[User], form: AssignForm, *, findings: Findings | None = None, status: int = 200
) -> HttpResponse:
    n_all = dict(Assignment.objects.order_by().values_list("annotator").annotate(Count("pk")))
    n_open = dict(Assignment.objects.open().order_by().values_list("annotator").annotate(Count("pk")))
    asked = User.objects.in_bulk(list(n_all))
    rows = [
        {"person": asked[pk], "n_all": n, "n_open": n_open.get(pk, 0), "n_done": n - n_open.get(pk, 0)}
        for pk, n in n_all.items()
    ]
    context: dict[str, Any] = {
        "form": form,
        "rows": sorted(rows, key=lambda row: (-row["n_open"], row["person"].display_name.casefold())),
        "shown": asked.get(to_id(request.GET.get("annotator"))),
        "findings": findings,
        "left_out": left_out_for_page(findings) if findings else [],
        "has_people": bool(people),
    }
    if context["shown"]:
        theirs = Assignment.objects.open().filter(annotator=context["shown"])
        theirs = theirs.select_related("track", "assigned_by").defer("track__peaks").order_by("-created_at", "-pk")
        context["page"] = Paginator(theirs, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "annotations/assignments.html", context, status=status)
