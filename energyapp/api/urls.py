"""Puts the API together: the one module of it that knows everything above."""

from django.urls import include, path, re_path
from rest_framework.routers import SimpleRouter

from annotations.api.decisions import Decisions
from annotations.api.flags import Flags
from annotations.api.labels import Annotations
from annotations.api.tracks import Tracks
from energyapp.api import token_views, views
from energyapp.jobs.api import Jobs
from modeling.api.predictions import Predictions
from modeling.api.runs import Runs

router = SimpleRouter()
for name, resource in {
    "tracks": Tracks,
    "annotations": Annotations,
    "flags": Flags,
    "decisions": Decisions,
    "runs": Runs,
    "predictions": Predictions,
    "jobs": Jobs,
}.items():
    router.register(name, resource, basename=name)

api = [
    path("", views.Root.as_view(), name="root"),
    path("me/", views.Me.as_view(), name="me"),
    path("schema/", views.SchemaView.as_view(), name="schema"),
    path("docs/", views.docs, name="docs"),
    *router.urls,
    re_path(r"^(?P<rest>.*)$", views.NothingHere.as_view(), name="nothing"),
]

urlpatterns = [
    path("api/v1/", include((api, "api"))),
    path("account/tokens/", token_views.tokens, name="tokens"),
    path("account/tokens/<int:pk>/revoke/", token_views.revoke, name="revoke_token"),
]
