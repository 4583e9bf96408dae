from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("log-in/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="log_in"),
    path("log-out/", auth_views.LogoutView.as_view(), name="log_out"),
    path("", include("annotations.urls")),
    path("", include("annotations.intake.urls")),
    path("", include("modeling.urls")),
    path("", include("energyapp.jobs.urls")),
]
