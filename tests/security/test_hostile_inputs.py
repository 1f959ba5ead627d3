"""Every declared route with everything hostile: never a 5xx, always a problem document, and a short one."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import pytest

from tests.security.asked import Asked
from tests.security.hostile import (
    BODIES,
    CURSORS,
    HEADERS,
    IN_FIELDS,
    IN_PATHS,
    IN_QUERIES,
    PATHS,
)
from web import openapi
from web.routes.all import OPERATIONS

# What never comes to the database is asked on one of them.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

DOCUMENT = openapi.document(OPERATIONS)
BASE = "/api/v1"
T = TypeVar("T")
METHODS = (
    "GET",
    "POST",
    "PATCH",
    "DELETE",
    "PUT",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PRI",
    "get",
    "X" * 50,
)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def at(path: str, value: str = "1") -> str:
    """Return the address of a declared `path`, with `value` where its parameters are."""
    return BASE + re.sub(r"{\w+}", lambda _: value, path)


def safe(method: str, path: str) -> bool:
    """Signing out would end the session that asks."""
    return (method, path) != ("DELETE", "/session")


def fields_of(operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    if reference := schema.get("$ref"):
        schema = DOCUMENT["components"]["schemas"][reference.rsplit("/", 1)[1]]
    return list(schema.get("properties", {}))


_turn = itertools.count()


def some(values: Sequence[T], share: int) -> Sequence[T]:
    """Return every `share`-th of `values`, others at each call: all routes together meet all of them."""
    return values[next(_turn) % share :: share]


def assert_held(asked: Asked, least: int) -> None:
    assert asked.faults == [], f"{len(asked.faults)} of {asked.count}: " + "\n".join(
        asked.faults[:20]
    )
    assert asked.count >= least, "the corpus shrank"


@on_sqlite
async def test_paths(asked: Asked) -> None:
    requests = [asked.request(method, path) for path in PATHS for method in ("GET", "POST")]
    for method, path, _ in operations():
        if "{" in path:
            requests += [asked.request(method, at(path, value)) for value in some(IN_PATHS, 2)]
    await asked.all(requests)
    assert_held(asked, 200)


@on_sqlite
async def test_methods(asked: Asked) -> None:
    addresses = {at(path) for _, path, _ in operations()} | {
        "/",
        "/healthz",
        "/readyz",
        "/ws",
        "/metrics",
    }
    requests = [
        asked.request(method, address)
        for address in sorted(addresses)
        for method in METHODS
        if safe(method, address.removeprefix(BASE))
    ]
    await asked.all(requests)
    assert_held(asked, 200)


async def test_queries(asked: Asked) -> None:
    requests = []
    for method, path, operation in operations():
        if not safe(method, path):
            continue
        names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
        for name in [*names, "colour"]:
            if name != "cursor":
                requests += [
                    asked.request(method, f"{at(path)}?{name}={v}") for v in some(IN_QUERIES, 6)
                ]
            requests.append(asked.request(method, f"{at(path)}?{name}=1&{name}=2"))
        many = "&".join(f"k{n}=1" for n in range(900))
        requests += [asked.request(method, f"{at(path)}?{q}") for q in ("%", "=", "&", "a;b", many)]
    await asked.all(requests)
    assert_held(asked, 400)


async def test_cursors(asked: Asked) -> None:
    requests = []
    for method, path, operation in operations():
        if "cursor" in {p["name"] for p in operation.get("parameters", [])}:
            requests += [
                asked.request(method, f"{at(path)}?cursor={each}") for each in some(CURSORS, 2)
            ]
    await asked.all(requests)
    assert_held(asked, 250)


async def test_bodies(asked: Asked) -> None:
    requests = []
    for method, path, operation in operations():
        if not safe(method, path) or method == "GET":
            continue
        requests += [asked.request(method, at(path), body=body) for body in some(BODIES, 2)]
        for name in fields_of(operation):
            bodies = (json.dumps({name: value}).encode() for value in some(IN_FIELDS, 2))
            requests += [asked.request(method, at(path), body=body) for body in bodies]
    await asked.all(requests)
    assert_held(asked, 200)


@on_sqlite
@pytest.mark.parametrize("signed_in", ["token", "cookie", "nobody"])
async def test_headers(asked: Asked, signed_in: str) -> None:
    cookie = (("Cookie", f"press3_session={asked.token}"),) if signed_in == "cookie" else ()
    requests = []
    for method, path, _ in operations():
        if not safe(method, path):
            continue
        body = b"{}" if method != "GET" else b""
        for headers in some(HEADERS, 4):
            sent = (*headers, *cookie)
            requests.append(
                asked.request(
                    method, at(path), headers=sent, body=body, signed_in=signed_in == "token"
                )
            )
    requests += [asked.request("GET", "/", headers=headers) for headers in HEADERS]
    await asked.all(requests)
    assert_held(asked, 250)
