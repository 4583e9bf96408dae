"""The pages about people: all of them, one of them, and the links by which they come in."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from annotations.accounts import people, services
from annotations.accounts.forms import InvitationForm, RoleForm
from annotations.accounts.models import Invitation
from annotations.http import Request
from annotations.models import User
from energyapp.audit.models import AuditEntry

PAGE_SIZE = 25
N_LINKS = 20
N_ENTRIES = 20

may_change_people = permission_required("annotations.change_user", raise_exception=True)
may_invite = permission_required("accounts.add_invitation", raise_exception=True)


# ---- All of them


@require_safe
@may_change_people
def all_people(request: Request) -> HttpResponse:
    return _people_page(request)


@require_POST
@may_invite
def invite(request: Request) -> HttpResponse:
    """The link is shown in this one answer: only its digest is kept, so no page can show it again."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _people_page(request, form=form, status=422)
    invitation, secret = services.invite(by=request.user, **form.cleaned_data)
    return _people_page(request, link=_address(request, secret), made=invitation)


@require_POST
@may_invite
def revoke_invitation(request: Request, pk: int) -> HttpResponse:
    try:
        services.revoke(invitation=get_object_or_404(Invitation, pk=pk), by=request.user)
    except services.NotDone as refusal:
        messages.info(request, str(refusal))
    else:
        messages.success(request, "The link is revoked.")
    return redirect("people")


def _people_page(
    request: Request,
    *,
    form: InvitationForm | None = None,
    link: str = "",
    made: Invitation | None = None,
    status: int = 200,
) -> HttpResponse:
    kind = request.GET.get("kind", "")
    kind = kind if kind in people.KINDS else "active"
    search = request.GET.get("q", "").replace("\0", "")
    page = Paginator(people.people(kind, search), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "kind": kind,
        "counts": people.counts(),
        "search": search,
        "page": page,
        "rows": [{"person": person, "role": people.role_of(person)} for person in page],
        "form": form or InvitationForm(),
        "link": link,
        "made": made,
        "links": Invitation.objects.select_related("account", "invited_by", "used_by")[:N_LINKS],
    }
    return render(request, "accounts/people.html", context, status=status)


def _address(request: Request, secret: str) -> str:
    return request.build_absolute_uri(reverse("invitation", args=[secret]))


# ---- One of them


@require_safe
@may_change_people
def person(request: Request, pk: int) -> HttpResponse:
    return _person_page(request, get_object_or_404(User, pk=pk))


@require_POST
@may_change_people
def change_role(request: Request, pk: int) -> HttpResponse:
    user, form = get_object_or_404(User, pk=pk), RoleForm(request.POST)
    if not form.is_valid():
        return _person_page(request, user, problem="Choose one of the three roles.", status=422)
    try:
        services.change_role(user=user, by=request.user, **form.cleaned_data)
    except services.NotDone as refusal:
        return _person_page(request, user, problem=str(refusal), status=409)
    messages.success(request, f"{user.display_name} is {form.cleaned_data['role']} now.")
    return redirect("person", pk=pk)


@require_POST
@may_change_people
def deactivate(request: Request, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    try:
        services.deactivate(user=user, by=request.user)
    except services.NotDone as refusal:
        return _person_page(request, user, problem=str(refusal), status=409)
    messages.success(request, f"{user.display_name} is deactivated. Their labels stay.")
    return redirect("person", pk=pk)


@require_POST
@may_change_people
def activate(request: Request, pk: int) -> HttpResponse:
    user = get_object_or_404(User, pk=pk)
    try:
        services.activate(user=user, by=request.user)
    except services.NotDone as refusal:
        return _person_page(request, user, problem=str(refusal), status=409)
    messages.success(request, f"{user.display_name} is active again, with the role and the password they had.")
    return redirect("person", pk=pk)


@require_POST
@may_change_people
def offer_password(request: Request, pk: int) -> HttpResponse:
    """Shown in this one answer, as an invitation is."""
    user = get_object_or_404(User, pk=pk)
    try:
        _, secret = services.offer_password(user=user, by=request.user)
    except services.NotDone as refusal:
        return _person_page(request, user, problem=str(refusal), status=409)
    return _person_page(request, user, link=_address(request, secret))


def _person_page(request: Request, user: User, *, problem: str = "", link: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "who": user,
        "role_now": people.role_of(user),
        "roles": Invitation.Role.values,
        "last_label_at": people.last_label_at(user),
        "problem": problem,
        "link": link,
        "entries": AuditEntry.objects.filter(subject=user.username).select_related("by")[:N_ENTRIES],
    }
    return render(request, "accounts/person.html", context, status=status)
