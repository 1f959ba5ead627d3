"""Put the web server together: the REST interface, the screen, health, and the door to push."""

import json
import uuid
from collections.abc import Sequence

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry

from people.signin import SignIn
from web import health, openapi, screen
from web.api import Operation
from web.client import came_by_proxy, client_address, place
from web.connection import Connection
from web.deps import DEPS, WebDeps
from web.guard import guard
from web.problems import ApiError, problem_of
from web.routes.all import OPERATIONS
from web.routes.session import SIGN_IN
from web.serve import BASE, add_operation
from web.splice import Splices

__all__ = ["build", "figures"]

log = structlog.get_logger(__name__)


def build(deps: WebDeps, operations: Sequence[Operation] = OPERATIONS) -> web.Application:
    """Return the application that serves `operations`; it starts nothing and owns no task."""
    app = web.Application(
        middlewares=[_count_by_client, _answer_errors], client_max_size=deps.body_limit_bytes
    )
    app[DEPS] = deps
    app[SIGN_IN] = SignIn(deps.sessions, deps.writer, now=deps.now, rules=deps.sign_in)
    app.on_response_prepare.append(guard)
    for operation in operations:
        add_operation(app, operation, deps)
    document = json.dumps(openapi.document(operations)).encode()

    async def described(request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    splices = Splices(deps.push_socket)
    app.on_shutdown.append(splices.drain)
    app.router.add_get(f"{BASE}/openapi.json", described)
    app.router.add_get("/ws", splices.couple, allow_head=False)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.no_metrics)
    app.router.add_get(r"/{path:(?!api(?:/|$)).*}", screen.screen)
    return app


def figures(registry: CollectorRegistry) -> web.Application:
    """Return the application of a port that only serves the metrics of `registry`."""
    app = web.Application(middlewares=[_answer_errors])
    app.router.add_get("/metrics", health.metrics(registry))
    return app


@web.middleware
async def _count_by_client(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A proxy's connection carries many clients' requests: each counts at the address it came from."""
    line = request.protocol
    if isinstance(line, Connection) and came_by_proxy(request):
        line.passes_on(place(client_address(request)))
    return await handler(request)


@web.middleware
async def _answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every failure into a problem document; only our own faults are logged as such."""
    instance = f"urn:uuid:{uuid.uuid4()}"
    try:
        return await handler(request)
    except Exception as error:
        problem = problem_of(error)
        if problem is None:
            log.exception("request failed", instance=instance, path=request.path)
            problem = ApiError("internal")
        elif (
            problem.http_status >= 500 and problem.slug != "crowded"
        ):  # a flood must not fill the log
            log.warning("request can't be served", instance=instance, error=repr(error))
    return _problem_response(problem, instance)


def _problem_response(problem: ApiError, instance: str) -> web.Response:
    headers = {"Cache-Control": "no-store", **problem.headers}
    return web.json_response(
        problem.to_json(instance),
        status=problem.http_status,
        headers=headers,
        content_type="application/problem+json",
    )
