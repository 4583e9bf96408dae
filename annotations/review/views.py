"""The pages of leads: review queue; the review page's are in page_views."""

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotations.http import Request
from annotations.models import Decision, Flag, FlagQuerySet
from annotations.review.page_views import decide, give_opinion, review, undo
from energyapp.charts import share_bar

PAGE_SIZE = 25
# Half of the scale's width fills the suspicion bar: labels that are farther off than that are rare.
FULL_BAR_LEVELS = 5

__all__ = ["decide", "give_opinion", "review", "review_queue", "undo"]

see_flags = permission_required("annotations.view_flag", raise_exception=True)


@require_safe
@see_flags
def review_queue(request: Request) -> HttpResponse:
    """Flags by suspicion, in one of three states."""
    flags = Flag.objects.reviewable_by(request.user).heard_by(request.user)
    states = {"open": flags.open(), "second opinion": flags.awaiting_second_opinion(), "resolved": flags.resolved()}
    state = request.GET.get("state", "open")
    state = state if state in states else "open"
    shown = states[state]
    if query := request.GET.get("q", "").replace("\0", "").strip():
        shown = _search(shown, query)
    shown = shown.for_queue().prefetch_related("decisions__decided_by")
    page = Paginator(shown, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [
        {
            "flag": flag,
            "bar": share_bar(min(1.0, flag.suspicion / FULL_BAR_LEVELS)),
            "gap": flag.annotation.level - flag.expected_level,
        }
        for flag in page
    ]
    counts = {name: queryset.count() for name, queryset in states.items()}
    context = {
        "page": page,
        "rows": rows,
        "counts": counts,
        "state": state,
        "query": query,
        "n_decisions": Decision.objects.count(),
    }
    return render(request, "annotations/review_queue.html", context)


def _search(flags: FlagQuerySet, query: str) -> FlagQuerySet:
    return flags.filter(
        Q(annotation__track__title__icontains=query)
        | Q(annotation__track__artist__icontains=query)
        # Or the search would say who is accused before the reviewer has listened.
        | Q(annotation__annotator__alias__icontains=query, is_heard=True)
        | Q(annotation__annotator__username__icontains=query, is_heard=True)
    )
