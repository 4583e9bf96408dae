"""The page of webhooks: who is told of what, and whether it arrives."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from energyapp.webhooks import services
from energyapp.webhooks.events import EVENTS
from energyapp.webhooks.models import Delivery, Webhook

N_DELIVERIES = 50

webhook_permission = permission_required("webhooks.add_webhook", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@webhook_permission
def webhooks(request: HttpRequest) -> HttpResponse:
    """All of them; a new one shows its secret this once."""
    if request.method != "POST":
        return _page(request)
    url, events = request.POST.get("url", "").replace("\0", ""), request.POST.getlist("event")
    try:
        added = services.add(url=url, events=events, by=request.user)
    except services.NotAdded as problem:
        return _page(request, problem=str(problem), url=url, chosen=events, status=422)
    return _page(request, added=added, status=201)


@require_POST
@webhook_permission
def remove_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    services.remove(webhook=get_object_or_404(Webhook, pk=pk), by=request.user)
    messages.success(request, "Removed. It is told nothing any more.")
    return redirect("webhooks")


@require_POST
@webhook_permission
def ping_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    services.ping(get_object_or_404(Webhook.objects.active(), pk=pk))
    messages.info(request, "A message is on its way; below you see how it was answered.")
    return redirect("webhooks")


@require_POST
@webhook_permission
def send_again(request: HttpRequest, pk: Any) -> HttpResponse:
    services.send_again(get_object_or_404(Delivery, pk=pk))
    return redirect("webhooks")


def _page(
    request: HttpRequest,
    *,
    added: Webhook | None = None,
    problem: str = "",
    url: str = "",
    chosen: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "webhooks": Webhook.objects.active().select_related("created_by"),
        "deliveries": Delivery.objects.select_related("webhook")[:N_DELIVERIES],
        "events": EVENTS,
        "added": added,
        "problem": problem,
        "url": url,
        "chosen": list(EVENTS) if chosen is None else chosen,
    }
    return render(request, "webhooks/webhooks.html", context, status=status)
