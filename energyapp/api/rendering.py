"""The API in a browser, by our own pages: those of the framework have scripts and styles in the page, which its policy forbids."""

import json
from typing import Any

from django.template.loader import render_to_string
from rest_framework.renderers import BaseRenderer
from rest_framework.utils.encoders import JSONEncoder


class Page(BaseRenderer):
    media_type = "text/html"
    format = "html"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> str:
        asked = renderer_context or {}
        request, response, view = asked["request"], asked["response"], asked["view"]
        rows = data.get("results") if isinstance(data, dict) else None
        context = {
            "status": response.status_code,
            "reason": response.reason_phrase,
            "problem": data["detail"] if response.status_code >= 400 else "",
            "links": _links(data),
            "is_list": rows is not None,
            "rows": [(row.get("id"), _text(row)) for row in rows or []],
            "following": rows is not None and data["next"],
            "text": _text(data),
            "example": _example(view),
        }
        template = "api/browse.html" if request.user.is_authenticated else "api/stranger.html"
        return render_to_string(template, context, request=request._request)


def _text(data: Any) -> str:
    return json.dumps(data, cls=JSONEncoder, indent=2, ensure_ascii=False)


def _links(data: Any) -> list[tuple[str, str]]:
    """Of the page that says where everything is."""
    if not isinstance(data, dict):
        return []
    return [(name, value) for name, value in data.items() if isinstance(value, str) and value.startswith("http")]


def _example(view: Any) -> str:
    """A body to begin with, where this address takes one."""
    if "POST" not in view.allowed_methods:
        return ""
    body = getattr(view, "bodies", {}).get(view.action_map["post"])
    return _text(dict.fromkeys(body().fields) if body else {})
