"""The second factor: time-based one-time codes (RFC 6238), SHA-1, 30 s, six digits, as every app makes them."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

__all__ = ["code_at", "new_secret", "step_of", "uri", "written"]

_STEP_S = 30
_DIGITS = 6
_SECRET_BYTES = 20  # as long as the hash: RFC 4226, 4
_DRIFT = 1  # steps that a telephone's clock may be off, either way


def new_secret() -> bytes:
    return secrets.token_bytes(_SECRET_BYTES)


def written(secret: bytes) -> str:
    """Return the form that people type into their app."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, login: str) -> str:
    """Return the address that an app reads from a picture."""
    asked = urlencode({"secret": written(secret), "issuer": "press3"})
    return f"otpauth://totp/press3:{quote(login)}?{asked}"


def step_of(secret: bytes, code: str, at: datetime, *, after: int | None) -> int | None:
    """Return the time step whose code `code` is, None when it is no good at `at`.

    `after` is the step of the code used last: that one and those before it are refused, so that a
    code which somebody saw can't be used again.
    """
    now = int(at.timestamp()) // _STEP_S
    found = None
    for step in range(now - _DRIFT, now + _DRIFT + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode()) and (
            after is None or step > after
        ):
            found = step
    return found


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226, 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)
