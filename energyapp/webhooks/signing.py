"""Signatures of the Standard Webhooks specification: any of its libraries can check ours."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over id, timestamp and body.

    Parameters
    ----------
    secret
        Base64 behind "whsec_".
    timestamp
        Seconds since 1970; receivers refuse what is older than some minutes, so that a message cannot be played again.

    Examples
    --------
    >>> signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...     timestamp=1614265330, body=b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    key = b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{b64encode(hmac.digest(key, signed, sha256)).decode()}"
