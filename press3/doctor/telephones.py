"""The telephones that the queue rings: whose they are, so that a pop can be shown at all."""

from collections.abc import AsyncIterator

from ami import actions
from ami.errors import AmiError
from ivr.menu import RENDERED_QUEUE
from people import directory
from people.model import Employee
from press3.clock import now
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from press3.telephony import number_rules

__all__ = ["findings", "owner_of"]


async def findings(patient: Patient) -> AsyncIterator[Finding]:
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
    for row in members:
        yield await _member(patient, row.get("StateInterface") or row.get("Location"))


async def _member(patient: Patient, interface: str) -> Finding:
    extension = number_rules(patient.settings).extension(interface)
    if extension is None:
        return warn(
            f"{patient.name}: {interface} is read as nobody's extension: its calls raise no pop",
            "let a pattern of [calls] interface match it",
        )
    owner = await owner_of(patient, extension)
    if owner is None:
        return warn(
            f"{patient.name}: {interface} belongs to no employee: its calls raise no pop",
            f"press3 user add LOGIN --role operator --extension {extension}",
        )
    return ok(f"{patient.name}: {interface} raises its pops at {owner.name}")


async def owner_of(patient: Patient, extension: str) -> Employee | None:
    """Return whose telephone this is now; None when nobody's, or the database can't be read."""
    if patient.sessions is None:
        return None
    async with patient.sessions() as session:
        owner = await directory.employee_at(session, extension, now())
    return None if owner is None or owner.disabled_at is not None else owner
