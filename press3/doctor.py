"""`press3 doctor`: looks at what press3 needs, and says what is wrong and what to do about it."""

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ami import actions
from ami.connection import AmiLink
from ami.errors import AmiError
from ivr.menu import RENDERED_QUEUE
from press3 import menu_files, schema
from press3.errors import Press3Error
from press3.one_link import one_link
from press3.settings import AsteriskSettings, Settings
from store.engine import create_engine

__all__ = ["Finding", "examine"]

# What reading needs (DESIGN §4), with one command that proves it: Asterisk names only what is allowed.
_NEEDED = (
    "CoreShowChannels",
    "CoreStatus",
    "DBGet",
    "DBGetTree",
    "Getvar",
    "QueueStatus",
    "Status",
)
_TOO_MUCH = ("Command", "DBPut", "DBDelTree", "Originate", "UpdateConfig", "Setvar")
_OLDEST, _NEWEST = (16, 28), 22
_ENOUGH_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok`, `warn` (works, but) or `fail`; `advice` says what to do."""

    level: Literal["ok", "warn", "fail"]
    what: str
    advice: str = ""


async def examine(settings: Settings, say: Callable[[str], None]) -> bool:
    """Say every finding; return whether nothing failed."""
    fine = True
    async for finding in _findings(settings):
        say(
            f"[{finding.level:>4}] {finding.what}"
            + (f" — {finding.advice}" if finding.advice else "")
        )
        fine = fine and finding.level != "fail"
    return fine


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    yield _data_dir(settings.service.data_dir)
    yield await _database(settings)
    yield _menu(settings)
    for root in settings.recordings.roots:
        yield _recordings(root)
    if not settings.asterisk:
        yield Finding("fail", "no [[asterisk]] in the configuration", "add one; see config.toml")
    for pbx in settings.asterisk:
        async for finding in _pbx(settings, pbx):
            yield finding
    for rule in settings.ivr.observe:
        yield Finding(
            "warn",
            f"observed menu {rule.context}: its presses are known only while press3 runs",
            "to make them durable, let key 3 do Goto(press3-complaint,s,1) of the rendered dialplan",
        )


def _data_dir(folder: Path) -> Finding:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding(
            "fail", f"data_dir {folder} is no writable folder", "create it for press3's user"
        )
    free = os.statvfs(folder)
    left = free.f_bavail * free.f_frsize
    if left < _ENOUGH_BYTES:
        return Finding(
            "warn", f"only {left >> 20} MiB free in {folder}", "free some before it is full"
        )
    return Finding("ok", f"data_dir {folder}: writable, {left >> 30} GiB free")


async def _database(settings: Settings) -> Finding:
    engine = create_engine(settings.database_url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
        at, head = await schema.current(settings.database_url), schema.head()
    except (SQLAlchemyError, OSError) as error:
        return Finding("fail", f"the database can't be reached: {error}", "check [database] url")
    finally:
        await engine.dispose()
    if at != head:
        return Finding(
            "fail", f"the database is at revision {at}, needed is {head}", "run: press3 migrate"
        )
    return Finding("ok", f"database at revision {head}")


def _menu(settings: Settings) -> Finding:
    try:
        menu = menu_files.menu_of(settings)
    except ValueError as error:
        return Finding("fail", f"[ivr]: {error}", "correct it, then render again")
    if not menu.queue and not menu.members:
        return Finding(
            "warn", "the rendered queue has no members", "set [ivr] members or an existing queue"
        )
    return Finding("ok", f"menu {menu.name}, queue {menu.queue_name}, as configured")


def _recordings(root: Path) -> Finding:
    if not root.is_dir():
        return Finding(
            "fail",
            f"recording folder {root} is not there",
            "mount it, or correct [recordings] roots",
        )
    if not os.access(root, os.R_OK | os.X_OK):
        return Finding(
            "fail",
            f"recording folder {root} can't be read",
            "add press3's user to the group asterisk",
        )
    return Finding("ok", f"recording folder {root} can be read")


async def _pbx(settings: Settings, pbx: AsteriskSettings) -> AsyncIterator[Finding]:
    try:
        async with one_link(pbx) as link:
            yield Finding("ok", f"{pbx.name}: AMI login as {pbx.username!r}")
            yield _version(pbx, link.version)
            async for finding in _rights(pbx, link):
                yield finding
            async for finding in _loaded(settings, pbx, link):
                yield finding
    except Press3Error as error:
        yield Finding("fail", str(error))


async def _loaded(
    settings: Settings, pbx: AsteriskSettings, link: AmiLink
) -> AsyncIterator[Finding]:
    """Whether the PBX has taken in what `press3 render` wrote: an include or a reload is soon forgotten."""
    try:
        if await actions.has_extension(link, "press3-complaint", "s"):
            yield Finding("ok", f"{pbx.name}: dialplan press3-complaint is loaded")
        else:
            advice = "include extensions_press3.conf (see the rendered README.txt), then: dialplan reload"
            yield Finding(
                "fail", f"{pbx.name}: no dialplan press3-complaint, key 3 leads nowhere", advice
            )
        queue = settings.ivr.queue or RENDERED_QUEUE
        if any(row.event == "QueueParams" for row in await actions.queue_status(link, queue)):
            yield Finding("ok", f"{pbx.name}: queue {queue} is there")
        else:
            advice = "include queues_press3.conf, or correct [ivr] queue, then: queue reload all"
            yield Finding("fail", f"{pbx.name}: no queue {queue}, callers would be hung up", advice)
    except AmiError as error:
        yield Finding("fail", f"{pbx.name}: the PBX does not tell what is loaded: {error}")


def _version(pbx: AsteriskSettings, version: str) -> Finding:
    parts = tuple(int(part) for part in version.split("~")[0].split(".")[:2] if part.isdigit())
    if parts < _OLDEST:
        return Finding(
            "fail", f"{pbx.name}: Asterisk {version} is older than 16.28", "upgrade Asterisk"
        )
    if parts and parts[0] > _NEWEST:
        return Finding(
            "warn", f"{pbx.name}: Asterisk {version} is newer than press3 was tried with"
        )
    return Finding("ok", f"{pbx.name}: Asterisk {version}")


async def _rights(pbx: AsteriskSettings, link: AmiLink) -> AsyncIterator[Finding]:
    try:
        allowed = await actions.list_commands(link)
    except AmiError as error:
        yield Finding(
            "fail", f"{pbx.name}: ListCommands failed: {error}", "render manager_press3.conf anew"
        )
        return
    lacking = [name for name in _NEEDED if name not in allowed]
    if lacking:
        yield Finding(
            "fail",
            f"{pbx.name}: the AMI user may not {', '.join(lacking)}",
            "use the rendered manager_press3.conf",
        )
    else:
        yield Finding("ok", f"{pbx.name}: the AMI user may read all that is needed")
    surplus = [name for name in _TOO_MUCH if name in allowed]
    if surplus:
        yield Finding(
            "warn",
            f"{pbx.name}: the AMI user may {', '.join(surplus)}, which press3 never needs",
            "take those rights away: write = reporting",
        )
