"""The queue's page: what waits, by filters; many labels decided about at once; the same rows as a file."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import BigIntegerField, CharField, Count, Exists, OuterRef, Prefetch, Q, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from annotations.http import Request
from annotations.models import LEVELS, Annotation, Decision, Flag, FlagQuerySet, Genre, User
from annotations.models.flags import State
from annotations.review import decisions
from annotations.review.export import csv_lines
from annotations.review.paging import page_of
from annotations.review.precision import Precision, precision_by_reason
from annotations.review.queue import QueueFilter, to_id
from annotations.review.why import why
from energyapp.charts import share_bar

# Half of the scale's width fills the suspicion bar: labels that are farther off than that are rare.
FULL_BAR_LEVELS = 5
MAX_TICKED = 200
SUSPICIONS = (1, 2, 3, 4, 5)

see_flags = permission_required("annotations.view_flag", raise_exception=True)
decide_permission = permission_required("annotations.add_decision", raise_exception=True)


@require_safe
@see_flags
def review_queue(request: Request) -> HttpResponse:
    """Labels that look wrong, the most suspicious first."""
    return _queue_page(request)


@require_POST
@decide_permission
def decide_many(request: Request) -> HttpResponse:
    """Keep the labels that were ticked, or ask another annotator about each."""
    flags, verdict = [to_id(text) for text in request.POST.getlist("flag")], request.POST.get("verdict", "")
    if verdict not in decisions.UNHEARD:
        return _queue_page(request, problem="Choose what to do with them: keep, or ask another.", status=422)
    if not 0 < len(flags) <= MAX_TICKED:
        problem = f"{len(flags)} labels were ticked; from 1 to {MAX_TICKED} can be decided about at once."
        return _queue_page(request, problem=problem, status=422)
    outcome = decisions.decide_many(reviewer=request.user, flags=flags, verdict=verdict)
    n = len(outcome.decisions)
    labels = f"{n} label{'' if n == 1 else 's'}"
    did = f"Kept {labels}." if verdict == Decision.Verdict.KEEP else f"Asked another annotator about {labels}."
    if n:
        messages.success(request, f"{did} Each can be undone on its own page.")
    if left_out := +outcome.left_out:
        why_not = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        messages.warning(request, f"{left_out.total()} left out: {why_not}.")
    query = request.GET.urlencode()
    return redirect(reverse("review_queue") + (f"?{query}" if query else ""))


@require_safe
@see_flags
def export_flags(request: Request) -> StreamingHttpResponse:
    """The rows of the queue under the same filter, as CSV."""
    chosen = QueueFilter.from_query(request.GET, request.user)
    response = StreamingHttpResponse(csv_lines(_to_show(chosen.flags())), content_type="text/csv; charset=utf-8")
    name = f"review-{chosen.state.replace(' ', '-')}-{timezone.localdate():%Y-%m-%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _queue_page(request: Request, *, problem: str = "", status: int = 200) -> HttpResponse:
    chosen = QueueFilter.from_query(request.GET, request.user)
    page, precision, options = page_of(chosen, request.GET), precision_by_reason(), _options()
    context = {
        "chosen": chosen,
        "page": page,
        "rows": [_row(flag, precision) for flag in _to_show(chosen.in_full([row.pk for row in page.rows]))],
        "states": [(state, page.counts[state], chosen.query_string_with(state=state)) for state in State],
        "selects": _selects(chosen, options, precision),
        "corrections": [*chosen.corrections, *_unknown(chosen, options)],
        "is_open": chosen.state == State.OPEN,
        "next": page.next and chosen.query_string_with(after=page.next),
        "previous": page.previous and chosen.query_string_with(before=page.previous),
        "today": _today(),
        "problem": problem,
        **({} if chosen.is_narrow else {"n_open_flags": page.counts[State.OPEN]}),
    }
    return render(request, "annotations/review_queue.html", context, status=status)


def _to_show(rows: FlagQuerySet) -> FlagQuerySet:
    """With all that the page and the file say of a label."""
    beside = Prefetch("annotation__flags", Flag.objects.filter(is_withdrawn=False).defer("evidence"))
    rows = rows.select_related("standing__decided_by").defer("annotation__track__peaks")
    return rows.prefetch_related("annotation__track__genres", beside)


def _row(flag: Flag, precision: dict[str, Precision]) -> dict[str, Any]:
    heard = flag.is_heard  # type: ignore[attr-defined]  # by `heard_by`
    return {
        "flag": flag,
        "bar": share_bar(min(1.0, flag.suspicion / FULL_BAR_LEVELS)),
        "gap": flag.annotation.level - flag.expected_level if heard else None,
        "why": why(flag) if heard else "",
        "precision": precision[flag.reason],
        "others": [other for other in flag.annotation.flags.all() if other.pk != flag.pk],
    }


def _today() -> dict[str, int]:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    changed = Count("pk", filter=Q(verdict=Decision.Verdict.CHANGE))
    return Decision.objects.standing().filter(created_at__gte=midnight).aggregate(n=Count("pk"), n_changed=changed)


# ---- What can be chosen


def _options() -> dict[str, list[tuple[int, str]]]:
    """Genres, annotators and runs in one question: the page asks a dozen as it is."""
    full_name = Trim(Concat("first_name", Value(" "), "last_name"))
    name = Coalesce(NullIf(full_name, Value("")), NullIf("alias", Value("")), "username")
    has_labelled = Exists(Annotation.objects.filter(annotator=OuterRef("pk")))
    genres = Genre.objects.order_by().values_list(_is("genre"), "pk", "name")
    people = User.objects.order_by().filter(has_labelled).values_list(_is("annotator"), "pk", name)
    no_id = Value(0, output_field=BigIntegerField())
    runs = Flag.objects.order_by().values_list(_is("run"), no_id, "source").distinct()
    options: dict[str, list[tuple[int, str]]] = {"genre": [], "annotator": [], "run": []}
    for kind, pk, text in genres.union(people, runs, all=True):
        options[kind].append((pk, text))
    return {kind: sorted(found, key=lambda option: option[1].casefold()) for kind, found in options.items()}


def _is(kind: str) -> Value:
    return Value(kind, output_field=CharField())


def _selects(
    chosen: QueueFilter, options: dict[str, list[tuple[int, str]]], precision: dict[str, Precision]
) -> list[dict[str, Any]]:
    """Name in the address, words, what each choice is called, and which is chosen."""
    reasons = [(reason.value, f"{reason.label} ({precision[reason]})") for reason in Flag.Reason]
    choices: dict[str, tuple[str, list[tuple[Any, str]]]] = {
        "reason": ("Reason", reasons),
        "genre": ("Genre", [*options["genre"]]),
        "annotator": ("Annotator", [*options["annotator"]]),
        "level": ("Level heard", [(level, str(level)) for level in LEVELS]),
        "run": ("Run", [(text, text) for _, text in options["run"]]),
        "suspicion": ("Suspicion", [(levels, f"{levels} or more") for levels in SUSPICIONS]),
    }
    if chosen.suspicion and chosen.suspicion not in SUSPICIONS:
        choices["suspicion"][1].append((chosen.suspicion, f"{chosen.suspicion:g} or more"))
    return [
        {"name": name, "words": words, "options": found, "chosen": getattr(chosen, name) or ""}
        for name, (words, found) in choices.items()
    ]


def _unknown(chosen: QueueFilter, options: dict[str, list[tuple[int, str]]]) -> list[str]:
    """What is asked for and nowhere to be found: the page shows nothing then, and says why."""
    said = []
    if chosen.genre and chosen.genre not in dict(options["genre"]):
        said.append(f"There is no genre {chosen.genre}, so nothing can match.")
    if chosen.annotator and chosen.annotator not in dict(options["annotator"]):
        said.append(f"There is no annotator {chosen.annotator} with labels, so nothing can match.")
    if chosen.run and chosen.run not in {text for _, text in options["run"]}:
        said.append(f"No flag was raised by “{chosen.run}”, so nothing can match.")
    return said
