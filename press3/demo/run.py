"""`press3 demo`: a call centre that calls itself, on a private Asterisk, until Ctrl-C.

Nothing of it stays: the Asterisk, the database and the recordings live in a folder of their own that
is removed at the end. Where no Asterisk can be had, recorded calls are replayed and that is said.
"""

import asyncio
import errno
import os
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from calls.model import BlindWindow
from people import passwords, roster
from press3 import logs
from press3.clock import now
from press3.config.sections import HttpSettings
from press3.config.settings import Settings
from press3.database import open_database
from press3.demo.calls import DEMO_OPERATORS, DemoCalls, DemoPbx
from press3.demo.live import say_stored
from press3.demo.recorded import replay_for_ever
from press3.demo.tree import AsteriskTree, NoAsterisk, get_tree
from press3.errors import Press3Error
from press3.service import Service
from press3.supervisor import Supervisor
from telephony.recorder import Stored

__all__ = ["demo"]


async def demo(*, port: int, seconds: float | None, calls_a_minute: float) -> int:
    """Run the demo until Ctrl-C (or for `seconds`); return the exit code.

    Raises Press3Error when the screen can't have its port.
    """
    logs.set_up(json=False, level=logs.WARNING)
    _check_port(port)
    tree = await _tree()
    supervisor = Supervisor()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, supervisor.request_stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else: nohup
        terminals = [fd for fd in (1, 2) if os.isatty(fd)]
        loop.add_signal_handler(signal.SIGHUP, _hang_up, terminals, supervisor)
    if seconds is not None:
        loop.call_later(seconds, supervisor.request_stop)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="press3-demo-")))
        pbx = await stack.enter_async_context(DemoPbx(tree, folder)) if tree else None
        settings = _settings(folder, port, pbx)
        logins = await _add_people(settings)
        say = partial(_say, settings.zone)
        service = Service(settings, supervisor, on_stored=say)
        await stack.enter_async_context(service)
        if pbx is not None:
            calls = DemoCalls(pbx, calls_a_minute=calls_a_minute)
            supervisor.start("demo-calls", _call_when_heard(service, calls))
        else:
            supervisor.start("demo-replay", replay_for_ever(service.database, settings, say))
        with _if_it_can_be_shown():
            _welcome(service.url, logins, pbx, settings.zone)
        await supervisor.wait()
        print("\nstopping: calls, Asterisk, press3 …", flush=True)
    print("stopped; nothing is left running, nothing was kept", flush=True)
    return 0


def _say(zone: ZoneInfo, stored: Stored) -> None:
    """Print what a commit held."""
    with _if_it_can_be_shown():
        say_stored(zone, stored)


@contextmanager
def _if_it_can_be_shown() -> Iterator[None]:
    """A terminal that was just closed shows nothing any more: SIGHUP is on its way."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def _hang_up(terminals: list[int], supervisor: Supervisor) -> None:
    """The terminal was closed: stop, and write no more to it, which would fail half way through the stop."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in terminals:
        os.dup2(nowhere, fd)
    os.close(nowhere)
    supervisor.request_stop()


async def _call_when_heard(service: Service, calls: DemoCalls) -> None:
    """Begin when the gap before the first login is read: nobody's first call is met half way."""
    await _caught_up(service)
    await calls.run()


async def _caught_up(service: Service) -> None:
    """Wait until the blind window before the first login is closed."""
    while True:
        async with service.database.sessions() as session:
            if await session.scalar(select(BlindWindow.ended_at).limit(1)) is not None:
                return
        await asyncio.sleep(_LOOK_EVERY_S)


_LOOK_EVERY_S = 0.1


def _check_port(port: int) -> None:
    """Say that the port is taken before an Asterisk is fetched and started for nothing."""
    host = HttpSettings().host
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise Press3Error(
            f"the demo's screen can't be at {host}:{port}: {why}. Another demo or press3 may serve there: "
            f"stop it, or choose another port, as in `{_command()} demo --port 8301` (0: any free one)"
        ) from error


def _command() -> str:
    """Return how this very program is called: `make demo` runs it from a place that is not on PATH."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "press3" else f"{sys.executable} -m press3"


async def _tree() -> AsteriskTree | None:
    try:
        return await asyncio.to_thread(get_tree, "22")
    except NoAsterisk as why:
        print(f"!!! NO ASTERISK HERE: {why}")
        print(
            "!!! The demo replays recorded calls of a real one instead, at their own speed.",
            flush=True,
        )
        return None


def _settings(folder: Path, port: int, pbx: DemoPbx | None) -> Settings:
    values = {
        "service": {"data_dir": folder / "data", "language": "ru"},
        "http": {"port": port},
        "deadlines": {
            "resolve_h": 0.2,
            "due_soon_h": 0.1,
        },  # minutes, so that one can see them pass
        **(pbx.settings if pbx else {"recordings": {"roots": []}}),
    }
    return Settings.model_validate(values)


async def _add_people(settings: Settings) -> list[tuple[str, str, str]]:
    """Add the people of the demo; return (login, password, who that is)."""
    people = [
        ("supervisor", "supervisor", "Ольга Старшинова", None),
        ("handler", "handler", "Павел Разборов", None),
        *((f"op{ext}", "operator", name, ext) for ext, name in DEMO_OPERATORS.items()),
    ]
    logins = []
    async with open_database(settings) as database:
        for login, role, name, extension in people:
            password = secrets.token_urlsafe(9)
            chosen = await passwords.chosen(password, login=login, name=name)
            await database.writer.run(
                lambda session, p=(login, name, role, extension, chosen): roster.add_employee(  # type: ignore[misc]
                    session,
                    login=p[0],
                    name=p[1],
                    role=p[2],
                    extension=p[3],
                    password=p[4],
                    now=now(),
                )
            )
            logins.append(
                (login, password, f"{name} ({role}{', ' + extension if extension else ''})")
            )
    return logins


def _welcome(
    url: str, logins: list[tuple[str, str, str]], pbx: DemoPbx | None, zone: ZoneInfo
) -> None:
    print(f"\n  press3 is at  {url}")
    print(f"  telephone system: {pbx.version if pbx else 'recorded calls (no Asterisk)'}\n")
    for login, password, who in logins:
        print(f"  {login:<11} {password:<13} {who}")
    print("\n  Sign in as op101 to see calls pop up, as supervisor to see everything.")
    print(
        f"  Ctrl-C stops it all. Calls as they happen, times in {zone.key} as on the screen:\n",
        flush=True,
    )
