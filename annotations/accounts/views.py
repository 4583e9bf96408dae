"""What everybody has: an account of their own, and the link by which they came to it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotations.accounts import services
from annotations.accounts.forms import ChangePasswordForm, ChoosePasswordForm, JoinForm, NameForm
from annotations.accounts.models import Invitation
from annotations.http import Request
from annotations.models import User

# ---- The account


@require_safe
def account(request: Request) -> HttpResponse:
    return _account_page(request)


@require_POST
def change_name(request: Request) -> HttpResponse:
    form = NameForm(request.POST)
    if not form.is_valid():
        return _account_page(request, name_form=form, status=422)
    services.change_name(user=request.user, **form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("account")


@sensitive_post_parameters()
@require_POST
def change_password(request: Request) -> HttpResponse:
    """All other sessions end by it; this one stays."""
    form = ChangePasswordForm(request.user, request.POST)
    if not form.is_valid():
        return _account_page(request, password_form=form, status=422)
    services.change_password(user=form.save(commit=False))
    update_session_auth_hash(request, request.user)
    messages.success(request, "Your password is changed. Wherever else you were logged in, you are logged out.")
    return redirect("account")


def _account_page(
    request: Request,
    *,
    name_form: NameForm | None = None,
    password_form: ChangePasswordForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "name_form": name_form or NameForm(initial={"name": request.user.get_full_name()}),
        "password_form": password_form or ChangePasswordForm(request.user),
    }
    return render(request, "accounts/account.html", context, status=status)


# ---- The link


@sensitive_post_parameters()
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: Request, secret: str) -> HttpResponse:
    """Where somebody who was given a link chooses name and password, or only the password."""
    response = _answer(request, secret)
    # The address is a secret until it is used: not for the log of whoever serves the style sheet.
    response["Referrer-Policy"] = "strict-origin"
    return response


def _answer(request: Request, secret: str) -> HttpResponse:
    if request.user.is_authenticated:
        why = f"You are logged in as {request.user.display_name}. Log out to use this link."
        return _dead(request, why, status=409)
    try:
        found = services.look_up(secret)
        return _choose_password(request, secret, found.account) if found.account else _join(request, secret, found)
    except services.LinkIsDead as refusal:
        return _dead(request, str(refusal), status=410)


def _join(request: Request, secret: str, found: Invitation) -> HttpResponse:
    form = JoinForm(request.POST or None)
    if not form.is_valid():
        return _link_page(request, form, found)
    try:
        user = services.join(secret=secret, user=form.save(commit=False))
    except services.LinkIsDead:
        raise
    except services.NotDone as refusal:
        form.add_error("username", str(refusal))
        return _link_page(request, form, found)
    messages.success(request, f"Your account is ready: log in as {user.username}.")
    return redirect("log_in")


def _choose_password(request: Request, secret: str, account: User) -> HttpResponse:
    form = ChoosePasswordForm(account, request.POST or None)
    if not form.is_valid():
        return _link_page(request, form, None)
    services.choose_password(secret=secret, user=form.save(commit=False))
    messages.success(request, f"Your new password is set: log in as {account.username}.")
    return redirect("log_in")


def _link_page(request: Request, form: JoinForm | ChoosePasswordForm, found: Invitation | None) -> HttpResponse:
    context = {"form": form, "invitation": found}
    return render(request, "accounts/invitation.html", context, status=422 if form.is_bound else 200)


def _dead(request: Request, why: str, *, status: int) -> HttpResponse:
    return render(request, "accounts/dead_link.html", {"why": why}, status=status)
