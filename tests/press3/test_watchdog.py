"""systemd hears that press3 lives while its parts move on, and hears nothing more when one is blocked."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from structlog.testing import capture_logs

from press3 import watchdog
from press3.replay import REPLAY_PBX, TraceLink
from press3.traces import read_trace
from press3.watchdog import Notify, Part, Watchdog, parts_of
from push.bus import MemoryBus
from push.hub import Hub
from push.relay import Relay
from store.writer import Writer
from telephony.pipeline import Pipeline
from telephony.serving import Telephony
from tests.telephony.parts import new_pipeline, new_recorder
from tests.telephony.test_pipeline import ANSWERED, NOW
from tests.waiting import until

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind(str(path))
        self.notify = Notify({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "60000"})  # 20 ms

    def heard(self) -> list[str]:
        """Return what came since it was asked last."""
        said = []
        while True:
            try:
                said.append(self.socket.recv(1_000).decode())
            except BlockingIOError:
                return said


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    other = Systemd(tmp_path / "notify")
    yield other
    other.socket.close()


async def falls_silent(systemd: Systemd, dog: Watchdog, part: str) -> None:
    """Wait until `part` is known to stand still; from then on nothing is said."""
    await until(lambda: dog.still == (part,), what=f"{part} is seen to stand still")
    systemd.heard()
    for _ in range(5):
        dog.look(asyncio.get_running_loop().time())
    assert systemd.heard() == []


async def speaks_again(systemd: Systemd, dog: Watchdog) -> None:
    systemd.heard()
    await until(lambda: "WATCHDOG=1" in systemd.heard(), what="systemd hears again")
    assert dog.still == ()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_WRITER_S", "_RELAY_S", "_PIPELINE_S"):
        monkeypatch.setattr(watchdog, name, 0.3)


def idle_parts(writer: Writer, sessions: Any, served: list[Any]) -> tuple[tuple[Part, ...], Relay]:
    relay = Relay(sessions, Hub(), MemoryBus(), poll_s=0.05)
    return parts_of(writer, relay, lambda: served), relay


async def test_ready_and_watchdog_reach_systemd(
    systemd: Systemd, writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    systemd.notify.send("READY=1")
    assert systemd.heard() == ["READY=1"]
    parts, relay = idle_parts(writer, sessions, [])
    dog = Watchdog(systemd.notify, parts)
    tasks = [asyncio.create_task(work) for work in (dog.run(), relay.run())]
    for _ in range(3):
        await speaks_again(systemd, dog)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.usefixtures("impatient")
async def test_a_writer_that_is_blocked_falls_silent(
    systemd: Systemd, writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    parts, _ = idle_parts(writer, sessions, [])
    dog = Watchdog(systemd.notify, parts)
    running = asyncio.create_task(dog.run())
    goes_on = asyncio.Event()

    async def hang(session: AsyncSession) -> None:
        await goes_on.wait()

    blocked = asyncio.create_task(writer.run(hang))
    with capture_logs() as logs:
        await falls_silent(systemd, dog, "writer")
    assert [line["parts"] for line in logs if line["log_level"] == "error"] == [("writer",)]
    goes_on.set()
    await blocked
    await speaks_again(systemd, dog)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class StuckSessions:
    """Sessions that are not given until `goes_on`."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self.goes_on = asyncio.Event()
        self._session: AsyncSession | None = None

    def __call__(self) -> "StuckSessions":
        return self

    async def __aenter__(self) -> AsyncSession:
        await self.goes_on.wait()
        self._session = self._sessions()
        return self._session

    async def __aexit__(self, *exc_info: object) -> None:
        if self._session is not None:
            await self._session.close()


@pytest.mark.usefixtures("impatient")
async def test_a_relay_that_is_blocked_falls_silent(
    systemd: Systemd, writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    stuck = StuckSessions(sessions)
    parts, relay = idle_parts(writer, stuck, [])
    dog = Watchdog(systemd.notify, parts)
    tasks = [asyncio.create_task(work) for work in (dog.run(), relay.run())]
    await falls_silent(systemd, dog, "relay")
    stuck.goes_on.set()
    await speaks_again(systemd, dog)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class Serving:
    """What the watchdog sees of a PBX's service: the real reading of a real pipeline."""

    still_s = Telephony.still_s

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline


@pytest.mark.usefixtures("impatient")
async def test_a_pipeline_that_is_blocked_falls_silent(
    systemd: Systemd, writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    recorder = await new_recorder(REPLAY_PBX, writer, sessions, lambda: NOW)
    pipeline = new_pipeline(TraceLink(read_trace(ANSWERED)), recorder)
    goes_on = asyncio.Event()

    async def hang(session: AsyncSession, change: object, *, now: object) -> None:
        await goes_on.wait()

    # The handler waits outside the writer, so that the pipeline alone is blocked.
    async def blocked_take(items: object) -> None:
        await hang(None, None, now=None)  # type: ignore[arg-type]

    pipeline.take = blocked_take  # type: ignore[method-assign, assignment]
    parts, _ = idle_parts(writer, sessions, [Serving(pipeline)])
    dog = Watchdog(systemd.notify, parts)
    tasks = [asyncio.create_task(work) for work in (dog.run(), pipeline.run())]
    await falls_silent(systemd, dog, "pipeline")
    goes_on.set()
    await speaks_again(systemd, dog)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_database_that_refuses_is_no_standstill(
    writer: Writer, sessions: async_sessionmaker[AsyncSession]
) -> None:
    recorder = await new_recorder(REPLAY_PBX, writer, sessions, lambda: NOW)
    pipeline = new_pipeline(TraceLink(read_trace(ANSWERED)), recorder)
    pipeline._has_batch = True
    pipeline._begun.append(0.0)
    assert pipeline.still_s(1_000.0) == 1_000.0
    recorder.stuck_since = recorder.now()
    assert pipeline.still_s(1_000.0) == 0.0


async def test_without_systemd_nothing_is_sent_and_nothing_fails(
    writer: Writer, tmp_path: Path
) -> None:
    Notify({}).send("READY=1")
    with capture_logs() as logs:
        Notify({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).send("READY=1")
    assert [line["event"] for line in logs] == ["systemd can't be told"]
