"""Passwords: argon2id, off the event loop, a few at a time; nothing to learn from how long it takes.

Hashing takes some 20 ms of a core: it is done before a transaction opens, because every other write
waits for the one writer. `PasswordHash` is what a transaction is given.
"""

import asyncio
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from people.errors import WeakPassword

__all__ = [
    "MAX_LENGTH",
    "MIN_LENGTH",
    "PasswordHash",
    "check_other",
    "check_strength",
    "chosen",
    "hash_password",
    "verify",
    "warm_up",
]

MIN_LENGTH = 8
MAX_LENGTH = 256
_NAME_PART = 4  # shorter parts of a name are in too many words
_BESIDE_NAME = 6  # characters that must be left of a password without one's own name

# OWASP's argon2id setting. RFC 9106's 64 MiB and four lanes would let a morning's sign-ins take both
# cores from the telephone events.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_COMMON = Path(__file__).with_name("common_passwords.txt")
_OF_THE_TRADE = frozenset(
    (
        *("пароль", "привет", "любовь", "солнышко", "россия", "москва", "спартак", "зенит"),
        *("оператор", "диспетчер", "администратор", "жалоба", "жалобы", "обращение", "звонок"),
        *("press3", "asterisk", "callcenter", "complaint", "operator", "dispatcher", "supervisor"),
    )
)
# The same key on a Russian and on a Latin keyboard: a word typed in the other layout is the same word.
_LAYOUT = str.maketrans("йцукенгшщзхъфывапролджэячсмитьбюё", "qwertyuiop[]asdfghjkl;'zxcvbnm,.`")
_LOOK_ALIKES = str.maketrans("@4301$5!|7", "aaeoissiit")
_BEFORE = re.compile(r"^[\W\d_]+")
_BEHIND = re.compile(r"(?:\d+|[\W_]+)$")


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """What is kept of a password that was found good."""

    text: str


async def chosen(password: str, *, login: str, name: str) -> PasswordHash:
    """Return the hash of a password that an employee is to have; raises WeakPassword."""
    check_strength(password, login=login, name=name)
    return PasswordHash(await hash_password(password))


async def hash_password(password: str) -> str:
    """Return the argon2id hash to keep."""
    return await asyncio.to_thread(_HASHER.hash, _normal(password))


async def verify(password_hash: str | None, password: str) -> bool:
    """Return whether `password` belongs to `password_hash`.

    None (no such login) takes as long as a wrong password and is never right.
    """
    return await asyncio.to_thread(_verify, password_hash, password)


async def warm_up() -> None:
    """Make what `verify` needs for a login that nobody has: the first such answer must not be slower."""
    await asyncio.to_thread(_nobodys_hash)


def check_strength(password: str, *, login: str, name: str = "") -> None:
    """Raise WeakPassword for what is guessed first. Length is what counts (NIST SP 800-63B)."""
    if len(password) < MIN_LENGTH:
        raise WeakPassword("too-short", f"at least {MIN_LENGTH} characters are needed")
    if len(password) > MAX_LENGTH:
        raise WeakPassword("too-long", f"at most {MAX_LENGTH} characters are allowed")
    if len(set(password)) < 3:
        raise WeakPassword("repeats", "it repeats one or two characters")
    if _is_own_name(password, login, name):
        raise WeakPassword("own-name", "it is the login or the own name with little else")
    if _is_common(password):
        raise WeakPassword(
            "common", "it is one of the commonest passwords, or one with digits or signs around it"
        )


def check_other(old: str, new: str) -> None:
    """Raise WeakPassword when `new` is `old`, which its setter may know."""
    if _normal(old) == _normal(new):
        raise WeakPassword("same", "it is the password that is to be changed")


def _is_common(password: str) -> bool:
    return any(core in _common() for form in _forms(password) for core in _cores(form))


def _cores(form: str) -> Iterator[str]:
    """Yield `form` without what people put around a word: runs of digits and of signs, one after another."""
    for left in (form, _BEFORE.sub("", form)):
        core, longer = left, ""
        while core != longer:
            yield core
            core, longer = _BEHIND.sub("", core), core


def _is_own_name(password: str, login: str, name: str) -> bool:
    parts = [part for part in re.split(r"[\W\d_]+", f"{login} {name}") if len(part) >= _NAME_PART]
    if _folded(password) == _folded(login):
        return True
    own = sorted({form for part in parts for form in _forms(part)}, key=len, reverse=True)
    for left in _forms(password):
        without = left
        for part in own:
            without = without.replace(part, "")
        if without != left and len(without) < _BESIDE_NAME:
            return True
    return False


def _forms(text: str) -> set[str]:
    """Return the readings of `text`: as it is, typed in the Latin layout, with letters for look-alikes."""
    plain = _folded(text)
    latin = plain.translate(_LAYOUT)
    return {plain, latin, latin.translate(_LOOK_ALIKES)}


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().strip()


@cache
def _common() -> frozenset[str]:
    words = _COMMON.read_text(encoding="ascii").split("\n")
    return frozenset(filter(None, words)) | _OF_THE_TRADE


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
