"""Whether the PBX's calls look misread: trunks with names of telephones, telephones with names of none."""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ami import actions
from ami.errors import ActionFailed, AmiError, EventError
from ami.events import Event
from ami.parser import parse
from ami.wire import event_type
from calls.misread import Doubt, doubts
from calls.model import Call, Leg
from calls.numbers import resource
from ivr.menu import RENDERED_QUEUE
from people import directory
from press3.clock import now
from press3.doctor.findings import Finding, ok, warn
from press3.doctor.patient import Patient
from press3.telephony_parts import number_rules
from store.journal import JournalRow

__all__ = ["findings"]

_EVENTS_LOOKED_AT = 20_000
_ANSWERS_OF = timedelta(days=14)
_MOST_SAID = 10  # lines of one kind; what mends one often mends all
_LOOKED_AT = (b"Newchannel", b"Newstate", b"DialBegin")


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    for finding in await _chan_sip(patient):
        yield finding
    for finding in await _local_members(patient):
        yield finding
    if patient.sessions is None:
        return
    async with patient.sessions() as session:
        for finding in (*await _lines(patient, session), *await _answers(patient, session)):
            yield finding


async def _lines(patient: Patient, session: AsyncSession) -> Sequence[Finding]:
    """What the newest stored events say of the lines that they name."""
    rows = await session.execute(
        select(JournalRow.raw, JournalRow.at)
        .where(JournalRow.pbx == patient.name)
        .order_by(JournalRow.id.desc())
        .limit(_EVENTS_LOOKED_AT)
    )
    newest = [(raw, at) for raw, at in rows if event_type(raw) in _LOOKED_AT]
    events: list[Event] = []
    for raw, at in reversed(newest):
        try:
            events.append(parse(raw, at))
        except EventError:
            continue  # a damaged event says nothing of its line; the service counts and logs them
    if not events:
        return ()
    found = doubts(number_rules(patient.settings), events)
    said = list(_said(patient.name, found))
    return said or (ok(f"{patient.name}: its lines are read by their names"),)


def _said(pbx: str, found: Sequence[Doubt]) -> Iterator[Finding]:
    kinds: dict[tuple[str, str], Doubt] = {}
    for doubt in found:
        kinds.setdefault((doubt.kind, doubt.line), doubt)
    of_kind: dict[str, int] = {}
    for doubt in kinds.values():
        of_kind[doubt.kind] = of_kind.get(doubt.kind, 0) + 1
        if of_kind[doubt.kind] <= _MOST_SAID:
            yield _doubt(pbx, doubt)


def _doubt(pbx: str, doubt: Doubt) -> Finding:
    line, place = doubt.line, f"out of context {doubt.context}" if doubt.context else "dialled"
    trunk = f"in [calls]: trunks = ['^{re.escape(line)}(?:[-/@]|$)']"
    if doubt.kind == "named_like_a_telephone":
        return warn(
            f"{pbx}: {line} has the name of an extension and is read as a trunk ({place})",
            f"is it one, say so {trunk}; is it a telephone, {_phone_context(doubt)}",
        )
    if doubt.kind == "outside_number":
        return warn(
            f"{pbx}: {line} shows an outside number and is read as the telephone {doubt.extension} ({place})",
            f"is it a trunk, say so {trunk}; an employee's line that shows the company's number is right so",
        )
    if doubt.kind == "by_its_number":
        return warn(
            f"{pbx}: {line} is read as the telephone {doubt.extension} by the number it shows alone",
            _pattern(doubt),
        )
    return warn(
        f"{pbx}: {line} shows {doubt.extension} and is read as that employee's telephone ({place})",
        f"do outside callers come from there, say so in [calls]: trunk_contexts = ['{doubt.context}']; "
        f"is it a telephone, {_phone_context(doubt)}",
    )


def _phone_context(doubt: Doubt) -> str:
    return f"phone_contexts = ['{doubt.context}']" if doubt.context else "let its context say so"


def _pattern(doubt: Doubt) -> str:
    technology, _, name = doubt.line.partition("/")
    if doubt.extension is not None and name == doubt.extension:
        return f"add to [calls] interface: '^{technology}/(?P<ext>[0-9]{{2,6}})(?:[-/@]|$)'"
    if doubt.extension is not None and name.endswith(doubt.extension):
        prefix = re.escape(name.removesuffix(doubt.extension))
        return f"add to [calls] interface: '^{technology}/{prefix}(?P<ext>[0-9]{{2,6}})(?:[-/@]|$)'"
    return (
        "its name has no extension in it, so it is found only when it calls or is dialled by its "
        f"extension; ring it as Local/{doubt.extension}@CONTEXT in queues"
    )


async def _answers(patient: Patient, session: AsyncSession) -> list[Finding]:
    """Telephones that answered recently and are nobody's: no card is shown, nobody is in conflict."""
    found = await session.execute(
        select(Leg.extension, func.count())
        .join(Call, Call.id == Leg.call_id)
        .where(
            Call.pbx == patient.name,
            Call.started_at > now() - _ANSWERS_OF,
            Leg.answered_at.is_not(None),
            Leg.employee_id.is_(None),
            Leg.extension != "",
        )
        .group_by(Leg.extension)
        .order_by(func.count().desc(), Leg.extension)
        .limit(_MOST_SAID)
    )
    return [
        warn(
            f"{patient.name}: {extension} answered {count} calls of the last {_ANSWERS_OF.days} days and is "
            "nobody's",
            f"press3 user add LOGIN --role operator --extension {extension}; is it a trunk, name it in "
            "[calls] trunks",
        )
        for extension, count in found
    ]


async def _chan_sip(patient: Patient) -> list[Finding]:
    try:
        rows = await actions.sip_peers(patient.link)
    except ActionFailed:
        return []  # not loaded, or of a version that has none: the PBX knows no such action
    except AmiError as error:
        return [warn(f"{patient.name}: chan_sip's peers can't be read: {error}", "try again")]
    rules = number_rules(patient.settings)
    said = [
        ok(
            f"{patient.name}: chan_sip is loaded, with {len(rows)} peers; Asterisk 21 has it no more"
        )
    ]
    fixed = [row.get("ObjectName") for row in rows if row.get("Dynamic") == "no"]
    for name in fixed:
        extension = rules.extension(f"SIP/{name}")
        if extension is None or await _is_somebodys(patient, extension):
            continue
        said.append(
            warn(
                f"{patient.name}: SIP/{name} has a fixed address and the name of an extension that is nobody's",
                f"is it a trunk, say so in [calls]: trunks = ['^SIP/{re.escape(name)}(?:[-/@]|$)']",
            )
        )
    return said[: _MOST_SAID + 1]


async def _local_members(patient: Patient) -> list[Finding]:
    """Members of any queue that are Local channels behind which nobody's telephone is known."""
    try:
        rows = await actions.queue_status(patient.link, "")
    except AmiError:
        return []  # said by the part that looks at our queue
    rules, said = number_rules(patient.settings), list[Finding]()
    ours = (
        patient.settings.ivr.queue or RENDERED_QUEUE
    )  # its members are said by the part that looks at it
    members = {
        row.get("Location"): row
        for row in rows
        if row.event == "QueueMember" and row.get("Queue") != ours
    }
    for interface, row in members.items():
        state = row.get("StateInterface")
        if not interface.startswith("Local/"):
            continue
        extension = rules.extension(state or interface) or rules.extension(interface)
        if extension is not None and await _is_somebodys(patient, extension):
            continue
        said.append(
            warn(
                f"{patient.name}: queue {row.get('Queue')} has member {interface}, behind which no telephone "
                "of an employee is known",
                f"give the member its telephone as StateInterface{_or_pattern(interface)}",
            )
        )
    return said[:_MOST_SAID]


def _or_pattern(interface: str) -> str:
    """Return the advice of a pattern for a Local whose name ends with an extension."""
    found = re.fullmatch(r"(.*?[^0-9])([0-9]+)", resource(interface))
    if found is None:
        return ""
    return f", or add to [calls] interface: '^Local/{re.escape(found[1])}(?P<ext>[0-9]+)@'"


async def _is_somebodys(patient: Patient, extension: str) -> bool:
    if patient.sessions is None:
        return True  # whose it is can't be known: said already
    async with patient.sessions() as session:
        return await directory.employee_at(session, extension, now()) is not None
