"""What was: days that nobody can read any more, and whether the service has been given its events."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ami import actions, spool
from ami.errors import AmiError
from ami.wire import event_type
from calls.model import BlindWindow, PbxState
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from store.journal import JournalRow

__all__ = ["findings"]

_TOLD_FOR = timedelta(days=60)
_EVENTS_LOOKED_AT = 100


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    if patient.sessions is None:
        return
    try:
        at = await actions.ping(patient.link)
    except AmiError as error:
        yield fail(f"{patient.name}: the PBX does not tell its time: {error}", "try again")
        return
    async with patient.sessions() as session:
        for finding in (*await _blind_days(patient, session, at), *await _events(patient, session)):
            yield finding


async def _blind_days(patient: Patient, session: AsyncSession, at: datetime) -> Sequence[Finding]:
    state = await session.get(PbxState, patient.name)
    if state is None:
        return ()
    windows = (
        await session.scalars(
            select(BlindWindow)
            .where(BlindWindow.pbx == patient.name, BlindWindow.started_at > at - _TOLD_FOR)
            .order_by(BlindWindow.started_at)
        )
    ).all()
    spans = [(w.started_at, w.ended_at or at) for w in windows if w.reason != "first start"]
    if not any(window.ended_at is None for window in windows):
        spans.append((state.last_contact_at, at))  # the service is not running, or has just begun
    found = list(_unreadable(patient, spans))
    return found or (ok(f"{patient.name}: no day without a reading of its presses"),)


def _unreadable(patient: Patient, spans: Sequence[tuple[datetime, datetime]]) -> Iterator[Finding]:
    zone = patient.settings.zone
    for began, ended in spans:
        if ended - began > spool.KEPT:
            first, last = began.astimezone(zone), (ended - spool.KEPT).astimezone(zone)
            yield warn(
                f"{patient.name}: presses from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} can't "
                f"be read any more: press3 was away for longer than the {spool.KEPT.days} days that "
                "the PBX keeps them",
                "look for PRESS3 in queue_log of those days and register these complaints by hand",
            )


async def _events(patient: Patient, session: AsyncSession) -> Sequence[Finding]:
    """What the newest stored events say of what comes: they are this very account's."""
    rows = await session.scalars(
        select(JournalRow.raw)
        .where(JournalRow.pbx == patient.name)
        .order_by(JournalRow.id.desc())
        .limit(_EVENTS_LOOKED_AT)
    )
    # FullyBooted greets each login, and never has a time
    events = [raw for raw in rows if event_type(raw) != b"FullyBooted"]
    if not events:
        return (warn(f"{patient.name}: no call stored yet", "make one: press3 doctor --call"),)
    if b"\r\nTimestamp: " not in events[0]:
        advice = "in manager.conf [general]: timestampevents = yes, then: manager reload"
        return (
            fail(f"{patient.name}: the newest stored event carries no time of the PBX", advice),
        )
    return (ok(f"{patient.name}: events came and are stored, with the PBX's time"),)
