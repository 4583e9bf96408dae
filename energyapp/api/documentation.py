"""The schema, laid out for a page: groups of operations, each with what it takes and answers."""

from collections.abc import Iterator
from typing import Any


def operations(schema: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By resource, in the order of the schema."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(schema, path, method, operation))
    return groups


def _operation(schema: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    answers = operation["responses"].items()
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "description": operation.get("description", "").removeprefix(operation["summary"]).strip(),
        "parameters": [
            {"name": each["name"], "type": _type(schema, each["schema"]), "about": each.get("description", "")}
            for each in operation.get("parameters", [])
        ],
        "body": list(_fields(schema, _of_content(body))),
        "answer": [field for status, answer in answers if status < "300" for field in _of_answer(schema, answer)],
        "statuses": [(status, answer.get("description", "")) for status, answer in answers],
    }


def _of_answer(schema: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, str]]:
    return list(_fields(schema, _of_content(answer.get("content", {}))))


def _of_content(content: dict[str, Any]) -> dict[str, Any]:
    return next((media["schema"] for media in content.values()), {})


def _fields(schema: dict[str, Any], of: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of a page: those of its rows."""
    found = _resolved(schema, of)
    properties = found.get("properties", {})
    if set(properties) == {"next", "results"}:
        yield from _fields(schema, properties["results"]["items"])
        return
    for name, field in properties.items():
        yield {
            "name": name,
            "type": _type(schema, field),
            "about": field.get("description", ""),
            "required": name in found.get("required", []),
        }


def _type(schema: dict[str, Any], field: dict[str, Any]) -> str:
    field = _resolved(schema, field)
    if "enum" in field:
        return " | ".join(str(value) for value in field["enum"] if value not in ("", None))
    if field.get("type") == "array":
        return f"list of {_type(schema, field['items'])}"
    kind = field.get("format") or field.get("type", "object")
    bounds = [str(field[name]) for name in ("minimum", "maximum") if name in field]
    text = f"{kind} {' to '.join(bounds)}" if len(bounds) == 2 and len(bounds[1]) < 12 else kind
    return f"{text} or null" if field.get("nullable") else text


def _resolved(schema: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to. A reference with words of its own is an `allOf` or `oneOf` in the schema."""
    for among in ("allOf", "oneOf", "anyOf"):
        if among in of:
            return {**_resolved(schema, of[among][0]), **{key: value for key, value in of.items() if key != among}}
    if "$ref" not in of:
        return of
    return schema["components"]["schemas"][of["$ref"].rpartition("/")[2]]
