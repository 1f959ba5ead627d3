"""The sound of calls. Who may listen is decided by the appeals of the call; each listening is logged."""

import asyncio
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.errors import Refused
from appeals.case.listening import listen_allowed
from appeals.case.performing import perform
from recordings import access
from recordings.access import AudioFile
from recordings.model import Listening, Recording
from store.writer import Work
from web import schemas
from web.api import Ask, Nothing, Operation, get
from web.problems import ApiError

__all__ = ["OPERATIONS"]

_PROBLEMS = ("conflict-of-interest", "forbidden", "not-playable")
_LATER_PART = re.compile(r"bytes=[0-9]*[1-9][0-9]*-.*|bytes=-.*")
# Players ask for the beginning twice (metadata, then sound): within this time it is one playing.
_SAME_PLAYING = timedelta(seconds=5)


@get(
    "/recordings/{recording}/audio",
    media_type="audio/*",
    problems=(*_PROBLEMS, "range-not-satisfiable"),
)
async def play_recording(ask: Ask[Nothing, Nothing]) -> web.StreamResponse:
    """Play a recording, or a part of it by Range. Each playing is logged once, with who listened."""
    number = ask.number("recording")
    recording = await _allowed(ask, number)
    found = await access.audio_file(ask.session, number, data_dir=ask.deps.data_dir)
    sound = await _there(found, recording)
    await _log(ask, number)
    return await _file(ask.request, sound)


@get("/recordings/{recording}/peaks", answers=schemas.Peaks, problems=_PROBLEMS)
async def read_peaks(ask: Ask[Nothing, Nothing]) -> web.StreamResponse:
    """Read the waveform of a recording."""
    number = ask.number("recording")
    recording = await _allowed(ask, number)
    found = await access.peaks_file(ask.session, number, data_dir=ask.deps.data_dir)
    return await _file(ask.request, await _there(found, recording))


async def _allowed(ask: Ask[Nothing, Nothing], number: int) -> Recording:
    """Return the recording; a refusal is recorded, and only that needs the writer."""
    try:
        return await listen_allowed(ask.session, number, ask.person)
    except Refused as refusal:
        return await perform(ask.deps.writer, _raising(refusal), now=ask.deps.now)


def _raising(refusal: Refused) -> Work[NoReturn]:
    async def work(session: AsyncSession) -> NoReturn:
        raise refusal

    return work


async def _there(found: AudioFile | None, recording: Recording) -> AudioFile:
    if found is None:
        raise ApiError("not-playable", extra={"state": recording.state})
    if not await asyncio.to_thread(Path.is_file, found.path):
        detail = "Its file is not where it was put; your administrator must look."
        raise ApiError("not-playable", detail, {"state": recording.state})
    return found


async def _log(ask: Ask[Nothing, Nothing], number: int) -> None:
    """Log a playing once: a request for a later part belongs to the playing that began before it."""
    later_part = _LATER_PART.fullmatch(ask.request.headers.get("Range", ""))
    pause = timedelta(seconds=ask.deps.listening_pause_s) if later_part else _SAME_PLAYING

    async def work(session: AsyncSession) -> None:
        if not await _listened_since(session, number, ask.person.id, ask.now - pause):
            await access.log_listening(session, number, ask.person.id, ask.now, ask.by.client)

    if not await _listened_since(ask.session, number, ask.person.id, ask.now - pause):
        await ask.deps.writer.run(work)


async def _listened_since(session: AsyncSession, number: int, who: int, since: datetime) -> bool:
    found = await session.scalar(
        select(Listening.id)
        .where(
            Listening.recording_id == number,
            Listening.employee_id == who,
            Listening.at > since,
        )
        .limit(1)
    )
    return found is not None


async def _file(request: web.Request, sound: AudioFile) -> web.FileResponse:
    """Return the file, or the part asked for; what aiohttp would refuse without a word is a problem here."""
    size = (await asyncio.to_thread(sound.path.stat)).st_size
    try:
        first = request.http_range.start
    except ValueError:
        raise ApiError("range-not-satisfiable") from None
    if first is not None and first >= size:
        raise ApiError("range-not-satisfiable", f"The file has {size} bytes.")
    if request.headers.get("If-Match", "*").strip() != "*":
        raise ApiError("stale-version", "A recording has no version to match.")
    headers = {"Content-Type": sound.media_type, "Cache-Control": "private, no-store"}
    return web.FileResponse(sound.path, headers=headers)


OPERATIONS: tuple[Operation, ...] = (play_recording, read_peaks)
