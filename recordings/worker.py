"""The recording worker: takes every row whose time has come one step further, for ever.

Each step is: look (in a thread) or convert (in a worker process), decide (pure), store (one small
writer job that does nothing if the row has changed meanwhile). A kill between any two leaves a row
that the next start takes up where it was, and temporary files that it removes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import and_, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from calls.model import Call
from recordings import audio, copies, files, formats, lifecycle, rows
from recordings.access import audio_root
from recordings.errors import BrokenAudio, ConversionFailed, RecordingError, Refused
from recordings.events import RecordingReady
from recordings.lifecycle import Step
from recordings.model import Recording, RecordingState
from recordings.pool import SoundPool
from recordings.settings import RecordingSettings
from recordings.source import MOST_BYTES
from recordings.sweeper import Sweeper
from store import outbox
from store.errors import StoreError
from store.writer import Writer

__all__ = ["AppealOf", "AudienceOf", "Counters", "RecordingWorker"]

T = TypeVar("T")
AudienceOf = Callable[[AsyncSession, str], Awaitable[dict[str, Any]]]
AppealOf = Callable[[AsyncSession, str], Awaitable[int | None]]

log = structlog.get_logger(__name__)

_LOOKS_AT_ONCE = 32
_RETRY_ALL_EVERY_S = 5.0
_WORKER_GRACE_S = 60.0  # ffmpeg ends by its own limits before
S = RecordingState


@dataclass(slots=True)
class Counters:
    """What happened since the start, for `/metrics`."""

    converted: int = 0
    failed: int = 0
    missing: int = 0
    refused: int = 0
    swept: int = 0
    faults: int = 0


class RecordingWorker:
    """Runs until cancelled: `await RecordingWorker(...).run()`.

    `audience_of(session, call_id)` and `appeal_of(session, call_id)` say who is told `recording.ready`
    and which appeal's number it carries (null: none).
    """

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        writer: Writer,
        settings: RecordingSettings,
        *,
        now: Callable[[], datetime],
        audience_of: AudienceOf,
        appeal_of: AppealOf,
    ) -> None:
        self.counters = Counters()
        limit_s = settings.timing.conversion_limit_s + _WORKER_GRACE_S
        self.pool = SoundPool(processes=settings.processes, limit_s=limit_s)
        self._sessions = sessions
        self._writer = writer
        self._settings = settings
        self._timing = settings.timing
        self._now = now
        self._audience_of = audience_of
        self._appeal_of = appeal_of
        self._woken = asyncio.Event()
        self._looking: set[int] = set()
        self._converting: set[int] = set()
        self._may_retry_at_s = 0.0
        self._folder_away = True  # for all we know: what waited for a folder at the last stop
        # Own threads: a hung network folder must not take those of the rest of the service.
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="recordings")
        self.sweeper = Sweeper(
            sessions, writer, settings, now=now, in_thread=self._thread, on_added=self._swept
        )

    def wake(self) -> None:
        """Look for due rows now, not at the next poll. Call it after a commit of `linker.on_change`."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled; then kill what is being converted: it is taken up at the next start."""
        try:
            await self._thread(copies.clear_work, self._root)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_warm(), name="recordings-warm")
                tasks.create_task(self.sweeper.run(), name="recordings-sweep")
                await self._watch(tasks)
        finally:
            self.pool.close()
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _swept(self, count: int) -> None:
        self.counters.swept += count
        self.wake()

    async def _keep_warm(self) -> None:
        try:
            await self.pool.run(audio.warm)
        except (ConversionFailed, OSError) as error:
            log.error("recordings can't be converted", error=str(error))

    async def _watch(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._woken.clear()
            try:
                due = await self._due()
            except (SQLAlchemyError, OSError) as error:
                log.warning("due recordings can't be read now", error=str(error))
                due = []
            for recording_id, lane in due:
                lane.add(recording_id)
                tasks.create_task(self._care(recording_id, lane), name=f"recording-{recording_id}")
            await asyncio.sleep(self._timing.breath_s)  # a busy PBX wakes us 200 times a second
            # Not wait_for: up to Python 3.11 it loses a cancellation that comes with the waking.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.poll_every_s):
                    await self._woken.wait()

    async def _due(self) -> list[tuple[int, set[int]]]:
        """Return what to take up, with its lane: looks must not wait behind an hour's conversion.

        Conversions begin with the newest call, the one somebody may be waiting for.
        """
        now = self._now()
        # The clock was set back since: see lifecycle.
        stale = and_(
            Recording.next_try_at > now + lifecycle.LONGEST_PAUSE, Recording.state != S.ORPHAN
        )
        due = select(Recording.id).where(
            Recording.next_try_at.is_not(None),  # without this the index is read through to its end
            or_(Recording.next_try_at <= now, stale),
            Recording.id.not_in(self._looking | self._converting),
        )
        looks = due.where(Recording.state != S.LINKED).order_by(Recording.next_try_at)
        sounds = due.where(Recording.state == S.LINKED).order_by(Recording.stop_seen_at.desc())
        free = _LOOKS_AT_ONCE - len(self._looking)
        idle = self._settings.processes - len(self._converting)
        async with self._sessions() as session:
            found = [(i, self._looking) for i in await session.scalars(looks.limit(free))]
            found += [(i, self._converting) for i in await session.scalars(sounds.limit(idle))]
        return found

    async def _care(self, recording_id: int, lane: set[int]) -> None:
        """Take one recording as far as it goes now. The border of a task: nothing gets past it."""
        rest_s = 0.0
        try:
            while await self._advance(recording_id, lane):
                pass
        except (SQLAlchemyError, StoreError) as error:
            rest_s = self._timing.rest_after_trouble_s
            log.warning("a recording waits for the database", error=str(error))
        except Exception:
            self.counters.faults += 1
            rest_s = self._timing.rest_after_fault_s
            log.exception("a recording could not be taken further", recording=recording_id)
        asyncio.get_running_loop().call_later(rest_s, self._release, recording_id, lane)

    def _release(self, recording_id: int, lane: set[int]) -> None:
        lane.discard(recording_id)
        self._woken.set()

    async def _advance(self, recording_id: int, lane: set[int]) -> bool:
        """Take one step; return whether the next can follow at once, in the same lane."""
        async with self._sessions() as session:
            recording = await session.get(Recording, recording_id)
            if recording is None or not self._is_due(recording):
                return False
            call = await session.get(Call, recording.call_id) if recording.call_id else None
        if recording.state == S.LINKED and lane is not self._converting:
            return False
        if recording.state == S.ORPHAN:
            return await self._try_to_link(recording)
        if recording.state in (S.CONVERTED, S.ERASED):
            return False
        step = await self._look(recording, call)
        if step.to == recording.state == S.FINAL:
            step = await self._hash(recording)
        elif step.to == recording.state == S.LINKED:
            return await self._convert(recording)
        return await self._store(recording, step)

    def _is_due(self, recording: Recording) -> bool:
        if recording.next_try_at is None:
            return False
        ahead = recording.next_try_at - self._now()
        stale = ahead > lifecycle.LONGEST_PAUSE and recording.state != S.ORPHAN
        return ahead <= timedelta(0) or stale

    async def _look(self, recording: Recording, call: Call | None) -> Step:
        look = await self._thread(files.look, recording.pbx, recording.remote_path, self._settings)
        if isinstance(look, files.Absent) and await self._is_unmounted(look.empty_root, recording):
            look = files.OutOfReach("root", f"{look.empty_root} is empty: is it mounted?")
        await self._note_reach(look)
        answered = call is None or call.answered_at is not None or call.ended_at is None
        step = lifecycle.after_look(recording, look, self._now(), self._timing, answered=answered)
        if isinstance(look, files.OutOfReach) and recording.state != S.UNREACHABLE:
            self.counters.refused += look.code == "refused"
            log.warning("a recording can't be reached", recording=recording.id, why=step.error)
        if step.to == S.MISSING and recording.state != S.MISSING:
            self.sweeper.sweep_soon()
            self.counters.missing += 1
            log.warning("a recording is missing", recording=recording.id, why=step.error)
        return step

    async def _note_reach(self, look: files.Look) -> None:
        """When a folder can be read again, look for everything that waits for one, at once."""
        at_s = asyncio.get_running_loop().time()
        if isinstance(look, files.OutOfReach) and look.code == "root":
            self._folder_away = True
        elif self._folder_away and at_s >= self._may_retry_at_s:
            self._folder_away = False
            self._may_retry_at_s = at_s + _RETRY_ALL_EVERY_S  # one of several may stay away
            now = self._now()
            await self._writer.run(lambda session: rows.retry_unreachable(session, now))
            self.wake()

    async def _is_unmounted(self, empty_root: Path | None, recording: Recording) -> bool:
        """Whether other recordings were once read from a root that is empty now."""
        if empty_root is None:
            return False
        inside = Recording.path.startswith(f"{empty_root}/", autoescape=True)
        async with self._sessions() as session:
            others = select(Recording.id).where(inside, Recording.id != recording.id)
            return bool(await session.scalar(others.limit(1)))

    async def _hash(self, recording: Recording) -> Step:
        path, places = Path(recording.path or ""), self._settings.places_of(recording.pbx)
        if (recording.seen_size_bytes or 0) > MOST_BYTES:  # the conversion says so
            return Step(to=S.LINKED, again_s=0, changes={"size_bytes": recording.seen_size_bytes})
        try:
            digest, size = await self._thread(files.digest, path, places)
        except Refused as error:
            return Step(to=S.FOUND, again_s=self._timing.stable_for_s, error=str(error))
        except OSError as error:  # gone or out of reach since the look: the next look says which
            return Step(to=S.FOUND, again_s=1.0, error=f"denied: {error.strerror}")
        changes = {"sha256": digest, "size_bytes": size, "seen_size_bytes": size}
        if size != recording.seen_size_bytes:
            return Step(to=S.FOUND, again_s=1.0)
        return Step(to=S.LINKED, again_s=0, changes=changes)

    async def _convert(self, recording: Recording) -> bool:
        begun = lifecycle.before_attempt(recording)
        if not await self._write(recording, begun):
            return True
        if begun.again_s is None:
            log.error("a recording is given up", recording=recording.id, error=begun.error)
            return False
        stem = copies.stem(recording)
        sound, peaks = f"{stem}.{self._settings.format}", f"{stem}.peaks.json"
        job = self._job(recording, sound, peaks)
        try:
            done = await self.pool.run(audio.convert, job)
        except (RecordingError, OSError, MemoryError) as error:
            await self._thread(copies.clear_job, self._root, recording)
            return await self._failed(recording, _as_failure(error))
        if await self._has_changed(recording):
            await self._thread(copies.remove, self._root, (sound, peaks))
            return await self._store(
                recording, lifecycle.changed_meanwhile(recording, self._timing)
            )
        changes = {
            "duration_s": done.duration_s,
            "media_type": formats.MEDIA_TYPES[self._settings.format],
            "audio_path": sound,
            "peaks_path": peaks,
        }
        if not await self._write(recording, Step(to=S.CONVERTED, again_s=None, changes=changes)):
            return True
        self.counters.converted += 1
        await self._thread(copies.drop_others, self._root, recording, {sound, peaks})
        return False

    async def _has_changed(self, recording: Recording) -> bool:
        """Whether another file lies there now. One that is gone was read to its end."""
        look = await self._thread(files.look, recording.pbx, recording.remote_path, self._settings)
        return isinstance(look, files.Present) and look.size_bytes != recording.seen_size_bytes

    def _job(self, recording: Recording, sound: str, peaks: str) -> audio.Job:
        return audio.Job(
            source=Path(recording.path or ""),
            audio=self._root / sound,
            peaks=self._root / peaks,
            work=copies.work_folder(self._root),
            prefix=copies.job_prefix(recording),
            format=self._settings.format,
            limit_s=self._timing.conversion_limit_s,
            places=self._settings.places_of(recording.pbx),
        )

    async def _failed(self, recording: Recording, error: RecordingError) -> bool:
        """Store the failure, unless a look finds that the file is gone: that explains it better."""
        self.counters.failed += 1
        log.warning("a recording was not converted", recording=recording.id, error=str(error))
        seen = await self._look(recording, None)
        if seen.to != S.LINKED:
            return await self._store(recording, seen)
        return await self._store(recording, lifecycle.after_failure(recording, error))

    async def _try_to_link(self, recording: Recording) -> bool:
        now, name = self._now(), Path(recording.path or "").name
        return await self._writer.run(
            lambda session: rows.link_orphan(session, recording, name, now, self._settings)
        )

    async def _store(self, recording: Recording, step: Step) -> bool:
        """Store a step; return whether to go on at once (also when a fact came in between)."""
        if not await self._write(recording, step):
            return True
        if step.again_s:
            asyncio.get_running_loop().call_later(step.again_s, self._woken.set)
        return step.again_s == 0

    async def _write(self, recording: Recording, step: Step) -> bool:
        now = self._now()

        async def work(session: AsyncSession) -> bool:
            stored = await rows.write_step(session, recording, step, now)
            if stored and step.to == S.CONVERTED and recording.call_id is not None:
                await self._announce(session, recording.id, recording.call_id, now)
            return stored

        return await self._writer.run(work)

    async def _announce(
        self, session: AsyncSession, recording_id: int, call_id: str, now: datetime
    ) -> None:
        appeal = await self._appeal_of(session, call_id)
        event = RecordingReady(recording=recording_id, call=call_id, appeal=appeal)
        audience = await self._audience_of(session, call_id)
        outbox.publish(session, event, at=now, audience=audience)

    async def _thread(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    @property
    def _root(self) -> Path:
        return audio_root(self._settings.data_dir)


def _as_failure(error: RecordingError | OSError | MemoryError) -> RecordingError:
    match error:
        case RecordingError():
            return error
        case MemoryError():
            return BrokenAudio("too_heavy", "the worker would need more memory than it may have")
        case OSError():
            return ConversionFailed("disk", str(error))
