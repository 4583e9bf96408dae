"""Bodies are JSON, small, and say what they mean."""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from energyapp.api.problems import TooLarge

MAX_BYTES = 64 * 1024


class SmallJson(JSONParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: dict[str, Any] | None = None) -> Any:
        # Without a length nothing of the body is read.
        n_bytes = int((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if n_bytes > MAX_BYTES:
            raise TooLarge(f"The body has {n_bytes:,} bytes; at most {MAX_BYTES:,} are read.")
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
