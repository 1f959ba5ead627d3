"""`press3 serve`: wire the parts, run them, stop them in stages."""

import asyncio
import gc
import signal
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import audience, conflicts
from appeals.case import calls as calls_of_case
from appeals.intake.presses import IntakeSettings
from calls.model import Call, PbxState
from people import roster
from people.door import Door, DoorLimits
from press3.acceptor import keep_thin, raise_descriptors
from press3.clock import now
from press3.config.ami_secret import secret_of
from press3.config.recordings import recording_settings
from press3.config.settings import Settings
from press3.database import Database, open_database, prepare_data_dir
from press3.errors import ConfigError, Press3Error
from press3.listening import Port, cannot_listen, counted_at, in_url
from press3.menu_files import NO_PBX
from press3.supervisor import Stage, Supervisor
from press3.telephony_parts import change_handlers, telephony_of
from press3.upkeep import Upkeep
from press3.watchdog import Notify, Watchdog, parts_of
from press3.web_parts import metrics_app, web_app
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from push.server import SOCKET_PATH_LIMIT, PushServer, PushSettings
from recordings import linker
from recordings.worker import RecordingWorker
from store import setting_log
from store.serve_lock import ServeLock
from telephony.recorder import Stored
from telephony.serving import Telephony

__all__ = ["Service", "serve"]

log = structlog.get_logger(__name__)

# For gc.set_threshold: 5,000 new objects bring a collection of the youngest, five of those one of the next
# generation, a hundred of these at the earliest a full one. Python's own are 700, 10, 10.
_COLLECT_AFTER = (5_000, 5, 100)


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raises Press3Error when a part of the service dies."""
    for pbx in settings.asterisk:
        secret_of(pbx)  # wrong use is said before anything is made
    if not settings.asterisk:
        what, remedy = NO_PBX
        log.warning(what, remedy=remedy)
    with ExitStack() as held:
        url = make_url(settings.database_url)
        prepare_data_dir(settings)
        if url.drivername.startswith("sqlite") and url.database:
            _lock(held, Path(url.database))
        supervisor = Supervisor()
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sign, supervisor.request_stop)
        async with Service(settings, supervisor) as service:
            _spare_the_collector()
            print(service.ready_line, flush=True)
            service.notify.send("READY=1")
            await supervisor.wait()
            service.notify.send("STOPPING=1")


def _spare_the_collector() -> None:
    """Make full garbage collections short and rare: everything stands still meanwhile.

    With a thousand screens one took 0.2 s, every ten seconds. Frozen is what the start made, some 150,000
    objects that stay for good; the screens' come later, and for them the thresholds make it rare. What is
    let go is nearly all freed by counting references: bench/day.py shows that memory stays flat.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def _lock(held: ExitStack, database: Path) -> None:
    """Hold the serve lock until `held` closes; raises Press3Error when its file can't be made."""
    try:
        held.enter_context(ServeLock(database))
    except OSError as error:
        raise Press3Error(f"database {database} can't be opened: {error.strerror}") from error


class Service:
    """Everything that runs. `async with Service(...)`: accepting connections inside, stopped after."""

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        *,
        on_stored: Callable[[Stored], None] = lambda stored: None,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._on_stored = on_stored
        self._open = AsyncExitStack()
        self.url = ""
        self._http_port: int | None = None
        self._push_port: int | None = None
        self.notify = Notify.of_this_process()
        self.door = Door(DoorLimits(descriptors=raise_descriptors()))
        self.database: Database
        self.telephony: tuple[Telephony, ...] = ()

    @property
    def ready_line(self) -> str:
        """The line that CONTRACT promises on stdout."""
        own, chosen = self._push_port, self._settings.push
        push = self.url if own is None else f"http://{in_url(chosen.host)}:{own}"
        return f"press3 ready http={self.url} push={push.replace('http', 'ws', 1)}/ws"

    async def __aenter__(self) -> "Service":
        try:
            await self._start()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop in stages: no new input, drain, final write, close."""
        await self._supervisor.stop()
        await self._open.aclose()

    async def _start(self) -> None:
        settings, supervisor = self._settings, self._supervisor
        bus = MemoryBus()
        database = await self._open.enter_async_context(open_database(settings, bus=bus))
        self.database = database
        await _check_names(database, settings)
        await note_conflict_rule(database, settings)
        recordings = _recording_worker(settings, database)
        hub = Hub(
            per_person_limit=settings.push.connections_per_user,
            backlog_limit_bytes=settings.push.backlog_kib * 1024,
        )
        push_settings = self._push_settings()
        push = PushServer(
            push_settings,
            hub,
            sessions=database.sessions,
            writer=database.writer,
            now=now,
        )
        self.telephony = await self._telephony(database, recordings)
        await self._listen_for_screens(push)
        supervisor.start("writer", database.writer.ended())
        relay = Relay(database.sessions, hub, bus)
        supervisor.start("relay", relay.run())
        supervisor.start("push", push.run())
        supervisor.start("recordings", recordings.run())
        supervisor.start("upkeep", Upkeep(database, settings).run())
        for each in self.telephony:
            supervisor.start(f"telephony-{each.pbx}", each.run())
        parts = parts_of(database.writer, relay, lambda: self.telephony)
        supervisor.start("watchdog", Watchdog(self.notify, parts).run())
        supervisor.start("door", keep_thin(self.door))
        ports = await self._ports(database, recordings, push_settings.socket)
        for port in ports:
            supervisor.start(f"accept-{port.number}", port.run())
            supervisor.on_stop(Stage("stop listening", port.stop_accepting))
        self._end_in_stages(push, ports)

    def _end_in_stages(self, push: PushServer, ports: Iterable[Port]) -> None:
        supervisor = self._supervisor
        supervisor.on_stop(Stage("close screens", lambda: push.__aexit__(None, None, None)))
        for port in ports:
            supervisor.on_stop(Stage("finish requests", port.finish))
        for each in self.telephony:
            supervisor.on_stop(Stage(f"telephony {each.pbx}", each.stop))

    def _push_settings(self) -> PushSettings:
        chosen, page = self._settings.push, self._settings.http.public_url
        origins = (*chosen.origins, *([page] if page else []))
        if chosen.port is not None:
            return PushSettings(
                address=(chosen.host, chosen.port),
                origins=origins,
                page_port=lambda: self._http_port,
                door=self.door,
                client_of=partial(counted_at, self._settings.http.proxies),
            )
        folder = tempfile.TemporaryDirectory(prefix="press3-")  # short: a socket's path is limited
        self._open.callback(folder.cleanup)
        socket = Path(folder.name) / "push.sock"
        if len(str(socket).encode()) > SOCKET_PATH_LIMIT:
            raise Press3Error(
                f"the folder for temporary files, {tempfile.gettempdir()}, has too long a path for a socket;"
                " set TMPDIR to a shorter one, /tmp for example"
            )
        return PushSettings(socket=socket, origins=origins, door=self.door)

    async def _listen_for_screens(self, push: PushServer) -> None:
        chosen = self._settings.push
        try:
            await push.__aenter__()
        except OSError as error:
            raise cannot_listen(f"[push] {chosen.host}:{chosen.port}", error) from error
        self._push_port = push.port

    async def _telephony(
        self, database: Database, recordings: RecordingWorker
    ) -> tuple[Telephony, ...]:
        departments = await _queue_departments(database, self._settings)
        handlers = change_handlers(
            IntakeSettings(departments=departments, resolve_h=self._settings.deadlines.resolve_h)
        )

        def stored(what: Stored) -> None:
            if any(linker.concerns(change) for change in what.changes):
                recordings.wake()
            self._on_stored(what)

        return tuple(
            telephony_of(pbx, self._settings, database, handlers=handlers, on_stored=stored)
            for pbx in self._settings.asterisk
        )

    async def _ports(
        self, database: Database, recordings: RecordingWorker, push_socket: Path | None
    ) -> list[Port]:
        """Listen at the port of REST and the screen, and at that of the metrics if there is one."""
        http, metrics = self._settings.http, self._settings.metrics
        app = web_app(
            self._settings,
            database,
            telephony=self.telephony,
            recordings=recordings,
            push_socket=push_socket,
            push_port=self._push_port,
        )
        ports = [
            await Port.listen(app, "", http.host, http.port, door=self.door, proxies=http.proxies)
        ]
        self._http_port, self.url = ports[0].number, ports[0].url
        if metrics.port is not None:
            figures = metrics_app(self.telephony, recordings)
            listening = Port.listen(
                figures, "[metrics] ", metrics.host, metrics.port, door=self.door
            )
            ports.append(await listening)
            log.info("metrics are served", url=f"{ports[1].url}/metrics")
        return ports


async def _check_names(database: Database, settings: Settings) -> None:
    """Refuse a database that knows a PBX now gone: its calls would become a stranger's."""
    async with database.sessions() as session:
        known = set(await session.scalars(select(PbxState.pbx)))
    gone = known - {pbx.name for pbx in settings.asterisk}
    if gone and settings.asterisk:
        raise ConfigError(
            "the configuration",
            [
                f"[[asterisk]] {name!r} is gone, but the database holds its calls; put it back"
                for name in sorted(gone)
            ],
        )


async def note_conflict_rule(database: Database, settings: Settings) -> None:
    """Store `[conflict] answered_by` for the rights to read; a change of it is a row of its history."""
    value, at = settings.conflict.answered_by, now()
    change = await database.writer.run(lambda s: setting_log.note(s, conflicts.SETTING, value, at))
    if change is not None and change.old is not None:
        log.warning(
            "the conflict rule was changed in the configuration", old=change.old, new=change.new
        )


async def _queue_departments(database: Database, settings: Settings) -> dict[str, int]:
    """Return queue → department id, making departments that are not there yet."""

    async def work(session: AsyncSession) -> dict[str, int]:
        found = {}
        for queue in settings.queues:
            found[queue.name] = (await roster.department(session, queue.department)).id
        return found

    return await database.writer.run(work)


def _recording_worker(settings: Settings, database: Database) -> RecordingWorker:
    return RecordingWorker(
        database.sessions,
        database.writer,
        recording_settings(settings),
        now=now,
        audience_of=_who_may_read,
        appeal_of=calls_of_case.appeal_of,
    )


async def _who_may_read(session: AsyncSession, call_id: str) -> dict[str, Any]:
    call = await session.get_one(Call, call_id)
    return (await audience.of_call(session, call)).to_json()
