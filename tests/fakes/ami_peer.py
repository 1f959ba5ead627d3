"""A scriptable AMI server: what Asterisk says and does to its clients, and what it never should.

    async with AmiPeer() as peer:
        link = AmiLink(LinkSettings(port=peer.port, **peer.account, …), …)
        await peer.logged_in()
        peer.event("Hangup", headers)         # to every client logged in
        peer.astdb["press3/…"] = "2|…"        # DBGet, DBGetTree, DB_KEYCOUNT answer from it
        peer.on("Originate", lambda action: [action.ok("queued")])
        peer.silent = True                    # takes actions, answers none
        peer.reset()                          # RST in the middle of whatever it was

It listens on loopback and keeps its port over `stop()` and `start()`, as a restarted PBX does.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from ami.wire import FrameDecoder, decode
from tests.waiting import until

__all__ = ["Action", "AmiPeer", "message"]

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
Handler = Callable[["Action"], Iterable[bytes]]


def message(*pairs: tuple[str, str], **headers: str) -> bytes:
    """The bytes of one message, with its end."""
    lines = [f"{name}: {value}" for name, value in (*pairs, *headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode(errors="surrogateescape")


@dataclass(frozen=True)
class Action:
    """An action as it came in; `client` is who sent it."""

    name: str
    id: str
    headers: tuple[tuple[str, str], ...]
    client: "_Client" = field(repr=False)

    def get(self, name: str) -> str:
        return next((v for n, v in self.headers if n.lower() == name.lower()), "")

    def ok(self, text: str = "", **headers: str) -> bytes:
        """A successful response."""
        said = {"Message": text} if text else {}
        return message(("Response", "Success"), ("ActionID", self.id), **said, **headers)

    def error(self, text: str) -> bytes:
        return message(("Response", "Error"), ("ActionID", self.id), ("Message", text))

    def item(self, event: str, **headers: str) -> bytes:
        """One event of the answer."""
        return message(("Event", event), ("ActionID", self.id), **headers)

    def listed(
        self, end: str, items: Iterable[bytes], *, counted: int | None = None
    ) -> list[bytes]:
        """A whole list: its start, its items, its end; `counted` instead of the true number."""
        sent = list(items)
        start = self.ok("Result will follow", EventList="start")
        number = str(len(sent) if counted is None else counted)
        return [start, *sent, self.item(end, EventList="Complete", ListItems=number)]


class AmiPeer:
    """One PBX. Attributes may be changed at any time and hold from then on."""

    def __init__(self, *, username: str = "press3", secret: str = "s3cret") -> None:
        self.account = {"username": username, "secret": secret}
        self.version = "22.10.1"
        self.startup = ("2026-11-21", "18:33:41")
        self.clock = "1795286023.654136"  # what Ping says
        self.login_error = ""  # not empty: refuse every login with this message
        self.silent = False
        self.astdb: dict[str, str] = {}
        self.db_get_bytes: int | None = None  # of a value; 16.28 gives 255
        self.variables: dict[str, str] = {}
        self.channels: list[dict[str, str]] = []
        self.actions: list[Action] = []
        self.connections = 0
        self.port = 0
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None
        self._handlers: dict[str, Handler] = {
            "login": self._login,
            "ping": lambda action: [action.ok(Ping="Pong", Timestamp=self.clock)],
            "corestatus": self._core_status,
            "coresettings": lambda action: [action.ok(AsteriskVersion=f"{self.version}+dfsg-1")],
            "coreshowchannels": self._show_channels,
            "status": lambda action: action.listed("StatusComplete", []),
            "queuestatus": lambda action: action.listed("QueueStatusComplete", []),
            "dbget": self._db_get,
            "dbgettree": self._db_get_tree,
            "getvar": self._getvar,
        }

    async def __aenter__(self) -> "AmiPeer":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen: on any free port the first time, later on the same."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset every client, as a killed PBX does."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.reset()
        await until(lambda: not self._clients, what="all clients are gone")

    def on(self, action: str, handler: Handler) -> None:
        """Answer this action with the bytes that `handler` gives; an empty list is no answer."""
        self._handlers[action.lower()] = handler

    def received(self, name: str) -> list[Action]:
        """The actions of this name, in order."""
        return [action for action in self.actions if action.name == name]

    async def logged_in(self, clients: int = 1) -> None:
        """Wait until so many clients are logged in."""
        await until(
            lambda: sum(client.logged_in for client in self._clients) >= clients,
            what=f"{clients} clients logged in",
        )

    def event(self, name: str, headers: Mapping[str, str] | None = None) -> None:
        self.send(message(("Event", name), *(headers or {}).items()))

    def send(self, data: bytes) -> None:
        """Bytes as they are, to every client that is logged in."""
        for client in self._clients:
            if client.logged_in:
                client.transport.write(data)

    async def trickle(self, data: bytes) -> None:
        """The same, each byte in a segment of its own."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            await asyncio.sleep(0)

    def close(self) -> None:
        """End every session in order (FIN)."""
        for client in self._clients:
            client.transport.close()

    def reset(self) -> None:
        """Cut every session (RST)."""
        for client in list(self._clients):
            client.reset()

    def stall(self) -> None:
        """Read no more from anybody."""
        for client in self._clients:
            client.transport.pause_reading()

    def take(self, action: Action) -> Iterable[bytes]:
        """What to answer; called for every action that comes in."""
        self.actions.append(action)
        if self.silent:
            return []
        handler = self._handlers.get(action.name.lower())
        if handler is None:
            return [action.error(f"Invalid/unknown command: {action.name}.")]
        return handler(action)

    def _login(self, action: Action) -> list[bytes]:
        known = all(action.get(name) == value for name, value in self.account.items())
        if self.login_error or not known:
            return [action.error(self.login_error or "Authentication failed")]
        action.client.logged_in = True
        return [action.ok("Authentication accepted"), message(Event="FullyBooted")]

    def _core_status(self, action: Action) -> list[bytes]:
        date, time = self.startup
        return [action.ok(CoreStartupDate=date, CoreStartupTime=time, CoreCurrentCalls="0")]

    def _show_channels(self, action: Action) -> list[bytes]:
        rows = [action.item("CoreShowChannel", **channel) for channel in self.channels]
        return action.listed("CoreShowChannelsComplete", rows)

    def _db_get(self, action: Action) -> list[bytes]:
        family, key = action.get("Family"), action.get("Key")
        value = self.astdb.get(f"{family}/{key}")
        if value is None:
            return [action.error("Database entry not found")]
        row = action.item("DBGetResponse", Family=family, Key=key, Val=value[: self.db_get_bytes])
        return action.listed("DBGetComplete", [row])

    def _db_get_tree(self, action: Action) -> list[bytes]:
        rows = [
            action.item("DBGetTreeResponse", Key=f"/{key}", Val=self.astdb[key])
            for key in self._below(action.get("Family"))
        ]
        return action.listed("DBGetTreeComplete", rows)

    def _getvar(self, action: Action) -> list[bytes]:
        name = action.get("Variable")
        counted = re.fullmatch(r"DB_KEYCOUNT\((.*)\)", name)
        if counted:
            depth = counted[1].count("/") + 2
            below = {"/".join(key.split("/")[:depth]) for key in self._below(counted[1])}
            return [action.ok(Variable=name, Value=str(len(below)))]
        return [action.ok(Variable=name, Value=self.variables.get(name, ""))]

    def _below(self, family: str) -> list[str]:
        """Keys as Asterisk finds them: SQL LIKE, so `_` and `%` are wildcards."""
        pattern = re.escape(family).replace("_", ".").replace("%", ".*")
        wanted = re.compile(f"{pattern}(/.*)?", re.IGNORECASE)
        return sorted(key for key in self.astdb if wanted.fullmatch(key))


class _Client(asyncio.Protocol):
    def __init__(self, peer: AmiPeer) -> None:
        self.logged_in = False
        self._peer = peer
        self._decoder = FrameDecoder()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._peer.connections += 1
        self._peer._clients.add(self)
        transport.write(BANNER)

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            headers = tuple(decode(frame))
            by_name = {name.lower(): value for name, value in headers}
            action = Action(by_name.get("action", ""), by_name.get("actionid", ""), headers, self)
            self.transport.write(b"".join(self._peer.take(action)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer._clients.discard(self)

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()
