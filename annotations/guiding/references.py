"""The page of examples and gold: which tracks leads have agreed on, and what they choose new ones from."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Avg, Count, F, Max, Min, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from annotations.examples import MAX_EXAMPLES_PER_LEVEL
from annotations.guiding import guidance
from annotations.guiding.forms import CandidatesForm, ReferenceForm, to_id
from annotations.guiding.track_lists import matching
from annotations.http import Request
from annotations.levels import levels_of
from annotations.models import LEVELS, Annotation, Reference, Track, User

PAGE_SIZE = 12

reference_permission = permission_required("annotations.add_reference", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@reference_permission
def references(request: Request) -> HttpResponse:
    """What is chosen, by level; and, for who asks for it, what to choose from."""
    form = ReferenceForm(request.POST if request.method == "POST" else None)
    if form.is_bound and choose(request, form):
        return redirect(request.get_full_path())
    use = Reference.Use.GOLD if request.GET.get("use") == Reference.Use.GOLD else Reference.Use.EXAMPLE
    counts = _counts()
    used = Reference.objects.filter(use=use)
    chosen = _not_in_hand(used, "track__", request.user).select_related("track")
    context = {
        "uses": [(each, sum(counts[each].values())) for each in Reference.Use],
        "use": use,
        "coverage": counts[use],
        "missing": _enumerated([level for level, n in counts[use].items() if not n]),
        "page": Paginator(chosen, PAGE_SIZE).get_page(request.GET.get("page")),
        "n_in_hand": used.filter(track__lease__annotator=request.user).count(),
        "max_shown": MAX_EXAMPLES_PER_LEVEL,
        "levels": LEVELS,
        "form": form,
        **_candidates(request),
    }
    return render(request, "annotations/references.html", context, status=422 if form.is_bound else 200)


def choose(request: Request, form: ReferenceForm) -> bool:
    """Make what was ticked examples or gold. If it cannot be done the form says why."""
    if not form.is_valid():
        return False
    use, level, track_ids = form.cleaned_data["use"], form.cleaned_data["level"], form.cleaned_data["track"]
    try:
        done = guidance.choose_references(track_ids=track_ids, use=use, level=level, chosen_by=request.user)
    except guidance.NotDone as refusal:
        form.add_error(None, str(refusal))
        return False
    n = len(set(track_ids))
    messages.success(request, f"{n} track{'s are' if n > 1 else ' is'} {use.value} of level {level}; {done.n_new} new.")
    if done.n_withdrawn_assignments:
        messages.info(
            request, f"{done.n_withdrawn_assignments} open assignments of what is an example now were withdrawn."
        )
    return True


@require_POST
@reference_permission
def withdraw_reference(request: Request) -> HttpResponse:
    if guidance.withdraw_reference(track_id=to_id(request.POST.get("track"))):
        messages.success(request, "Withdrawn: the track may be handed out like any other again.")
    else:
        messages.info(request, "That track was neither example nor gold any more.")
    use = Reference.Use.GOLD if request.POST.get("use") == Reference.Use.GOLD else Reference.Use.EXAMPLE
    return redirect(f"{reverse('references')}?use={use}")


def _counts() -> dict[str, dict[int, int]]:
    """How many of each use and level."""
    counts: dict[str, dict[int, int]] = {use: dict.fromkeys(LEVELS, 0) for use in Reference.Use}
    for use, level, n in Reference.objects.order_by().values_list("use", "level").annotate(n=Count("pk")):
        counts[use][level] = n
    return counts


def _enumerated(levels: list[int]) -> str:
    """
    >>> _enumerated([8, 9, 10]), _enumerated([3]), _enumerated([])
    ('8, 9 and 10', '3', '')
    """
    *others, last = map(str, levels) if levels else [""]
    return f"{', '.join(others)} and {last}" if others else last


# ---- What to choose from


def _candidates(request: Request) -> dict[str, Any]:
    """Tracks with what people said of them, those with most labels and least spread first. Only for who has asked."""
    asked = "q" in request.GET
    search = CandidatesForm(request.GET if asked else None)
    if not search.is_valid():
        return {"search": search, "found": None, "candidates": []}
    found = _search(request.user, **search.cleaned_data)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("found"))
    return {"search": search, "found": page, "candidates": _with_what_was_said([row["pk"] for row in page])}


def _search(lead: User, *, q: str, level: int | None) -> Any:
    tracks = _not_in_hand(matching(Track.objects.playable().filter(reference=None), q), "", lead)
    current = Q(annotations__superseded_by=None)
    # Grouped by `pk` alone: rows of tracks carry pictures of their sound.
    found = tracks.values("pk").annotate(
        mean=Avg("annotations__level", filter=current),
        spread=Max("annotations__level", filter=current) - Min("annotations__level", filter=current),
    )
    if level is not None:
        found = found.filter(mean__gte=level - 0.5, mean__lt=level + 0.5)
    return found.order_by("-n_annotators", F("spread").asc(nulls_last=True), "pk")


def _not_in_hand(rows: Any, prefix: str, lead: User) -> Any:
    """Without tracks that the lead is about to label: they must not see what others said."""
    return rows.exclude(**{f"{prefix}lease__annotator": lead})


def _with_what_was_said(track_ids: list[int]) -> list[dict[str, Any]]:
    tracks = Track.objects.in_bulk(track_ids)
    annotations = list(Annotation.objects.counted().filter(track__in=track_ids))
    levels = levels_of(annotations)
    said: dict[int, list[int]] = {pk: [] for pk in track_ids}
    for annotation in annotations:
        said[annotation.track_id].append(annotation.level)
    return [
        {
            "track": tracks[pk],
            "level": levels.get(pk),
            "n": len(said[pk]),
            "lowest": min(said[pk], default=None),
            "highest": max(said[pk], default=None),
        }
        for pk in track_ids
    ]
