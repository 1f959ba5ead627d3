"""Run a declared operation: who asks, may they, what do they say; then read, or change, commit and read."""

import json
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.errors import NotFound
from appeals.case.performing import perform
from people.model import Employee
from people.sessions import Present
from people.signin import duty_of
from web import auth
from web.api import PATH_PARAMETERS, Ask, Change, Nothing, Operation, Outside, Reply
from web.connection import make_known
from web.deps import WebDeps
from web.idempotency import Kept, Once, request_hash
from web.problems import ApiError
from web.requests import read_body, read_if_match, read_key, read_query
from web.streamed import stream_of

__all__ = ["BASE", "add_operation"]

BASE = "/api/v1"


def add_operation(app: web.Application, operation: Operation, deps: WebDeps) -> None:
    """Route `operation` below `/api/v1`."""
    path = operation.path
    for name, pattern in PATH_PARAMETERS.items():
        path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
    app.router.add_route(operation.method, BASE + path, _handler(operation, deps))


def _handler(
    operation: Operation, deps: WebDeps
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        ask = await _ask(operation, deps, request)
        done = await _done(operation, ask)
        return _response(done, ask) if isinstance(done, Reply) else done

    return handle


async def _ask(operation: Operation, deps: WebDeps, request: web.Request) -> Ask[Any, Any]:
    """Return the checked request; its session is set by whoever runs it."""
    auth.refuse_cross_site(request)
    token = auth.token_of(request)
    present = await _present(operation, deps, request, token)
    person = present.employee if present is not None else None
    make_known(request, person.id if person is not None else None)
    _check_rights(operation, person, totp=deps.sign_in.totp)
    rule = operation.streamed
    return Ask(
        request=request,
        deps=deps,
        session=deps.sessions(),
        now=deps.now(),
        signed_in=person,
        token=token,
        query=read_query(request.query, operation.query),
        body=Nothing() if rule else await read_body(request, operation.body or Nothing),
        if_version=read_if_match(request.headers) if operation.versioned else None,
        stream=stream_of(request, rule) if rule else None,
    )


async def _present(
    operation: Operation, deps: WebDeps, request: web.Request, token: str | None
) -> Present | None:
    if operation.public:
        return None
    return await auth.signed_in(deps, token, counts=not auth.is_unattended(request))


def _check_rights(operation: Operation, person: Employee | None, *, totp: bool) -> None:
    if operation.public:
        return
    if person is None:
        raise ApiError("not-signed-in", headers={"WWW-Authenticate": "Bearer"})
    duty = duty_of(person, totp=totp)
    if duty is not None and not operation.before_duty:
        raise ApiError("duty", extra={"duty": duty})
    if operation.roles is not None and person.role not in operation.roles:
        raise ApiError("forbidden", extra={"roles": sorted(operation.roles)})


async def _done(operation: Operation, ask: Ask[Any, Any]) -> Reply | web.StreamResponse:
    if isinstance(operation, Change):
        return await _change(operation, ask)
    assert isinstance(operation, Outside)
    async with ask.session:
        return await operation.handler(ask)


async def _change(operation: Change, ask: Ask[Any, Any]) -> Reply:
    """Prepare; change in the writer's transaction, once when the request has a key; then read the answer."""
    async with operation.prepare(ask) if operation.prepare else nullcontext() as ready:
        once = await _once(operation, ask)

        async def work(session: AsyncSession) -> Kept:
            kept = await once.find(session) if once is not None else None
            if kept is not None:
                return kept
            written = await operation.handler(replace(ask, session=session, ready=ready))
            if once is not None:
                await once.keep(session, operation.status, written)
            return Kept(operation.status, written)

        kept = await perform(ask.deps.writer, work, now=ask.deps.now)
    return await _answer(operation, ask, kept)


async def _once(operation: Change, ask: Ask[Any, Any]) -> Once | None:
    key = read_key(ask.request.headers) if operation.is_once else None
    if key is None:
        return None
    request = ask.request
    body = ask.stream.digest() if ask.stream is not None else await request.read()
    wanted = request_hash(request.method, request.path, body)
    return Once(ask.person.id, key, wanted, ask.now)


async def _answer(operation: Change, ask: Ask[Any, Any], kept: Kept) -> Reply:
    """Read the answer after the commit, with the rights of now.

    A person who has just given the right away gets 204; a repeated request of one who lost it since, what
    reading gets.
    """
    written = kept.written
    headers = {"Idempotency-Replayed": "true"} if kept.replayed else {}
    done = Reply(
        status=kept.status, version=written.version, headers=headers, cookie=written.cookie
    )
    if operation.answer is None:
        return done
    async with ask.deps.sessions() as session:
        try:
            now = replace(ask, session=session, now=ask.deps.now())
            read = await operation.answer(now, written)
        except NotFound:
            if kept.replayed:
                raise
            return replace(done, status=HTTPStatus.NO_CONTENT)
    headers = {**read.headers, **headers}
    return replace(read, status=kept.status, headers=headers, cookie=written.cookie)


def _response(reply: Reply, ask: Ask[Any, Any]) -> web.Response:
    response = web.Response(status=reply.status, headers=_headers(reply, ask.request))
    if reply.body is not None:
        text = json.dumps(reply.body, ensure_ascii=False, separators=(",", ":"))
        # A caller's name may hold undecodable bytes of the PBX (lone surrogates): a question mark is shown.
        response.body = text.encode(errors="replace")
        response.content_type = "application/json"
    if reply.cookie is not None:
        auth.set_cookie(response, reply.cookie, ask.deps)
    if reply.device is not None:
        auth.set_device_cookie(response, reply.device, ask.deps)
    return response


def _headers(reply: Reply, request: web.Request) -> dict[str, str]:
    headers = {"Cache-Control": "no-store", **reply.headers}
    if reply.version is not None:
        headers["ETag"] = f'"{reply.version}"'
    if reply.next_cursor is not None:
        headers["Link"] = f'<{_next_page(request, reply.next_cursor)}>; rel="next"'
    return headers


def _next_page(request: web.Request, cursor: str) -> str:
    return str(request.rel_url.update_query({"cursor": cursor}))
