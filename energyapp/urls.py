from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from energyapp import health, metrics


@login_not_required
@require_safe
@ensure_csrf_cookie
def token(request: HttpRequest) -> HttpResponse:
    """The cookie that everything sent needs, for a page that is open and whose browser has lost it."""
    return HttpResponse(status=204)


urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("token/", token, name="token"),
    path("log-in/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="log_in"),
    path("log-out/", auth_views.LogoutView.as_view(), name="log_out"),
    path("", include("annotations.urls")),
    path("", include("annotations.intake.urls")),
    path("", include("annotations.accounts.urls")),
    path("", include("modeling.urls")),
    path("", include("modeling.retraining.urls")),
    path("", include("modeling.scoring.urls")),
    path("", include("modeling.ranking.urls")),
    path("", include("modeling.exports.urls")),
    path("", include("energyapp.jobs.urls")),
    path("", include("energyapp.administration.urls")),
    path("", include("energyapp.webhooks.urls")),
    path("", include("energyapp.api.urls")),
]
