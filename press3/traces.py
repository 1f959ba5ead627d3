"""Traces: a slice of stored events written out (made anonymous), and fed in again.

A trace is JSON lines `{"at": RFC 3339, "raw": the event as AMI sent it}`; bytes that are no UTF-8 are
kept as surrogate escapes. This is how support works: a caller's trouble becomes a test.
"""

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ami.wire import decode
from people import audit
from people.audit import COMMAND_LINE, AuditKind
from press3.config.settings import Settings
from press3.errors import Press3Error
from store.journal import JournalRow

__all__ = ["Anonymiser", "TraceLine", "capture", "read_trace", "write_trace"]

_NUMBER = re.compile(r"\+?\d{7,}")
_NAME_HEADERS = ("calleridname", "connectedlinename")
# Digits in these are identities of channels and bridges, not of people.
_IDENTITIES = ("uniqueid", "linkedid", "timestamp", "key", "at")


@dataclass(frozen=True, slots=True)
class TraceLine:
    at: datetime
    raw: bytes


class Anonymiser:
    """Replaces numbers and names by others: the same one by the same one, differently in every trace."""

    def __init__(self, salt: bytes | None = None) -> None:
        self._salt = salt or secrets.token_bytes(16)

    def message(self, raw: bytes) -> bytes:
        """Return the event with no outside number and no name in it."""
        lines = [self._line(name, value) for name, value in decode(raw)]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape")

    def _line(self, name: str, value: str) -> str:
        low = name.lower()
        if not name:
            return self._number_free(value)
        if low.endswith(_NAME_HEADERS) and value not in ("", "<unknown>"):
            return f"{name}: Name {self._digits(value, 4)}"
        if low.endswith(_IDENTITIES):
            return f"{name}: {value}"
        return f"{name}: {self._number_free(value)}"

    def _number_free(self, text: str) -> str:
        return _NUMBER.sub(self._pseudonym, text)

    def _pseudonym(self, match: re.Match[str]) -> str:
        number = match.group()
        if re.fullmatch(r"1[0-9]{9}", number):
            return number  # epoch seconds inside a channel's uniqueid or a file name
        head = len(number) - 7  # country and area stay: they decide how a number is read
        return number[:head] + self._digits(number, 7)

    def _digits(self, text: str, count: int) -> str:
        digest = blake2b(text.encode("utf-8", "surrogateescape"), key=self._salt, digest_size=8)
        return str(int.from_bytes(digest.digest()) % 10**count).zfill(count)


def write_trace(out: Path, lines: Iterable[TraceLine]) -> int:
    """Write `lines` to the new file `out`, which nobody else may read; return how many.

    Raises:
        Press3Error: `out` is there already, or can't be made.
    """
    try:
        new = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Press3Error(
            f"{out} is there already and is not overwritten: give another name, or remove it"
        ) from error
    except OSError as error:
        raise Press3Error(f"{out} can't be written: {error.strerror}") from error
    count = 0
    with os.fdopen(new, "w", encoding="utf-8", errors="surrogateescape") as file:
        for line in lines:
            text = line.raw.decode("utf-8", "surrogateescape")
            row = {"at": line.at.isoformat(), "raw": text}
            file.write(json.dumps(row, ensure_ascii=True) + "\n")
            count += 1
    return count


def read_trace(file: Path) -> Iterator[TraceLine]:
    """Yield the lines of a trace; raises Press3Error with the line that is none."""
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                at = datetime.fromisoformat(row["at"])
                yield TraceLine(at, row["raw"].encode("utf-8", "surrogateescape"))
            except (ValueError, KeyError, TypeError) as error:
                raise Press3Error(
                    f"{file}, line {number} is no line of a trace: {error}"
                ) from error


async def capture(settings: Settings, out: Path, *, pbx: str | None, minutes: int) -> None:
    """Write the stored events of the last `minutes`, up to the newest, anonymised."""
    from press3.database import open_database

    names = [each.name for each in settings.asterisk]
    if pbx is not None and pbx not in names:
        raise Press3Error(f"no [[asterisk]] named {pbx!r}; there are: {', '.join(names) or 'none'}")
    chosen = pbx or (names[0] if names else "main")
    anonymiser = Anonymiser()
    async with open_database(settings) as database:
        at = database.now()
        async with database.sessions() as session:
            rows = await session.execute(
                select(JournalRow.at, JournalRow.raw)
                .where(JournalRow.pbx == chosen, JournalRow.at > at - timedelta(minutes=minutes))
                .order_by(JournalRow.id)
            )
            lines = [TraceLine(at, anonymiser.message(raw)) for at, raw in rows]
        if not lines:
            raise Press3Error(f"no events of {chosen!r} in the last {minutes} minutes")

        async def noted(session: AsyncSession) -> None:
            kind, count = AuditKind.EXPORTED, len(lines)
            audit.record(session, kind, at=at, by=COMMAND_LINE, what=f"{count} events", pbx=chosen)

        await database.writer.run(noted)  # before: what can't be noted does not leave
    write_trace(out, lines)
