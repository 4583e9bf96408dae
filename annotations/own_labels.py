"""An annotator's own page: what they have labelled."""

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from annotations.http import Request
from annotations.models import Annotation

PAGE_SIZE = 50


@require_safe
@permission_required("annotations.add_annotation", raise_exception=True)
def my_labels(request: Request) -> HttpResponse:
    """Own labels only, newest first."""
    own = Annotation.objects.current().filter(annotator=request.user).select_related("track")
    page = Paginator(own.defer("track__peaks").order_by("-created_at", "-pk"), PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    return render(request, "annotations/my_labels.html", {"page": page})
