"""The telephones that the queue rings: whose they are, so that a pop can be shown at all."""

from collections.abc import AsyncGenerator

from sqlalchemy.ext.asyncio import AsyncSession

from ami import actions
from ami.errors import AmiError
from ivr.menu import RENDERED_QUEUE
from people import directory
from people.model import Employee
from press3.clock import now
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from press3.telephony_parts import number_rules

__all__ = ["findings"]


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    queue = patient.settings.ivr.queue or RENDERED_QUEUE
    try:
        rows = await actions.queue_status(patient.link, queue)
    except AmiError as error:
        yield fail(f"{patient.name}: the queue can't be read: {error}", "give write = reporting")
        return
    if not any(row.event == "QueueParams" for row in rows):
        return  # said already
    members = [row for row in rows if row.event == "QueueMember"]
    if not members:
        yield warn(
            f"{patient.name}: queue {queue} has no members now: nobody would be rung",
            "set [ivr] members and render, or let operators log in",
        )
    elif all(row.get("Paused") == "1" for row in members):
        yield warn(f"{patient.name}: every member of queue {queue} is paused", "unpause one")
    if patient.sessions is None:
        return  # whose they are stands in the database, which can't be read: said already
    async with patient.sessions() as session:
        for row in members:
            interface = row.get("StateInterface") or row.get("Location")
            yield await _member(patient, session, interface)


async def _member(patient: Patient, session: AsyncSession, interface: str) -> Finding:
    extension = number_rules(patient.settings).extension(interface)
    if extension is None:
        return warn(
            f"{patient.name}: {interface} is read as nobody's extension: its calls raise no pop",
            "let a pattern of [calls] interface match it",
        )
    employee = await directory.employee_at(session, extension, now())
    owner = None if employee is None else await session.get_one(Employee, employee)
    if owner is None or owner.disabled_at is not None:
        return warn(
            f"{patient.name}: {interface} belongs to no employee: its calls raise no pop",
            f"press3 user add LOGIN --role operator --extension {extension}",
        )
    return ok(f"{patient.name}: {interface} raises its pops at {owner.name}")
