"""Around the interface: its document, health, the screen's files, headers, and faults of ours."""

import re
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from people.model import Role
from tests.appeals.world import NOON, World
from tests.web.site import Site
from web import openapi, screen
from web.app import build
from web.deps import LinkView
from web.routes.all import OPERATIONS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def fetch(site: Site, path: str, **options: Any) -> tuple[int, str, Any]:
    client = await site.client()
    async with client.get(path, **options) as response:
        return response.status, await response.text(), response.headers


async def test_every_route_is_described_and_every_description_is_routed(site: Site) -> None:
    described = {
        (method.upper(), path)
        for path, methods in openapi.document(OPERATIONS)["paths"].items()
        for method in methods
    }
    routed = set()
    for route in build(site.deps()).router.routes():
        where = re.sub(r"{(\w+)[^/]*}", r"{\1}", route.resource.canonical if route.resource else "")
        if where.startswith("/api/v1/") and where != "/api/v1/openapi.json":
            routed.add((route.method, where.removeprefix("/api/v1")))
    assert described == routed == {(o.method, o.path) for o in OPERATIONS}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()


async def test_the_document_is_openapi_3_1_and_hangs_together(site: Site) -> None:
    document = openapi.document(OPERATIONS)
    OPENAPI_31_VALIDATOR.validate(document)
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["summary"]
    assert len({o.name for o in OPERATIONS}) == len(OPERATIONS)


async def test_the_document_is_served_to_anybody(site: Site) -> None:
    status, text, _ = await fetch(site, "/api/v1/openapi.json")
    assert status == 200
    assert '"openapi": "3.1.0"' in text


async def test_alive_and_ready(site: Site) -> None:
    assert (await fetch(site, "/healthz"))[0] == 200
    states = {"state": "up"}

    def links() -> list[LinkView]:
        return [LinkView(pbx="main", state=states["state"], since=NOON, reason="auth")]

    site.extra = {"links": links}
    await site.close()
    site._client = None
    assert (await fetch(site, "/readyz"))[0] == 200
    reasons = set()
    for state in ("refused", "down", "starting", "connecting", "closed"):
        states["state"] = state
        status, text, _ = await fetch(site, "/readyz")
        assert status == 503
        reasons.add(text)
    assert len(reasons) == 5
    states["state"] = "down"
    assert "no connection to the PBX: auth" in (await fetch(site, "/readyz"))[1], "with its cause"
    states["state"] = "refused"
    assert "refuses the AMI login" in (await fetch(site, "/readyz"))[1]


async def test_not_ready_without_its_database(site: Site, world: World, tmp_path: Path) -> None:
    from sqlalchemy.ext.asyncio import async_sessionmaker

    from store.engine import create_engine

    broken = create_engine(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/x.db")
    site.extra = {"sessions": async_sessionmaker(broken)}
    status, text, _ = await fetch(site, "/readyz")
    assert status == 503
    assert "the database does not answer" in text
    answer = await site.get("/appeals", headers={"Authorization": "Bearer x"})
    assert (answer.status, answer.problem) == (503, "unavailable")
    await broken.dispose()


async def test_the_public_port_tells_no_figures(site: Site) -> None:
    status, text, _ = await fetch(site, "/metrics")
    assert (status, "[metrics] port" in text) == (404, True)


async def test_a_name_too_long_for_a_file_is_the_page_or_nothing(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<title>press3</title>")
    site.extra = {"static_dir": tmp_path}
    for path, status in (("x" * 256, 200), ("x" * 5_000, 200), ("assets/" + "x" * 256, 404)):
        assert (await fetch(site, f"/{path}"))[0] == status
        assert (await fetch(site, f"/{path}/y%00z"))[0] == status


async def test_without_a_built_screen_a_page_says_how_to_build_it(site: Site) -> None:
    status, text, _ = await fetch(site, "/")
    assert status == 503
    assert "make ui" in text


async def test_the_screen_finds_its_page_at_every_address(site: Site, tmp_path: Path) -> None:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<title>press3</title>")
    (static / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "secret.txt").write_text("not for you")
    site.extra = {"static_dir": static}
    for path in ("/", "/appeals/7", "/index.html"):
        status, text, headers = await fetch(site, path)
        assert (status, text) == (200, "<title>press3</title>"), path
        assert headers["Cache-Control"] == "no-cache"
    status, _, headers = await fetch(site, "/assets/app-1a2b.js")
    assert (status, "immutable" in headers["Cache-Control"]) == (200, True)
    assert (await fetch(site, "/assets/gone.js"))[0] == 404
    for path in ("/..%2fsecret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"):
        assert "not for you" not in (await fetch(site, path))[1], path


async def test_the_page_says_the_configured_language(site: Site, tmp_path: Path) -> None:
    built = Path(screen.__file__).parent / "ui" / "index.html"
    (tmp_path / "index.html").write_text(built.read_text(encoding="utf-8"), encoding="utf-8")
    for language in ("en", "ru"):
        site.extra = {"static_dir": tmp_path, "language": language}
        await site.close()
        site._client = None
        assert f'<html lang="{language}">' in (await fetch(site, "/"))[1]


async def test_security_headers_are_on_everything(site: Site) -> None:
    for path in ("/", "/healthz", "/api/v1/appeals", "/api/v1/nothing", "/api/v1/openapi.json"):
        _, _, headers = await fetch(site, path)
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Server" not in headers


async def test_a_fault_of_ours_is_logged_and_not_shown(
    site: Site, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    ann = await world.hire("ann", Role.OPERATOR)

    def links() -> list[LinkView]:
        raise RuntimeError("the secret of the house")

    site.extra = {"links": links}
    answer = await site.get("/links", by=ann)
    assert (answer.status, answer.problem) == (500, "internal")
    assert b"secret" not in answer.raw
    assert answer.body["instance"] in capsys.readouterr().out
