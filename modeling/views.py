"""Doors for what admins do with runs: train one, put one to use."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from annotations.http import Request
from modeling import services
from modeling.forms import TrainForm
from modeling.models import TrainingRun
from modeling.permissions import may_promote, may_train


@require_POST
@may_train
def train(request: Request) -> HttpResponse:
    form = TrainForm(request.POST)
    if form.is_valid():
        services.request_training(requested_by=request.user, **form.cleaned_data)
    else:
        messages.error(request, " ".join(str(problem) for of_field in form.errors.values() for problem in of_field))
    return redirect("dashboard")


@require_POST
@may_promote
def promote(request: Request, pk: int) -> HttpResponse:
    chosen = get_object_or_404(TrainingRun.objects.select_related("job"), pk=pk)
    try:
        services.promote(run=chosen, promoted_by=request.user)
    except services.NotPromotable as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, f"{chosen} is now in use.".capitalize())
    return redirect("run", pk=pk)
