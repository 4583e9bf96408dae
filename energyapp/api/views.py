"""What the API says of itself: where things are, its schema, its documentation; who one is; and that there is nothing here."""

from functools import lru_cache
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from energyapp.api.documentation import operations
from energyapp.api.models import ApiToken
from energyapp.api.resources import Api

RESOURCES = ("tracks", "annotations", "flags", "decisions", "runs", "predictions", "jobs")


class View(Api, APIView):
    """A view that is no resource: it takes a login, and no permission."""


class Root(View):
    """Where everything is. What your role may not see answers 403."""

    schema = None

    def get(self, request: Any) -> Response:
        lists = {name: reverse(f"api:{name}-list", request=request) for name in RESOURCES}
        others = {name: reverse(f"api:{name}", request=request) for name in ("me", "schema", "docs")}
        return Response({**lists, **others})


class TokenSerializer(serializers.ModelSerializer):
    class Meta:
        model = ApiToken
        fields = ["name", "scope", "expires_at"]


class MeSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    username = serializers.CharField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    token = TokenSerializer(allow_null=True, help_text="The one that asks; null for a login.")


class Me(View):
    serializer_class = MeSerializer

    def get(self, request: Any) -> Response:
        """Who you are, and what you ask with."""
        user = request.user
        me = {
            "id": user.pk,
            "username": user.username,
            "name": user.display_name,
            "roles": sorted(user.groups.values_list("name", flat=True)),
            "token": request.auth,
        }
        return Response(MeSerializer(me).data)


class SchemaView(View):
    """OpenAPI 3, for programs that write programs."""

    schema = None

    def get(self, request: Any) -> Response:
        return Response(whole_schema())


class NothingHere(View):
    schema = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(
            f"There is nothing at {request.path}. Addresses end in a slash; {reverse('api:root')} says what there is."
        )


@require_safe
def docs(request: Any) -> HttpResponse:
    """The schema for people."""
    return render(request, "api/docs.html", {"groups": operations(whole_schema())})


@lru_cache
def whole_schema() -> dict[str, Any]:
    """The same for everybody: what a role may not do, it says itself. Takes a second, once a process."""
    from drf_spectacular.generators import SchemaGenerator  # which the first who asks waits for, and not the start

    return SchemaGenerator(urlconf="energyapp.api.urls").get_schema(request=None, public=True)
