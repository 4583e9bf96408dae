"""What every connection to other people's servers keeps to: it ends in time, and what goes wrong is said as ours."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.exceptions import HTTPError, SSLError, TimeoutError
from urllib3.util.ssl_match_hostname import CertificateError

from energyapp.downloads.faults import LastingFault, PassingFault

# When the download that this thread is at must have ended, by the monotonic clock.
_ends_at: ContextVar[float] = ContextVar("_ends_at", default=math.inf)


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """What goes on inside ends by then, whatever the server does."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends_at.reset(token)


def left_s() -> float:
    left = _ends_at.get() - time.monotonic()
    if left <= 0:
        raise PassingFault("The server was too slow: the file did not come to its end in the time allowed")
    return left


class PunctualSocket(ssl.SSLSocket):
    """Ends with its download. A timeout alone starts again with each byte: a server that drips would hold us for ever."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        self.settimeout(min(left_s(), self.gettimeout() or math.inf))
        return super().read(len, buffer)


@contextmanager
def faults(server: str) -> Iterator[None]:
    """urllib3's errors as ours. That of a certificate lasts; what the network does passes."""
    try:
        yield
    except SSLError as problem:
        if isinstance(problem.args[0], (ssl.SSLCertVerificationError, CertificateError)):
            raise LastingFault(f"The certificate of {server} is not valid for it, so it may be another's") from None
        raise PassingFault(f"{server} failed to make a secure connection") from None
    except TimeoutError:
        left_s()  # raises where it was the deadline
        raise PassingFault(f"{server} was silent for too long") from None
    except HTTPError:
        raise PassingFault(f"{server} broke off the connection") from None
