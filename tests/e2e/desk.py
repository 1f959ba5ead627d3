"""press3 as its user runs it: `press3 serve` as a process, its REST and its socket, beside a real Asterisk."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy.ext.asyncio import AsyncSession
from websockets.asyncio.client import ClientConnection, connect

from people import passwords, roster
from people.passwords import PasswordHash
from press3.clock import now
from press3.config.settings import load
from press3.database import open_database
from tests.lab.harness import Lab
from tests.waiting import patience, until

__all__ = ["PASSWORD", "Desk", "PbxSide", "Person", "Screen", "config_text", "open_desk"]

PASSWORD = "correct horse battery"
_PEOPLE = (
    ("op101", "operator", "101"),
    ("op102", "operator", "102"),
    ("op103", "operator", "103"),
    ("chief", "supervisor", None),
    ("handler", "handler", None),
)


@dataclass(frozen=True, kw_only=True)
class PbxSide:
    """What press3's configuration says of a PBX."""

    port: int
    username: str
    secret: str
    monitor: Path

    @classmethod
    def of(cls, lab: Lab) -> "PbxSide":
        account = lab.config.account
        return cls(
            port=lab.ports.ami,
            username=account.username,
            secret=account.secret,
            monitor=lab.monitor,
        )


def config_text(
    lab: Lab | PbxSide,
    data_dir: Path,
    *,
    database_url: str = "",
    asterisk: str = "",
    more: str = "",
) -> str:
    """Return the file of CONTRACT's black-box run for `lab`; `asterisk` are further keys of its [[asterisk]]."""
    side = PbxSide.of(lab) if isinstance(lab, Lab) else lab
    return f"""
[service]
data_dir = "{data_dir}"
[[asterisk]]
name = "main"
host = "127.0.0.1"
port = {side.port}
username = "{side.username}"
secret = "{side.secret}"
{asterisk}
[database]
url = "{database_url}"
[http]
port = 0
[recordings]
roots = ["{side.monitor}"]
{more}
"""


@dataclass
class Person:
    """A signed-in employee: REST with his token."""

    http: aiohttp.ClientSession
    url: str
    token: str
    id: int

    async def get(self, path: str) -> Any:
        """Return the JSON of a GET that must succeed."""
        async with self.http.get(self.url + "/api/v1" + path, headers=self.headers) as answer:
            body = await answer.text()
            assert answer.status == 200, f"GET {path}: {answer.status} {body}"
            return json.loads(body)

    async def post(self, path: str, data: Any = None) -> tuple[int, Any]:
        """Return status and JSON of a POST."""
        url = self.url + "/api/v1" + path
        async with self.http.post(url, json=data, headers=self.headers) as answer:
            body = await answer.text()
            return answer.status, json.loads(body) if body else None

    async def bytes(self, path: str, **headers: str) -> tuple[int, bytes, aiohttp.ClientResponse]:
        url = self.url + "/api/v1" + path
        async with self.http.get(url, headers=self.headers | headers) as answer:
            return answer.status, await answer.read(), answer

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @asynccontextmanager
    async def screen(self, last_seq: int | None = None) -> AsyncIterator["Screen"]:
        """Connect to the push socket as a browser does."""
        status, ticket = await self.post("/push-ticket")
        assert status in (200, 201), ticket
        async with connect(ticket["url"]) as socket:
            await socket.send(
                json.dumps({"type": "hello", "ticket": ticket["ticket"], "last_seq": last_seq})
            )
            welcome = json.loads(await socket.recv())
            assert welcome["type"] == "welcome", welcome
            screen = Screen(socket, welcome)
            reader = asyncio.create_task(screen.read())
            try:
                yield screen
            finally:
                reader.cancel()


@dataclass
class Screen:
    """What one socket was told, in order."""

    socket: ClientConnection
    welcome: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)  # time.perf_counter() of each event

    async def read(self) -> None:
        async for text in self.socket:
            self.arrived.append(time.perf_counter())
            self.events.append(json.loads(text))

    def forget(self) -> None:
        """Let go of what was told so far."""
        self.events.clear()
        self.arrived.clear()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == kind]

    async def told(
        self,
        kind: str,
        wanted: Callable[[dict[str, Any]], bool] = lambda data: True,
        *,
        deadline_s: float = 15,
    ) -> dict[str, Any]:
        """Wait until an event of `kind` that is `wanted` has come; return its data."""
        found = await until(
            lambda: [data for data in self.of(kind) if wanted(data)],
            deadline_s=deadline_s,
            what=f"{kind} among {[event['type'] for event in self.events]}",
        )
        return dict(found[0])


class Desk:
    """A running (or stopped) press3 with its configuration file."""

    def __init__(self, config: Path, http: aiohttp.ClientSession) -> None:
        self.config = config
        self.process: asyncio.subprocess.Process | None = None
        self.url = self.push_url = ""
        self.log = config.with_name("press3.log")
        self._http = http
        self._people: dict[str, Person] = {}

    async def start(self) -> None:
        """Start `press3 serve` and wait for its ready line."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *_PRESS3,
                "serve",
                "-c",
                str(self.config),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        async with patience(90):
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("press3 ready http="), f"{line!r}; {self.log_tail()}"
        self.url = line.split()[2].removeprefix("http=")
        self.push_url = line.split()[3].removeprefix("push=")
        self._people.clear()

    async def kill9(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Stop as an administrator does; return the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def person(self, login: str) -> Person:
        """Sign in (once a run) and return the person."""
        if login not in self._people:
            body = {"login": login, "password": PASSWORD}
            async with self._http.post(self.url + "/api/v1/session", json=body) as answer:
                said = await answer.json()
                assert answer.status == 201, said
            self._people[login] = Person(
                self._http, self.url, said["token"], said["employee"]["id"]
            )
        return self._people[login]

    async def linked(self, *, deadline_s: float = 15) -> None:
        """Wait until the link to the PBX is up and the gap has been read."""
        chief = await self.person("chief")

        async def caught_up() -> bool:
            links = (await chief.get("/links"))["items"]
            windows = (await chief.get("/blind-windows"))["items"]
            return all(link["state"] == "up" for link in links) and all(
                window["to"] is not None for window in windows
            )

        await until(caught_up, deadline_s=deadline_s, what=f"linked; {self.log_tail()}")

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


_PRESS3: tuple[str, ...] = (sys.executable, "-m", "press3")
_FOLDERS = itertools.count(1)


def run_without(protection: str) -> None:
    """Let press3 run without one of its protections from now on (tests/faults/without.py)."""
    global _PRESS3
    _PRESS3 = (sys.executable, "-m", "tests.faults.without", protection)


def run(*arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a press3 command to its end."""
    return subprocess.run(
        [*_PRESS3, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )


async def _add_people(
    session: AsyncSession, operators: Sequence[str], chosen: PasswordHash
) -> None:
    people = [*_PEOPLE, *((f"op{ext}", "operator", ext) for ext in operators)]
    for login, role, extension in people:
        await roster.add_employee(
            session,
            login=login,
            name=login.title(),
            role=role,
            extension=extension,
            password=chosen,
            now=now(),
        )


@asynccontextmanager
async def open_desk(
    lab: Lab | PbxSide,
    folder: Path,
    *,
    database_url: str = "",
    asterisk: str = "",
    more: str = "",
    start: bool = True,
    operators: Sequence[str] = (),
    make: Callable[[Path, aiohttp.ClientSession], Desk] = Desk,
) -> AsyncIterator[Desk]:
    """Configure press3 for `lab` with its people and (unless `start` is false) run it.

    `operators` are the extensions of further operators, `op<extension>`; `make` the desk of its file.
    """
    config = folder / f"config-{next(_FOLDERS)}.toml"
    data_dir = config.with_suffix(".data")
    text = config_text(lab, data_dir, database_url=database_url, asterisk=asterisk, more=more)
    config.write_text(text)
    config.chmod(0o600)
    settings = load(config)
    chosen = await passwords.chosen(PASSWORD, login="", name="")
    async with open_database(settings) as database:
        await database.writer.run(lambda session: _add_people(session, operators, chosen))
    async with aiohttp.ClientSession() as http:
        desk = make(config, http)
        try:
            if start:
                await desk.start()
                await desk.linked()
            yield desk
        finally:
            if desk.process is not None and desk.process.returncode is None:
                await desk.stop()
