"""A press3 that obeys the test: the contract's REST and socket from memory, faults on demand.

It serves the real built screen. Rare states (link down, 5xx, a lost socket, a refused action) are
one call here; the same screen against the real server is tested elsewhere.
`python -m tests.ui.fake_server` shows it to a person: sign in as boss or anna, password secret.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from tests.ui import sample
from tests.ui.fake_account import FakeAccount, problem

__all__ = ["PASSWORD", "FakeServer"]

PASSWORD = "secret"
API = "/api/v1"
STATIC = Path(__file__).resolve().parents[2] / "web" / "static"
# What the real server may forbid a page; the screen must live with it (wavesurfer brings its own <style>).
CSP = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, Any]


def _now() -> datetime:
    return datetime.now(sample.MOSCOW)


class FakeServer:
    """All state is public: a test reads and changes it, then says what the screens are told."""

    def __init__(self, sound: Path) -> None:
        self.url = ""
        self.language = "ru"  # of the page, as [service] language sets it
        self.appeals: dict[int, Json] = {}
        self.calls: dict[str, Json] = {}
        self.histories: dict[int, list[Json]] = {}
        self.links: list[Json] = [_link("up")]
        self.blind_windows: list[Json] = []
        self.reconciliation: Json = {
            "pressed": 0,
            "registered": 0,
            "recorded": 0,
            "sources": [{"name": "astdb", "complete": True}],
            "differences": [],
        }
        self.events: list[Json] = []
        self.pops: dict[str, Json] = {}
        self.current: dict[str, Json] = {}
        self.acks: list[str] = []
        self.hellos: list[int | None] = []
        self.failing: dict[str, int] = {}
        self.failing_as: dict[str, str] = {}  # the problem, when it is not our own fault
        self.conflicted: set[int] = set()
        self.conflict_rule: Json = {"answered_by": "notes", "changes": []}
        self.own_cases: dict[int, Json] = {}
        self.tickets_refused = False
        self.account = FakeAccount()
        self.peaks = sample.write_sound(sound)
        self._sound = sound
        self._sessions: dict[str, Json] = {}
        self._sockets: set[web.WebSocketResponse] = set()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["FakeServer"]:
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        try:
            yield self
        finally:
            await self.drop_sockets()
            await runner.cleanup()

    async def _index(self, _: web.Request) -> web.StreamResponse:
        page = (STATIC / "index.html").read_text(encoding="utf-8")
        text = page.replace('<html lang="ru">', f'<html lang="{self.language}">')
        return web.Response(
            text=text, content_type="text/html", headers={"Content-Security-Policy": CSP}
        )

    # What a test lets happen

    def add_appeal(self, number: int, caller: Json, **changes: Any) -> Json:
        opened = changes.pop("opened", _now())
        self.appeals[number] = sample.appeal(number, opened, caller, **changes)
        self.histories[number] = [
            {"n": 1, "at": opened.isoformat(), "author": None, "action": "opened", "data": {}}
        ]
        return self.appeals[number]

    async def open_appeal(self, number: int, caller: Json, **changes: Any) -> Json:
        made = self.add_appeal(number, caller, **changes)
        await self.tell("appeal.opened", _news(made))
        return made

    async def change_appeal(self, number: int, **changes: Any) -> None:
        made = self.appeals[number]
        made.update(changes, version=made["version"] + 1)
        await self.tell("appeal.changed", _news(made))

    async def ring(self, pop_id: str, caller: Json, **card: Any) -> None:
        """The signed-in person's telephone rings."""
        shown = {
            "pop_id": pop_id,
            "round": 1,
            "call": f"main-{pop_id}",
            "caller": caller,
            "customer": None,
            "appeal": None,
            "open_appeals": [],
        }
        self.pops[pop_id] = shown | card
        await self.tell("pop.shown", self.pops[pop_id])

    async def withdraw(self, pop_id: str, reason: str) -> None:
        card = self.pops.pop(pop_id)
        if reason == "answered_here":
            at = _now()
            made = sample.call(card["call"], card["caller"], at, answered_after_s=0)
            self.current[card["call"]] = made | {"ended_at": None, "outcome": None, "pop": card}
        await self.tell("pop.withdrawn", {"pop_id": pop_id, "reason": reason})

    async def end_call(self, call: str, appeal: int | None = None) -> None:
        self.current.pop(call, None)
        await self.tell("call.ended", {"call": call, "outcome": "answered", "appeal": appeal})

    async def set_link(self, state: str, reason: str | None = None) -> None:
        self.links = [_link(state, reason)]
        await self.tell("link.restored" if state == "up" else "link.lost", {"pbx": "main"})

    async def tell(self, kind: str, data: Json) -> None:
        at = _now().isoformat()
        event = {"seq": len(self.events) + 1, "type": kind, "at": at, "data": data}
        self.events.append(event)
        for socket in list(self._sockets):
            await socket.send_str(json.dumps(event))

    async def drop_sockets(self) -> None:
        for socket in list(self._sockets):
            await socket.close(code=1001)

    @property
    def connected(self) -> int:
        return len(self._sockets)

    # The contract

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                *self.account.routes(),
                web.post(f"{API}/session", self._sign_in),
                web.get(f"{API}/session", self._session),
                web.delete(f"{API}/session", self._sign_out),
                web.get(f"{API}/dictionaries", _fixed(lambda: sample.DICTIONARIES)),
                web.get(f"{API}/links", _fixed(lambda: {"items": self.links})),
                web.get(f"{API}/blind-windows", self._blind_windows),
                web.get(f"{API}/conflict-rule", _fixed(lambda: self.conflict_rule)),
                web.get(f"{API}/reconciliation", _fixed(lambda: self.reconciliation)),
                web.get(f"{API}/appeals", self._appeals),
                web.get(f"{API}/appeals/{{number}}", self._appeal),
                web.get(f"{API}/appeals/{{number}}/history", self._history),
                web.post(f"{API}/appeals/{{number}}/take", self._take),
                web.post(f"{API}/appeals/{{number}}/resolve", self._resolve),
                web.get(f"{API}/calls", self._calls),
                web.get(f"{API}/recordings/{{id}}/peaks", self._peaks),
                web.get(f"{API}/recordings/{{id}}/audio", self._audio),
                web.post(f"{API}/push-ticket", self._ticket),
                web.get("/ws", self._socket),
                web.get("/", self._index),
                web.static("/", STATIC),
            ]
        )
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix(API)
        for prefix, status in self.failing.items():
            if path.startswith(prefix):
                slug = self.failing_as.get(prefix, "internal")
                return problem(status, slug, "press3 failed to answer.")
        public = not request.path.startswith(API) or (
            request.method == "POST" and path == "/session"
        )
        if not public and request.cookies.get("press3_session") not in self._sessions:
            return problem(401, "not-signed-in", "Nobody is signed in.")
        return await handler(request)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        given = await request.json()
        people = {one["login"]: one for one in (sample.OPERATOR, sample.SUPERVISOR)}
        if given["login"] == "locked":
            return problem(429, "locked-out", "Too many.", headers={"Retry-After": "90"})
        if given["login"] not in people or given["password"] != self.account.password:
            return problem(401, "sign-in-refused", "Login or password is wrong.")
        if (refusal := self.account.refused(given)) is not None:
            return refusal
        token = f"t{len(self._sessions)}"
        self._sessions[token] = people[given["login"]]
        who = self.account.who(people[given["login"]])
        reply = web.json_response({"token": token, **who}, status=201)
        reply.set_cookie("press3_session", token, httponly=True, samesite="Strict")
        return reply

    async def _session(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.account.who(self._person(request)))

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        self._sessions.pop(request.cookies["press3_session"])
        return web.Response(status=204)

    def _person(self, request: web.Request) -> Json:
        return self._sessions[request.cookies["press3_session"]]

    async def _appeals(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        rows = [
            row for _, row in sorted(self.appeals.items(), reverse=True) if _matches(row, query)
        ]
        if "cursor" in query:
            rows = [row for row in rows if row["number"] < int(query["cursor"])]
        page, rest = rows[: int(query["limit"])], rows[int(query["limit"]) :]
        return web.json_response({"items": page, "next": str(page[-1]["number"]) if rest else None})

    async def _appeal(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        if number in self.own_cases:
            return web.json_response(self.own_cases[number])
        made = self.appeals.get(number)
        if made is None:
            return problem(404, "not-found", "There is no such thing.")
        return web.json_response(made, headers={"ETag": f'"{made["version"]}"'})

    async def _blind_windows(self, request: web.Request) -> web.StreamResponse:
        if self._person(request)["role"] == "operator":
            return problem(403, "forbidden", "This is for those who oversee.")
        return web.json_response({"items": self.blind_windows})

    async def _history(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"items": self.histories.get(int(request.match_info["number"]), [])}
        )

    async def _take(self, request: web.Request) -> web.StreamResponse:
        number = int(request.match_info["number"])
        if number in self.conflicted:
            extra = {"action": "take", "reason": "answered_the_call"}
            return problem(403, "conflict-of-interest", "You are involved.", extra=extra)
        if stale := self._stale(request):
            return stale
        person = self._person(request)
        await self._step(number, person, "take", phase="investigating", stage="В работе")
        return web.json_response(self.appeals[number])

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        given, number = await request.json(), int(request.match_info["number"])
        if missing := [name for name in ("gist", "category") if not given.get(name)]:
            return problem(422, "missing", "Still missing.", extra={"missing": missing})
        if stale := self._stale(request):
            return stale
        done = {"phase": "responded", "stage": "Разобрана", "missing": []} | given
        await self._step(number, self._person(request), "resolve", **done)
        return web.json_response(self.appeals[number])

    def _stale(self, request: web.Request) -> web.StreamResponse | None:
        made = self.appeals[int(request.match_info["number"])]
        if request.headers.get("If-Match", f'"{made["version"]}"') == f'"{made["version"]}"':
            return None
        return problem(412, "stale-version", "Somebody changed it.")

    async def _step(self, number: int, person: Json, verb: str, **changes: Any) -> None:
        made, at = self.appeals[number], _now()
        data = {"verb": verb, "from": made["stage"], "to": changes["stage"]}
        author = {"id": person["id"], "name": person["name"]}
        entries = self.histories[number]
        entries.append(
            {
                "n": len(entries) + 1,
                "at": at.isoformat(),
                "author": author,
                "action": "stage",
                "data": data,
            }
        )
        took = (at - datetime.fromisoformat(made["opened_at"])) / timedelta(seconds=1)
        name = {"take": "take_s", "resolve": "resolution_s"}[verb]
        times = made["times"] | {name: took}
        await self.change_appeal(number, responsible=author, times=times, **changes)

    async def _calls(self, request: web.Request) -> web.StreamResponse:
        rows = sorted(self.calls.values(), key=lambda row: row["started_at"], reverse=True)
        if request.query.get("missed") == "true":
            rows = [row for row in rows if row["answered_at"] is None]
        return web.json_response({"items": rows, "next": None})

    async def _peaks(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"rate": sample.PEAKS_PER_S, "peaks": self.peaks})

    async def _audio(self, _: web.Request) -> web.StreamResponse:
        return web.FileResponse(self._sound, headers={"Content-Type": "audio/wav"})

    async def _ticket(self, _: web.Request) -> web.StreamResponse:
        if self.tickets_refused:
            return problem(503, "unavailable", "The database is not available now.")
        return web.json_response({"ticket": "ticket", "url": "/ws"})

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        hello = await socket.receive_json()
        self.hellos.append(hello["last_seq"])
        await self._welcome(socket, hello["last_seq"])
        self._sockets.add(socket)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self.acks.append(json.loads(frame.data)["pop_id"])
        finally:
            self._sockets.discard(socket)
        return socket

    async def _welcome(self, socket: web.WebSocketResponse, last: int | None) -> None:
        """A snapshot for a new screen; the missed events, in order, for one that comes back."""
        seq = len(self.events) if last is None else last
        now = {"pops": list(self.pops.values()), "calls": list(self.current.values())}
        welcome = {"type": "welcome", "seq": seq, "snapshot": now if last is None else None}
        await socket.send_str(json.dumps(welcome))
        for event in self.events[seq:]:
            await socket.send_str(json.dumps(event))


def _link(state: str, reason: str | None = None) -> Json:
    return {"pbx": "main", "state": state, "since": _now().isoformat(), "reason": reason}


def _news(made: Json) -> Json:
    return {
        "number": made["number"],
        "version": made["version"],
        "phase": made["phase"],
        "call": None,
    }


def _matches(row: Json, query: Any) -> bool:
    if query.get("phase", row["phase"]) != row["phase"]:
        return False
    if "opened_from" in query and row["opened_at"] < query["opened_from"]:
        return False
    return query.get("q", "").lower() in json.dumps(row, ensure_ascii=False).lower()


def _fixed(read: Callable[[], Json]) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.json_response(read())

    return handle


async def _show() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        server = FakeServer(Path(folder) / "sound.wav")
        async with server.running(28080):
            print(server.url)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_show())
