from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render, resolve_url
from django.utils.cache import add_never_cache_headers
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect


class LoginRequired(LoginRequiredMiddleware):
    """Every page needs a login unless it says otherwise; afterwards people are back on the page they were on."""

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> Any:
        return to_login(request)


def to_login(request: HttpRequest) -> HttpResponse:
    """To the login page as a whole: htmx would put it into the middle of the page that is open. Modules are told what to do."""
    if _is_json(request):
        return JsonResponse({"state": "log in"}, status=401)
    response = redirect_to_login(_page_of(request), resolve_url(settings.LOGIN_URL))
    return HttpResponseClientRedirect(response.url) if request.headers.get("HX-Request") else response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Without a session there is no token: then it is a login that is missing, and not an attack.

    Modules ask for a new token (energyapp.urls.token) and send again; only then do they hear of a missing login.
    """
    if _is_json(request):
        return JsonResponse({"state": "token"}, status=403)
    if request.headers.get("HX-Request"):
        return to_login(request)
    return render(request, "403_csrf.html", status=403)


def _is_json(request: HttpRequest) -> bool:
    """Whether a module of a page asks, which can do nothing with a page."""
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return "application/json" in {request.content_type, preferred}


def _page_of(request: HttpRequest) -> str:
    """The page to come back to: this one, or, for what was sent from a page, that page."""
    if request.method in {"GET", "HEAD"} and not request.headers.get("HX-Request"):
        return request.get_full_path()
    sent_from = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(sent_from, {request.get_host()}, require_https=request.is_secure()):
        return "/"
    page = urlsplit(sent_from)
    return page.path + (f"?{page.query}" if page.query else "")


def private_pages(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Keep what one person sees out of every shared cache, unless the view has set a caching rule of its own."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if "Cache-Control" not in response:
            add_never_cache_headers(response)
        return response

    return middleware
