"""`press3 replay --journal`: stored calls read again by today's rules, from the events that are kept.

Only a call that was heard whole can be: one that a blind window touches, or that is not over, stays as
it is. Nothing is written unless asked; then the new facts stand behind the old ones, the press, its
evidence and the recordings stay, and the appeal and its links are not touched, but for an answer that
nobody knew of: its first contact, and a conflict of who answered.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ami.errors import EventError
from ami.parser import parse
from appeals.case import calls as calls_of_case
from appeals.intake.follow_up import call_went_on
from calls import storage
from calls.facts import CallArrived, CallEnded, Fact, OperatorAnswered
from calls.model import Call
from calls.retelling import differences, retold, story_of
from calls.storage import Gap
from calls.story import CallChange, CallStory
from calls.tracker import Tracker
from press3.config.settings import Settings
from press3.database import Database, open_database
from press3.telephony_parts import keep_rules, number_rules, trigger_rules
from store import journal

__all__ = ["KEPT", "Found", "replay_journal", "retell"]

KEPT = timedelta(days=14)  # so long events stay in the journal
_SETTLED = timedelta(minutes=10)  # a call that ended recently may get a late fact
_LATE = timedelta(minutes=1)  # facts that come after the end of their call
_AT_ONCE = 50  # calls a commit


@dataclass
class Found:
    """What one PBX's journal says of its calls. `changed`: call → what differs, of `heard` whole ones."""

    heard: int = 0
    changed: dict[str, list[str]] = field(default_factory=dict)
    not_whole: int = 0
    unknown: list[str] = field(default_factory=list)
    pressed_unknown: list[str] = field(default_factory=list)
    broken: int = 0


async def replay_journal(settings: Settings, say: Callable[[str], None], *, apply: bool) -> None:
    """Read the calls of the last 14 days again and say how many change; `apply` stores that."""
    async with open_database(settings) as database:
        for pbx in (each.name for each in settings.asterisk):
            _say(pbx, await retell(database, settings, pbx, apply=apply), say)
    if not apply:
        say("nothing was written; `press3 replay --journal --apply` stores what is changed")


def _say(pbx: str, found: Found, say: Callable[[str], None]) -> None:
    parts = Counter(name for names in found.changed.values() for name in names)
    what = ", ".join(f"{name} {count}" for name, count in parts.most_common())
    say(
        f"{pbx}: {found.heard} calls heard whole, {len(found.changed)} changed"
        + (f" ({what})" if what else "")
    )
    for call, names in found.changed.items():
        say(f"  {call}: {', '.join(names)}")
    if found.not_whole:
        say(f"  {found.not_whole} stay as they are: a blind window touches them")
    if found.unknown:
        say(f"  {len(found.unknown)} that today's rules find are not stored, and stay so")
    for call in found.pressed_unknown:
        say(f"  {call}: 3 was pressed in it and it is not stored: look at it")
    if found.broken:
        say(f"  {found.broken} events can't be read any more")


async def retell(database: Database, settings: Settings, pbx: str, *, apply: bool) -> Found:
    """Return what today's rules make of the stored calls of `pbx`; store it if `apply`."""
    found, now = Found(), database.now()
    since = now - KEPT
    async with database.sessions() as session:
        gaps = await storage.gaps(session, pbx, since, now=now)
    batch: list[list[Fact]] = []
    async for told in _calls(database, settings, pbx, since, gaps, found):
        batch.append(told)
        if len(batch) == _AT_ONCE:
            await _compare(database, batch, gaps, found, apply=apply)
            batch = []
    await _compare(database, batch, gaps, found, apply=apply)
    return found


async def _calls(
    database: Database,
    settings: Settings,
    pbx: str,
    since: datetime,
    gaps: Sequence[Gap],
    found: Found,
) -> AsyncIterator[list[Fact]]:
    """Yield the facts of each call that is over, as today's rules make them of the journal.

    A caller on the line before a blind window need not be there after it: the tracker starts afresh.
    """
    edges = sorted(end for _, end in gaps)
    after, tracker = 0, _tracker(settings, pbx)
    facts: dict[str, list[Fact]] = {}
    over: dict[str, datetime] = {}
    while True:
        async with database.sessions() as session:
            rows, after = await journal.read_after(session, pbx, after, since)
        for row in rows:
            while edges and row.at >= edges[0]:
                edges.pop(0)
                tracker = _tracker(settings, pbx)
                facts = {call: told for call, told in facts.items() if call in over}
            try:
                told = tracker.feed(parse(row.raw, row.at))
            except EventError:
                found.broken += 1
                continue
            for fact in told:
                facts.setdefault(fact.call, []).append(fact)
                if isinstance(fact, CallEnded):
                    over[fact.call] = row.at
        latest = rows[-1].at if rows else None
        for call in [c for c, at in over.items() if latest is None or at < latest - _LATE]:
            del over[call]
            yield facts.pop(call)
        if not rows:
            return


def _tracker(settings: Settings, pbx: str) -> Tracker:
    rules, numbers = trigger_rules(settings, pbx), number_rules(settings)
    return Tracker(pbx, rules, numbers, keep_rules(settings))


async def _compare(
    database: Database,
    batch: Sequence[list[Fact]],
    gaps: Sequence[Gap],
    found: Found,
    *,
    apply: bool,
) -> None:
    """Count what differs in `batch`; the calls are read and written in one transaction if `apply`."""
    work = partial(_look, batch=batch, gaps=gaps, now=database.now(), apply=apply)
    if apply:
        part = await database.writer.run(work)
    else:
        async with database.sessions() as session:
            part = await work(session)
    found.heard += part.heard
    found.not_whole += part.not_whole
    found.changed |= part.changed
    found.unknown += part.unknown
    found.pressed_unknown += part.pressed_unknown


async def _look(
    session: AsyncSession,
    *,
    batch: Sequence[list[Fact]],
    gaps: Sequence[Gap],
    now: datetime,
    apply: bool,
) -> Found:
    part = Found()
    ids = [told[0].call for told in batch]
    known = set(await session.scalars(select(Call.id).where(Call.id.in_(ids))))
    for told in batch:
        call = told[0].call
        if not isinstance(told[0], CallArrived):
            continue  # its beginning lies before the journal's
        story = story_of(told)
        assert story is not None
        if call not in known:
            if not _touched(story, gaps):
                (part.unknown if story.pressed_at is None else part.pressed_unknown).append(call)
            continue
        stored = await storage.load_facts(session, call)
        before = story_of(stored)
        assert before is not None  # its row is there
        if before.ended_at is None or before.ended_at > now - _SETTLED:
            continue
        if _touched(before, gaps) or any(fact.recovered for fact in stored):
            part.not_whole += 1
            continue
        part.heard += 1
        again = retold(stored, told)
        after = story_of(again)
        assert after is not None
        if names := differences(before, after):
            part.changed[call] = names
            if apply:
                await _store(session, before, after, again, now)
    return part


def _touched(story: CallStory, gaps: Sequence[Gap]) -> bool:
    """Return whether a blind window lay within the call."""
    ended = story.ended_at or story.started_at
    return any(
        since <= ended + _LATE and story.started_at - _LATE <= until for since, until in gaps
    )


async def _store(
    session: AsyncSession,
    before: CallStory,
    after: CallStory,
    facts: Sequence[Fact],
    now: datetime,
) -> None:
    """Store the new story. An answer that was not known is the appeal's first contact."""
    await storage.store_retold(session, before, after, facts)
    knew = {(leg.uniqueid, leg.answered_at) for leg in before.legs}
    answers = tuple(
        fact
        for fact in facts
        if isinstance(fact, OperatorAnswered) and (fact.leg, fact.at) not in knew
    )
    if answers:
        change = CallChange(before=before, story=after, facts=answers)
        for appeal in await calls_of_case.appeals_of(session, after.id):
            await call_went_on(session, appeal, change, now=now, departments={})
