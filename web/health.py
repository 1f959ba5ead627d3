"""Is it alive, can it work, how is it going: for supervisors that are programs."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from web.deps import DEPS, LinkView, WebDeps
from web.problems import ApiError

__all__ = ["healthz", "metrics", "no_metrics", "readyz"]

_DATABASE_LIMIT_S = 5
_REASONS = {
    "refused": "the PBX refuses the AMI login: check user and secret in the file and on the PBX",
    "down": "no connection to the PBX",
    "connecting": "connecting to the PBX",
    "closed": "the connection to the PBX was closed",
    "starting": "press3 is starting: it asks whether another process serves this PBX",
    "standby": "another process serves this PBX; this one takes over when it goes",
    "stuck": "the database refuses to store (disk full, locked or away: the log says which); events are kept and tried again",
}
_READY = frozenset({"up", "standby"})


async def healthz(request: web.Request) -> web.Response:
    """The process answers: that is all this says."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """200 when the database answers and every PBX is connected or served by another process, else 503 with the reasons.

    Without any PBX it is 200 too: REST and the screens work, and the log warns that nothing is heard.
    """
    deps = request.app[DEPS]
    database = await _database(deps)
    links = [_link(link) for link in deps.links()]
    ready = database["ready"] and all(link["ready"] for link in links)
    body = {"ready": ready, "database": database, "links": links}
    return web.json_response(
        body, status=200 if ready else 503, headers={"Cache-Control": "no-store"}
    )


async def _database(deps: WebDeps) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_DATABASE_LIMIT_S), deps.sessions() as session:
            await session.scalar(select(1))
    except (DBAPIError, TimeoutError, OSError) as error:
        return {"ready": False, "reason": f"the database does not answer ({type(error).__name__})"}
    return {"ready": True, "reason": ""}


def _link(link: LinkView) -> dict[str, Any]:
    return {
        "pbx": link.pbx,
        "ready": link.state in _READY,
        "state": link.state,
        "reason": _reason(link),
    }


def _reason(link: LinkView) -> str:
    if link.state == "up":
        return ""
    said = _REASONS.get(link.state, link.state)
    return f"{said}: {link.reason}" if link.state == "down" and link.reason else said


async def no_metrics(request: web.Request) -> web.Response:
    """Figures of the business are not for everybody who reaches the screen."""
    raise ApiError("not-found", "Metrics have a port of their own: [metrics] port.")


def metrics(registry: CollectorRegistry) -> Handler:
    """Return what answers with `registry` in the Prometheus text format; figures only, nothing personal."""

    async def answer(request: web.Request) -> web.Response:
        body = generate_latest(registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    return answer
