"""Passwords: argon2id, off the event loop, a few at a time; nothing to learn from how long it takes."""

import asyncio
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from people.errors import WeakPassword

__all__ = ["MAX_LENGTH", "MIN_LENGTH", "check_strength", "hash_password", "verify"]

MIN_LENGTH = 8
MAX_LENGTH = 256

# OWASP's argon2id setting. RFC 9106's 64 MiB and four lanes would let a morning's sign-ins take both
# cores from the telephone events.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


async def hash_password(password: str) -> str:
    """Return the argon2id hash to keep."""
    return await asyncio.to_thread(_HASHER.hash, _normal(password))


async def verify(password_hash: str | None, password: str) -> bool:
    """Return whether `password` belongs to `password_hash`.

    None (no such login) takes as long as a wrong password and is never right.
    """
    return await asyncio.to_thread(_verify, password_hash, password)


def check_strength(password: str, *, login: str) -> None:
    """Raise WeakPassword for what is guessed first. Length is what counts (NIST SP 800-63B)."""
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"at least {MIN_LENGTH} characters are needed")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"at most {MAX_LENGTH} characters are allowed")
    if len(set(password)) < 3:
        raise WeakPassword("it repeats one or two characters")
    if password.casefold() == login.casefold():
        raise WeakPassword("it is the login")


def _verify(password_hash: str | None, password: str) -> bool:
    try:
        _HASHER.verify(password_hash or _nobodys_hash(), _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash("nobody's password")


def _normal(password: str) -> bytes:
    """Return one form for the same password typed on different keyboards (й as one or two characters)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
