"""queue_log and the CDR file: can they be read, do they have what they are read for, are they written?"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from ami import actions, spool
from ami.errors import AmiError, LogUnreadable
from ami.log_tail import lines_between
from calls.numbers import NumberRules
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from press3.telephony_parts import pbx_logs
from telephony.pbx_logs import PbxLog

__all__ = ["findings"]

_LOOK_BACK = timedelta(days=1)
_WRITTEN_WITHIN = timedelta(minutes=1)  # a press of the last minute may still be on its way
_HOW_TO_WRITE = {
    "queue_log": "in logger.conf [general]: queue_log = yes and queue_log_to_file = yes, then: logger reload",
    "CDR": "load cdr_csv, in cdr.conf [csv]: loguniqueid = yes, then: module reload cdr_csv",
}


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    """Say of each configured log how it is; nothing when none is configured."""
    for log in pbx_logs(patient.settings, patient.pbx, NumberRules()).logs:
        try:
            at = await actions.ping(patient.link)
            yield await _log(patient, log, at)
        except LogUnreadable as error:
            yield fail(
                f"{patient.name}: {error}",
                "is the path right, and press3's user in the group of Asterisk's files?",
            )
        except AmiError as error:
            yield warn(f"{patient.name}: {log.name} can't be compared: {error}", "try again")


async def _log(patient: Patient, log: PbxLog, at: datetime) -> Finding:
    since = at - _LOOK_BACK
    lines = await asyncio.to_thread(lambda: list(lines_between(log.path, since, at, log.time_of)))
    where = f"{patient.name}: {log.name} {log.path}"
    refused = log.unreadable(lines)
    if lines and len(refused) == len(list(log.rows(lines))):
        return fail(f"{where} can't be understood: {refused[-1]}", _HOW_TO_WRITE[log.name])
    if not any(log.time_of(line) for line in lines):
        return warn(f"{where} has no line of the last day", _HOW_TO_WRITE[log.name])
    if not log.has_keys:
        return (
            _unreadable(where, len(refused))
            if refused
            else ok(f"{where} is read and being written")
        )
    known = {call.key for call in log.calls_of(lines)}
    kept = [
        press.key
        async for presses in spool.read_families(patient.link, since, at)
        for press in presses
        if since <= press.pressed_at < at - _WRITTEN_WITHIN
    ]
    lacks = [key for key in kept if key not in known]
    if lacks:
        return warn(
            f"{where} lacks {len(lacks)} of {len(kept)} presses that AstDB has of the last day",
            f"is this the file of that PBX? {_HOW_TO_WRITE[log.name]}",
        )
    if refused:
        return _unreadable(where, len(refused))
    return ok(f"{where} is read and being written")


def _unreadable(where: str, count: int) -> Finding:
    return warn(
        f"{where} has {count} lines of the last day that can't be read",
        "press3's log shows the first of each reading; does a queue member's name hold a bar, or was the disk full?",
    )
