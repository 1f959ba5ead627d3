"""One PBX served by this process: lease, link, pipeline, recorder, minute sweep."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from ami.connection import AmiLink, LinkSettings, LinkState
from ami.errors import AmiError
from calls.keep import KeepRules
from calls.numbers import NumberRules
from calls.tracker import Tracker
from calls.triggers import TriggerRules
from store.errors import LeaseLost
from store.lease import Lease
from store.writer import Writer
from telephony.catch_up import SETTLED, CatchUp
from telephony.log_follower import LogFollower
from telephony.pbx_logs import PbxLogs
from telephony.pipeline import Pipeline
from telephony.recorder import ChangeHandler, Recorder, Stored

__all__ = ["PbxSettings", "Telephony"]

log = structlog.get_logger(__name__)

_SWEEP_EVERY_S = 60.0
_FOLLOW_EVERY_S = 2.0
_BEGIN_ANEW_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_SOUND_AFTER_S = 60.0  # what served for so long begins anew at once
_SETTLES_S = SETTLED.total_seconds() + 1


@dataclass(frozen=True, kw_only=True)
class PbxSettings:
    """What serving one PBX takes of the configuration."""

    link: LinkSettings
    numbers: NumberRules
    triggers: TriggerRules
    keep: KeepRules
    logs: PbxLogs


class Telephony:
    """Serves one PBX: `await Telephony(...).run()`, until cancelled.

    `run` raises LeaseLost when another process serves the PBX.
    """

    def __init__(
        self,
        settings: PbxSettings,
        *,
        sessions: async_sessionmaker[AsyncSession],
        writer: Writer,
        now: Callable[[], datetime],
        handlers: tuple[ChangeHandler, ...],
        on_stored: Callable[[Stored], None],
    ) -> None:
        self.pbx = settings.link.pbx
        self.failed_since: datetime | None = None
        self._stopping = False
        self.link = AmiLink(settings.link, now=now)
        self.lease = Lease(writer, self.pbx)
        self.pipeline: Pipeline | None = None
        self.recorder: Recorder | None = None
        self._settings = settings
        self._sessions = sessions
        self._writer = writer
        self._now = now
        self._handlers = handlers
        self._on_stored = on_stored

    async def run(self) -> None:
        """Wait for the lease, then serve while it is ours."""
        fence = await self.lease.acquire()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.lease.keep(), name=f"lease-{self.pbx}")
                tasks.create_task(self._serve(fence), name=f"serve-{self.pbx}")
        except BaseExceptionGroup as group:
            if (lost := group.subgroup(LeaseLost)) is not None:
                raise _first(lost) from None
            raise

    async def _serve(self, fence: int) -> None:
        """Serve until stopped; after a fault of ours begin this PBX anew, alone."""
        pauses = iter(_BEGIN_ANEW_S)
        while not self._stopping:
            begun = asyncio.get_running_loop().time()
            try:
                await self._serve_once(fence)
            except ExceptionGroup as group:
                if group.subgroup(LeaseLost) is not None:
                    raise
                log.exception("serving a PBX failed; it is begun anew", pbx=self.pbx)
                self.failed_since = self._now()
            if asyncio.get_running_loop().time() - begun > _SOUND_AFTER_S:
                pauses = iter(_BEGIN_ANEW_S)
            await asyncio.sleep(next(pauses, _BEGIN_ANEW_S[-1]))
            self._take_new_link()

    async def _serve_once(self, fence: int) -> None:
        """Run link, pipeline, sweep and log reading until stopped.

        Raises:
            ExceptionGroup: one of them failed.
        """
        chosen, link = self._settings, self.link
        self.recorder = recorder = self._new_recorder(fence)
        follower = LogFollower(chosen.logs, recorder, link)
        catch_up = CatchUp(recorder, link, chosen.numbers, follower)
        self.pipeline = pipeline = self._new_pipeline(recorder, catch_up)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run(), name=f"link-{self.pbx}")
            tasks.create_task(pipeline.run(), name=f"pipeline-{self.pbx}")
            tasks.create_task(self._sweep(catch_up, pipeline), name=f"sweep-{self.pbx}")
            if chosen.logs.logs:
                follow = self._follow_logs(catch_up, pipeline)
                tasks.create_task(follow, name=f"logs-{self.pbx}")

    def _take_new_link(self) -> None:
        """Make a new link, for a link runs once; its counters go on."""
        if not self._stopping:
            counters = self.link.counters
            self.link = AmiLink(self._settings.link, now=self._now)
            self.link.counters = counters
            self.failed_since = None

    def still_s(self, now_s: float) -> float:
        """Return for how many seconds one batch has been at work; 0 without one."""
        return self.pipeline.still_s(now_s) if self.pipeline is not None else 0.0

    def stuck_since(self) -> datetime | None:
        """Return since when the database has refused to store; None while it stores."""
        if self.recorder is not None and self.recorder.stuck_since is not None:
            return self.recorder.stuck_since
        if not self.lease.trouble:
            return None
        lasted_s = asyncio.get_running_loop().time() - self.lease.trouble_since_s
        return self._now() - timedelta(seconds=lasted_s)

    def _new_recorder(self, fence: int) -> Recorder:
        return Recorder(
            self.pbx,
            fence,
            writer=self._writer,
            sessions=self._sessions,
            handlers=self._handlers,
            now=self._now,
            on_stored=self._on_stored,
        )

    def _new_pipeline(self, recorder: Recorder, catch_up: CatchUp) -> Pipeline:
        chosen = self._settings
        return Pipeline(
            self.link,
            recorder,
            new_tracker=lambda: Tracker(self.pbx, chosen.triggers, chosen.numbers, chosen.keep),
            catch_up=catch_up.link_up,
            link_down=catch_up.link_down,
            begin=catch_up.begin,
        )

    async def stop(self) -> None:
        """Take nothing new in, let the batch in hand commit, give the lease back."""
        self._stopping = True
        await self.link.close()
        if self.pipeline is not None:
            await self.pipeline.until_drained()
        await self.lease.release()

    async def _sweep(self, catch_up: CatchUp, pipeline: Pipeline) -> None:
        """Read the newest presses again once a minute.

        AstDB keeps a press whose event went unread. After a login, and after an event that could
        not be read, sweep as soon as the events that are still on their way must have come.
        """
        while True:
            if await pipeline.doubtful(_SWEEP_EVERY_S):
                await asyncio.sleep(_SETTLES_S)
            if self.link.state is not LinkState.UP:
                continue
            try:
                await catch_up.sweep(pipeline)
            except AmiError as error:
                log.warning(
                    "the minute's presses can't be read now", pbx=self.pbx, error=str(error)
                )

    async def _follow_logs(self, catch_up: CatchUp, pipeline: Pipeline) -> None:
        """Read the logs every two seconds.

        queue_log proves presses, and has those that AstDB lost on a full disk.
        """
        while True:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            if self.link.state is not LinkState.UP:
                continue
            try:
                await catch_up.follow_logs(pipeline)
            except AmiError as error:
                log.warning("the PBX's logs can't be followed now", pbx=self.pbx, error=str(error))


def _first(group: BaseExceptionGroup[LeaseLost]) -> LeaseLost:
    """Return one error of `group`: its tasks were all refused for the same reason."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
