"""The pages of settings and of the audit log: what is set, where each is changed, and who did what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from annotations.http import Request
from annotations.models import User
from annotations.roles import ADMIN, LEAD
from energyapp.administration.environment import variables
from energyapp.administration.forms import AuditForm
from energyapp.administration.rules import RULES
from energyapp.administration.sources import KINDS, USUAL, Entry
from energyapp.administration.timeline import PAGE_SIZE, Asked, Cursor, cursor_at
from energyapp.spreadsheets import csv_lines

N_CHANGES = 10

may_administer = permission_required("annotations.change_user", raise_exception=True)
may_see_history = permission_required("audit.view_auditentry", raise_exception=True)


@require_safe
@may_administer
def settings_page(request: Request) -> HttpResponse:
    context = {
        "rules": [(each.title, each.page, each.now()) for each in RULES],
        "changes": Asked(frozenset({"settings"})).page(None, N_CHANGES),
        "variables": variables(),
    }
    return render(request, "administration/settings.html", context)


@require_safe
@may_see_history
def audit(request: Request) -> HttpResponse:
    form = AuditForm(request.GET)
    context: dict[str, Any] = {
        "form": form,
        "kinds": KINDS,
        "chosen": [kind for kind in request.GET.getlist("kind") if kind in KINDS] or USUAL,
        "names": User.objects.filter(groups__name__in=[ADMIN, LEAD])
        .order_by("username")
        .values_list("username", flat=True),
    }
    if not form.is_valid():
        return render(request, "administration/audit.html", context, status=422)
    after = Cursor.from_text(request.GET.get("after", ""))
    entries = form.asked().page(after, PAGE_SIZE + 1)
    context["entries"] = entries[:PAGE_SIZE]
    context["older"] = str(cursor_at(entries[PAGE_SIZE - 1])) if len(entries) > PAGE_SIZE else ""
    context["is_later_page"] = after is not None
    return render(request, "administration/audit.html", context)


@require_safe
@may_see_history
def audit_csv(request: Request) -> HttpResponseBase:
    """All that the page's filter finds, however long."""
    form = AuditForm(request.GET)
    if not form.is_valid():
        problem = " ".join(str(error) for errors in form.errors.values() for error in errors)
        return HttpResponse(problem, content_type="text/plain; charset=utf-8", status=422)
    name = f"audit-{timezone.localdate():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        csv_lines(["at", "kind", "by", "what"], _csv_rows(form.asked().all())),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _csv_rows(entries: Iterable[Entry]) -> Iterator[list[str]]:
    for entry in entries:
        yield [entry.at.isoformat(timespec="seconds"), KINDS[entry.kind], entry.by, entry.what]
