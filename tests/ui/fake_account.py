"""The fake server's keys: password, second factor, sessions, and what those who oversee read of them."""

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from tests.ui import sample

__all__ = ["CODE", "FakeAccount", "problem"]

Json = dict[str, Any]
CODE = "123456"
API = "/api/v1"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class FakeAccount:
    """All state is public: a test sets it, then looks at the screen."""

    def __init__(self) -> None:
        self.duty: str | None = None
        self.second_factor = "off"
        self.crowded = 0  # how many sign-ins are turned away first
        self.password = "secret"
        self.others = ["0123456789abcdef", "fedcba9876543210"]

    def who(self, person: Json) -> Json:
        return {"employee": person, "duty": self.duty, "second_factor": self.second_factor}

    def refused(self, given: Json) -> web.Response | None:
        """What comes between the right password and the desk."""
        if self.crowded:
            self.crowded -= 1
            return problem(503, "crowded", "Too many.", headers={"Retry-After": "0"})
        if self.second_factor == "on" and given.get("code") != CODE:
            return problem(401, "second-factor", "A code.", extra={"wrong": "code" in given})
        return None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.patch(f"{API}/session/password", self._change),
            web.post(f"{API}/session/second-factor", self._begin),
            web.post(f"{API}/session/second-factor/confirm", self._confirm),
            web.get(f"{API}/me/sessions", self._sessions),
            web.delete(f"{API}/me/sessions/{{id}}", self._end),
            web.delete(f"{API}/me/sessions", self._end_others),
            web.get(f"{API}/audit", self._audit),
            web.get(f"{API}/listening-log", self._listenings),
        ]

    async def _change(self, request: web.Request) -> web.StreamResponse:
        given = await request.json()
        if given["old"] != self.password:
            return problem(403, "wrong-password", "That is not your password.")
        if given["new"].startswith("password"):
            return problem(422, "invalid", "Weak.", extra={"reason": "common"})
        self.password, self.duty, self.others = given["new"], None, []
        return web.Response(status=204)

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        if (await request.json())["password"] != self.password:
            return problem(403, "wrong-password", "That is not your password.")
        secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        uri = f"otpauth://totp/press3:anna?secret={secret}&issuer=press3"
        return web.json_response({"secret": secret, "uri": uri}, status=201)

    async def _confirm(self, request: web.Request) -> web.StreamResponse:
        if (await request.json())["code"] != CODE:
            return problem(401, "second-factor", "Wrong.", extra={"wrong": True})
        self.duty, self.second_factor = None, "on"
        return web.Response(status=204)

    async def _sessions(self, request: web.Request) -> web.StreamResponse:
        now = datetime.now(sample.MOSCOW)
        items = [_session("ffffffffffffffff", now, current=True)]
        items += [_session(each, now - timedelta(hours=3)) for each in self.others]
        return web.json_response({"items": items, "next": None})

    async def _end(self, request: web.Request) -> web.StreamResponse:
        self.others.remove(request.match_info["id"])
        return web.Response(status=204)

    async def _end_others(self, request: web.Request) -> web.StreamResponse:
        self.others = []
        return web.Response(status=204)

    async def _audit(self, request: web.Request) -> web.StreamResponse:
        rows = _entries()
        if kind := request.query.get("kind"):
            rows = [row for row in rows if row["kind"] == kind]
        return web.json_response({"items": rows, "next": None})

    async def _listenings(self, request: web.Request) -> web.StreamResponse:
        at = datetime.now(sample.MOSCOW).isoformat()
        who = {"id": 2, "name": sample.SUPERVISOR["name"]}
        row = {"id": 1, "at": at, "employee": who, "recording": 7, "call": "main-1764400000.17"}
        row |= {"address": "198.51.100.1", "agent": FIREFOX}
        return web.json_response({"items": [row], "next": None})


def _session(name: str, at: datetime, *, current: bool = False) -> Json:
    return {
        "id": name,
        "current": current,
        "created_at": at.isoformat(),
        "seen_at": at.isoformat(),
        "expires_at": (at + timedelta(hours=12)).isoformat(),
        "address": "198.51.100.1" if current else "2001:db8::17",
        "agent": FIREFOX,
    }


def _entries() -> list[Json]:
    at = datetime.now(sample.MOSCOW)
    anna = {"id": 1, "name": sample.OPERATOR["name"]}
    told: list[tuple[str, Json | None, Json | None, Json]] = [
        ("signed-in", anna, anna, {"device": "new"}),
        ("locked-out", None, anna, {"device": "strangers"}),
        ("sign-in-failed", None, anna, {"why": "password"}),
        ("spraying", None, None, {"logins": 15}),
        ("password-set", None, anna, {"how": "command line", "must_change": True}),
    ]
    return [
        {
            "id": len(told) - n,
            "at": (at - timedelta(minutes=n)).isoformat(),
            "kind": kind,
            "actor": actor,
            "subject": subject,
            "address": None if "how" in data else "203.0.113.9",
            "agent": None if "how" in data else FIREFOX,
            "data": data,
        }
        for n, (kind, actor, subject, data) in enumerate(told)
    ]


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    extra: Json | None = None,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """Return a refusal as press3 words it (RFC 9457)."""
    body = {
        "type": f"urn:press3:problem:{slug}",
        "title": detail,
        "status": status,
        "detail": detail,
    }
    return web.json_response(
        body | (extra or {}),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )
