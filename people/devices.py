"""Known devices: what lets a person in while strangers keep failing at their login.

After a sign-in the browser keeps a cookie that holds, signed, the logins for which it was right
(OWASP's device cookies). It opens nothing; failures on a known device are only counted apart from
strangers', and a known device waits in a lane of its own. A stolen one buys its thief as many
guesses as any device has.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

__all__ = ["LASTS", "cookie_for", "device_of"]

LASTS = timedelta(days=365)
_MOST_LOGINS = 8  # of one shared desk; the one seen longest ago is forgotten first
_COOKIE = re.compile(r"([\w-]{22})\.([0-9]{1,11})((?:\.[\w-]{22}){1,8})", re.ASCII)


def device_of(key: bytes, cookie: str, login: str, now: datetime) -> str | None:
    """Return the name of the device when its cookie is ours and knows `login`; else None."""
    found = _read(cookie, now)
    if found is None:
        return None
    name, since, marks = found
    wanted = _mark(key, name, since, login)
    known = [hmac.compare_digest(mark, wanted) for mark in marks]
    return name if any(known) else None


def cookie_for(key: bytes, cookie: str, login: str, now: datetime) -> str:
    """Return the cookie for a device where `login` was right: `cookie` with it, or a new one.

    Other marks stay: those of other logins can't be distinguished from invented ones, and these are
    worth nothing.
    """
    name, since, marks = _read(cookie, now) or _new(now)
    own = _mark(key, name, since, login)
    kept = [own, *(mark for mark in marks if mark != own)][:_MOST_LOGINS]
    return ".".join((name, since, *kept))


def _new(now: datetime) -> tuple[str, str, list[str]]:
    return _text(secrets.token_bytes(16)), str(int(now.timestamp())), []


def _read(cookie: str, now: datetime) -> tuple[str, str, list[str]] | None:
    """Return name, time of issue and marks of a cookie that has the form of ours and is not too old."""
    found = _COOKIE.fullmatch(cookie)
    if found is None:
        return None
    age_s = now.timestamp() - int(found[2])
    return (
        (found[1], found[2], found[3].split(".")[1:])
        if 0 <= age_s < LASTS.total_seconds()
        else None
    )


def _mark(key: bytes, name: str, since: str, login: str) -> str:
    signed = "\0".join((name, since, login)).encode("utf-8", "surrogatepass")
    return _text(hmac.digest(key, signed, hashlib.sha256)[:16])


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
