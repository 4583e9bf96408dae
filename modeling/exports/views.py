"""The page of exports: asking for one, watching it, and fetching its file."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from annotations.http import Request
from energyapp.jobs import workers
from modeling.exports import services
from modeling.exports.forms import ExportForm
from modeling.exports.models import Export
from modeling.exports.registry import TABLES

N_SHOWN = 50

may_export = permission_required("exports.add_export", raise_exception=True)


@require_http_methods(["GET", "HEAD", "POST"])
@may_export
def exports(request: Request) -> HttpResponse:
    if request.method != "POST":
        return _page(request, ExportForm(initial={"table": next(iter(TABLES))}))
    form = ExportForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    services.request_export(requested_by=request.user, **form.asked)
    return redirect(f"{reverse('exports')}#made")


def _page(request: Request, form: ExportForm, *, status: int = 200) -> HttpResponse:
    shown = Export.objects.select_related("job", "requested_by")[:N_SHOWN]
    rows = [{"export": export, "table": TABLES.get(export.table)} for export in shown]
    context: dict[str, Any] = {
        "form": form,
        "tables": TABLES.values(),
        "rows": rows,
        "kept_days": services.KEPT_FOR.days,
        "is_served": workers.serve(settings.CELERY_TASK_ROUTES["jobs.export"]["queue"]),
    }
    return render(request, "exports/exports.html", context, status=status)


@require_safe
@may_export
def export_file(request: Request, pk: int) -> HttpResponseBase:
    export = get_object_or_404(Export, pk=pk)
    if not export.is_there:
        raise Http404("the file is not there yet, or was removed to make room")
    try:
        file = export.path.open("rb")
    except FileNotFoundError:
        raise Http404("the file is missing from the storage") from None
    return FileResponse(file, as_attachment=True, filename=export.download_name)
