"""Recordings: press3 reads the folder that the PBX writes to."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from ami import actions, spool
from ami.errors import AmiError
from press3.config.recordings import recording_settings
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from recordings import files
from recordings.settings import RecordingSettings

__all__ = ["findings", "of_latest", "remedy"]

_BACK = timedelta(hours=2)
_PROBE = "press3-doctor.wav"  # only its place is looked at; nothing is written


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    try:
        yield await _folder(patient)
        async for finding in _latest(patient):
            yield finding
    except AmiError as error:
        yield fail(f"{patient.name}: recordings can't be asked for: {error}", "try again")


async def _folder(patient: Patient) -> Finding:
    spool_folder = await actions.getvar(patient.link, "ASTSPOOLDIR")
    if not spool_folder:
        return warn(
            f"{patient.name}: the PBX does not tell where it records",
            "see it in a call: press3 doctor --call",
        )
    monitor = PurePosixPath(spool_folder) / "monitor"
    look = await _look(patient, str(monitor / _PROBE))
    if isinstance(look, files.OutOfReach):
        return fail(
            f"{patient.name}: the PBX records to {monitor}, which press3 can't see: {look.detail}",
            remedy(patient.name, str(monitor), recording_settings(patient.settings)),
        )
    return ok(f"{patient.name}: it records to {monitor}, which press3 reads")


def remedy(pbx: str, monitor: str, settings: RecordingSettings) -> str:
    """Return what to set so that the folder `monitor` of `pbx` can be read. Pure."""
    mapped = f"[[recordings.map]] asterisk = {pbx!r}, remote = {monitor!r}, local"
    if pbx in settings.mapped:
        return f"with several PBXs, one that has a map reads its maps only: set one more {mapped}"
    return (
        "add it to [recordings] roots; when the PBX is another machine, mount it here and set "
        + mapped
    )


async def _latest(patient: Patient) -> AsyncGenerator[Finding]:
    """The recordings of the last presses: a folder of the right name may be another machine's."""
    at = await actions.ping(patient.link)
    paths = await _recorded(patient, at - _BACK, at)
    for finding in of_latest(patient.name, [(path, await _look(patient, path)) for path in paths]):
        yield finding


def of_latest(pbx: str, seen: Sequence[tuple[str, files.Look]]) -> Iterator[Finding]:
    """Yield what the looks for the last recordings, oldest first, tell; nothing when there are none."""
    hidden = [(path, look) for path, look in seen if isinstance(look, files.OutOfReach)]
    absent = [path for path, look in seen if isinstance(look, files.Absent)]
    last = f"of the last {len(seen)} recordings"
    if hidden:
        path, look = hidden[-1]
        yield fail(
            f"{pbx}: {len(hidden)} {last} can't be reached, the newest {path}: {look.detail}",
            "set [recordings] roots or [[recordings.map]] to where these lie, readable for press3's user",
        )
    if absent:
        level = fail if len(absent) == len(seen) else warn
        yield level(
            f"{pbx}: {len(absent)} {last} are not here, the newest {absent[-1]}",
            "is this folder the PBX's own? Does something move recordings away (then give the target "
            "in [recordings] roots)?",
        )
    if seen and not hidden and not absent:
        yield ok(f"{pbx}: the last {len(seen)} recordings are there")


async def _recorded(patient: Patient, since: datetime, until: datetime) -> list[str]:
    """Return what the PBX says it has recorded of presses that are over, oldest first."""
    found: list[str] = []
    async for presses in spool.read_families(patient.link, since, until):
        for press in presses:
            if press.ended_at is not None:
                found += [each.path for each in press.recordings]
    return found


async def _look(patient: Patient, path: str) -> files.Look:
    settings = recording_settings(patient.settings)
    return await asyncio.to_thread(files.look, patient.name, path, settings)
