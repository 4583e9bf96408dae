"""One's own tokens: making one, seeing when each was used, taking it back."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from energyapp.api import tokens as services
from energyapp.api.models import ApiToken

MAX_USABLE = 20


class TokenForm(forms.Form):
    name = forms.CharField(
        label="What it is for", max_length=60, widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"})
    )
    scope = forms.ChoiceField(
        label="What it may do", choices=ApiToken.Scope, widget=forms.Select(attrs={"class": "input short"})
    )
    days = forms.IntegerField(
        label="Days until it expires",
        initial=services.DEFAULT_DAYS,
        min_value=1,
        max_value=services.MAX_DAYS,
        help_text=f"At most {services.MAX_DAYS}.",
        widget=forms.NumberInput(attrs={"class": "input short"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, TokenForm())
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    if sum(token.is_usable for token in _theirs(request)) >= MAX_USABLE:
        form.add_error(None, f"You have {MAX_USABLE} tokens that can be used; revoke one that you do not need.")
        return _page(request, form, status=409)
    token, secret = services.make(user=request.user, **form.cleaned_data)
    # In this answer and nowhere else: kept for a redirect, it would lie readable in the database.
    return _page(request, TokenForm(), made=token, secret=secret, status=201)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    user: Any = request.user
    token = get_object_or_404(ApiToken, user=user, pk=pk)
    if services.revoke(token=token, by=user):
        messages.success(request, f"The token “{token.name}” is revoked: it opens nothing any more.")
    else:
        messages.info(request, f"The token “{token.name}” had been revoked before.")
    return redirect("tokens")


def _page(request: HttpRequest, form: TokenForm, *, status: int = 200, **made: Any) -> HttpResponse:
    return render(request, "api/tokens.html", {"form": form, "tokens": _theirs(request), **made}, status=status)


def _theirs(request: HttpRequest) -> list[ApiToken]:
    user: Any = request.user
    return list(ApiToken.objects.filter(user=user))
