"""The metrics' own port."""

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, Gauge

from web.app import figures


async def test_metrics_are_those_of_the_registry_given() -> None:
    registry = CollectorRegistry()
    Gauge("press3_test", "A figure", registry=registry).set(7)
    async with TestClient(TestServer(figures(registry))) as client:
        async with client.get("/metrics") as answer:
            assert (answer.status, "press3_test 7.0" in await answer.text()) == (200, True)
            assert answer.headers["Content-Type"].startswith("text/plain")
        async with client.get("/") as answer:
            assert answer.status == 404
