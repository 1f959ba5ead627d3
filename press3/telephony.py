"""One PBX served by this process: lease, link, pipeline, and the minute sweep beside them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from ami.connection import AmiLink, LinkSettings, LinkState
from ami.errors import AmiError
from ami.tls import TlsSettings
from appeals import intake
from calls import history
from calls.keep import KeepRules
from calls.numbers import NumberRules
from calls.story import CallChange
from calls.tracker import Tracker
from calls.triggers import ObservedRule, TriggerRules
from press3.ami_secret import secret_of
from press3.catch_up import SETTLED, CatchUp
from press3.database import Store
from press3.errors import Replaced
from press3.log_follower import LogFollower
from press3.pbx_logs import logs_of
from press3.pipeline import ChangeHandler, Pipeline, PipelineParts, Stored
from press3.settings import AsteriskSettings, Settings
from push import pops
from recordings import linker
from store.errors import LeaseLost
from store.lease import Lease

__all__ = [
    "Telephony",
    "change_handlers",
    "link_settings",
    "number_rules",
    "trigger_rules",
]

log = structlog.get_logger(__name__)

_SWEEP_EVERY_S = 60.0
_FOLLOW_EVERY_S = 2.0
_BEGIN_ANEW_S = (1.0, 2.0, 5.0, 10.0, 30.0)
_SOUND_AFTER_S = 60.0  # what served for so long begins anew at once
_SETTLES_S = SETTLED.total_seconds() + 1


def number_rules(settings: Settings) -> NumberRules:
    """Return how this configuration reads numbers and extensions."""
    calls = settings.calls
    return NumberRules(
        country=calls.country,
        internal=calls.internal,
        interfaces=tuple(calls.interface),
        withheld=tuple(calls.withheld),
        trunks=tuple(calls.trunks),
        trunk_contexts=tuple(calls.trunk_contexts),
        phone_contexts=tuple(calls.phone_contexts),
    )


def trigger_rules(settings: Settings, pbx: str) -> TriggerRules:
    """Return what counts as a press on `pbx`."""
    rules = [rule for rule in settings.ivr.observe if rule.asterisk in (None, pbx)]
    return TriggerRules(
        observed=tuple(
            ObservedRule(context=rule.context, exten=rule.exten, digit=rule.digit) for rule in rules
        )
    )


def keep_rules(settings: Settings) -> KeepRules:
    """Return which calls are stored."""
    calls = settings.calls
    return KeepRules(internal=calls.keep == "all", ignore=calls.ignore or None)


def change_handlers(intake_settings: intake.IntakeSettings) -> tuple[ChangeHandler, ...]:
    """Return what each package does with a changed call, in this order: a pop names its appeal."""

    async def store_call(session: AsyncSession, change: CallChange, *, now: datetime) -> None:
        await history.store_change(session, change)

    open_appeal = partial(intake.on_change, settings=intake_settings)
    return (store_call, linker.on_change, open_appeal, pops.on_change)


class Telephony:
    """Serves one PBX: `await Telephony(...).run()` until cancelled; raises Replaced when it was."""

    def __init__(
        self,
        pbx: AsteriskSettings,
        settings: Settings,
        store: Store,
        *,
        handlers: tuple[ChangeHandler, ...],
        on_stored: Callable[[Stored], None],
    ) -> None:
        self.pbx = pbx.name
        self.failed_since: datetime | None = None
        self._link_settings = link_settings(pbx)
        self._stopping = False
        self.link = AmiLink(self._link_settings, now=store.now)
        self.lease = Lease(store.writer, pbx.name)
        self.pipeline: Pipeline | None = None
        self._pbx = pbx
        self._settings = settings
        self._store = store
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
                raise Replaced(str(_first(lost))) from group
            raise

    async def _serve(self, fence: int) -> None:
        """Serve until stopped. A fault of ours begins this PBX anew and leaves the others alone."""
        pauses = iter(_BEGIN_ANEW_S)
        while not self._stopping:
            begun = asyncio.get_running_loop().time()
            try:
                await self._serve_once(fence)
            except ExceptionGroup as group:
                if group.subgroup(LeaseLost) is not None:
                    raise
                log.exception("serving a PBX failed; it is begun anew", pbx=self.pbx)
                self.failed_since = self._store.now()
            if asyncio.get_running_loop().time() - begun > _SOUND_AFTER_S:
                pauses = iter(_BEGIN_ANEW_S)
            await asyncio.sleep(next(pauses, _BEGIN_ANEW_S[-1]))
            self._take_new_link()

    async def _serve_once(self, fence: int) -> None:
        """Link, pipeline, sweep and the PBX's logs together; raises ExceptionGroup when one of them fails."""
        numbers = number_rules(self._settings)
        logs = logs_of(self._settings, self._pbx, numbers)
        catch_up = CatchUp(numbers, LogFollower(logs))
        self.pipeline = pipeline = self._new_pipeline(fence, catch_up)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.link.run(), name=f"link-{self.pbx}")
            tasks.create_task(pipeline.run(), name=f"pipeline-{self.pbx}")
            tasks.create_task(self._sweep(catch_up, pipeline), name=f"sweep-{self.pbx}")
            if logs.logs:
                follow = self._follow_logs(catch_up, pipeline)
                tasks.create_task(follow, name=f"logs-{self.pbx}")

    def _take_new_link(self) -> None:
        """A link runs once. What it has counted stays counted."""
        if not self._stopping:
            counters = self.link.counters
            self.link = AmiLink(self._link_settings, now=self._store.now)
            self.link.counters = counters
            self.failed_since = None

    def still_s(self, now_s: float) -> float:
        """Return for how many seconds its pipeline has been at one batch; 0 where none serves here."""
        return self.pipeline.still_s(now_s) if self.pipeline is not None else 0.0

    def stuck_since(self) -> datetime | None:
        """Return since when the database has refused what we must store; None while it stores."""
        if self.pipeline is not None and self.pipeline.stuck_since is not None:
            return self.pipeline.stuck_since
        if not self.lease.trouble:
            return None
        lasted_s = asyncio.get_running_loop().time() - self.lease.trouble_since_s
        return self._store.now() - timedelta(seconds=lasted_s)

    def _new_pipeline(self, fence: int, catch_up: CatchUp) -> Pipeline:
        numbers = number_rules(self._settings)
        rules = trigger_rules(self._settings, self.pbx)
        keep = keep_rules(self._settings)
        parts = PipelineParts(
            pbx=self.pbx,
            fence=fence,
            link=self.link,
            writer=self._store.writer,
            sessions=self._store.sessions,
            new_tracker=lambda: Tracker(self.pbx, rules, numbers, keep),
            handlers=self._handlers,
            now=self._store.now,
            on_stored=self._on_stored,
        )
        return Pipeline(
            parts,
            catch_up=catch_up.link_up,
            link_down=catch_up.link_down,
            begin=catch_up.begin,
        )

    async def stop(self) -> None:
        """Take nothing new in, let the batch in hand commit, give the lease back."""
        self._stopping = True
        await self.link.close()
        if self.pipeline is not None:
            await self.pipeline.drained.wait()
        await self.lease.release()

    async def _sweep(self, catch_up: CatchUp, pipeline: Pipeline) -> None:
        """Once a minute read the newest presses again: what an event failed to tell, AstDB tells.

        After a login, and after an event that could not be read, as soon as what was missed can be told
        from what is still coming.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_EVERY_S):
                    await pipeline.doubtful.wait()
            if pipeline.doubtful.is_set():
                pipeline.doubtful.clear()
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
        """Every two seconds: queue_log proves presses, and knows those that AstDB lost on a full disk."""
        while True:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            if self.link.state is not LinkState.UP:
                continue
            try:
                await catch_up.follow_logs(pipeline)
            except AmiError as error:
                log.warning("the PBX's logs can't be followed now", pbx=self.pbx, error=str(error))


def _first(group: BaseExceptionGroup[LeaseLost]) -> BaseException:
    """Return one error of `group`: its tasks were all refused for the same reason."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def link_settings(pbx: AsteriskSettings) -> LinkSettings:
    """Return the link's settings; raises ConfigError when the secret can't be used."""
    return LinkSettings(
        pbx=pbx.name,
        host=pbx.host,
        port=pbx.port,
        username=pbx.username,
        secret=secret_of(pbx),
        tls=TlsSettings(ca=pbx.tls_ca, name=pbx.tls_name) if pbx.tls else None,
    )
