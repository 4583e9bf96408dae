"""What every resource shares: its list page by page, one by its id, what may be asked of it, and by whom."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from energyapp.api.fields import Filters, WholeText
from energyapp.api.paging import MAX_PAGE_SIZE, PAGE_SIZE, page_of
from energyapp.api.problems import CONTENT_TYPE


class PageQuery(serializers.Serializer):
    cursor = serializers.CharField(
        required=False, max_length=200, help_text="Where to go on: better follow `next` of the page before."
    )
    limit = WholeText(
        required=False,
        min_value=1,
        max_value=MAX_PAGE_SIZE,
        help_text=f"Rows a page; {PAGE_SIZE} where nothing is said.",
    )


class Api:
    """For every view of the API: refusals carry their own type."""

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]  # of APIView
        is_json = getattr(getattr(response, "accepted_renderer", None), "format", "") == "json"
        if response.status_code >= 400 and is_json:
            response.content_type = CONTENT_TYPE
        return response


class Resource(Api, GenericViewSet):
    # What each action takes: names of permissions, which are those of the page that shows or does the same.
    permissions: ClassVar[dict[str, str]]
    filters: ClassVar[type[Filters]] = Filters
    # Number columns; together they tell any two rows apart.
    order: ClassVar[tuple[str, ...]] = ("-pk",)
    # For the schema: what other actions than list and retrieve are sent, what they answer by status (`bytes` is sound), and
    # which answer 409.
    bodies: ClassVar[dict[str, type[serializers.Serializer]]] = {}
    answers: ClassVar[dict[str, dict[int, type | None]]] = {}
    conflicts: ClassVar[frozenset[str]] = frozenset()
    lookup_value_regex = "[0-9]{1,18}"

    def list(self, request: Any) -> Response:
        query = self._query(request)
        rows, following = page_of(
            self.filtered(self.get_queryset(), query),
            order=self.order,
            query=query,
            url=request.build_absolute_uri(),
        )
        return Response({"next": following, "results": self.get_serializer(rows, many=True).data})

    def retrieve(self, request: Any, pk: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def filtered(self, rows: QuerySet, query: dict[str, Any]) -> QuerySet:
        """The rows that an address asks for; `query` holds what its filters have read."""
        return rows

    def sent(self) -> dict[str, Any]:
        """What the request's body says."""
        read = self.bodies[self.action](data=self.request.data)
        read.is_valid(raise_exception=True)
        return read.validated_data

    def _query(self, request: Any) -> dict[str, Any]:
        page = PageQuery(data=request.query_params.dict())
        page.is_valid(raise_exception=True)
        return {**self.filters.read(request.query_params, beside=set(page.fields)), **page.validated_data}
