from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str:
    """Whose log-in attempt this is, as far as it can be known.

    Each proxy appends the address it was called from to X-Forwarded-For, so only the last TRUSTED_PROXIES entries are
    believable: what stands before them, the visitor may have written.

    >>> settings.TRUSTED_PROXIES = 2
    >>> request = HttpRequest()
    >>> request.META = {"REMOTE_ADDR": "10.0.0.3", "HTTP_X_FORWARDED_FOR": "1.1.1.1, 203.0.113.9, 10.0.0.2"}
    >>> client_ip(request)
    '203.0.113.9'
    """
    forwarded = [
        address.strip() for address in request.headers.get("X-Forwarded-For", "").split(",") if address.strip()
    ]
    hops = [*forwarded, request.META.get("REMOTE_ADDR", "")]
    return hops[max(0, len(hops) - 1 - settings.TRUSTED_PROXIES)]
