"""What the log says: faults of ours with their cause, faults of strangers in one line."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from aiohttp.http_exceptions import BadStatusLine

from press3 import logs


@pytest.fixture
def log() -> Iterator[None]:
    root, server = logging.getLogger(), logging.getLogger("aiohttp.server")
    loop = logging.getLogger("asyncio")
    before = root.handlers[:], root.level, server.filters[:], loop.filters[:]
    chosen = structlog.get_config()
    logs.set_up(json=True)
    yield
    root.handlers[:], root.level, server.filters[:], loop.filters[:] = before
    structlog.configure(**chosen)


def said(capsys: pytest.CaptureFixture[str], error: Exception) -> dict[str, str]:
    capsys.readouterr()
    logs.set_up(json=True)  # twice is no more than once; and to the stderr that is captured
    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=error)
    (line,) = capsys.readouterr().err.splitlines()
    return dict(json.loads(line))


def test_what_is_no_http_is_one_line(log: None, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, BadStatusLine("GARBAGE"))
    assert (told["event"], told["level"]) == ("a request is no HTTP: BadStatusLine", "info")
    assert "exception" not in told


def test_a_fault_of_ours_keeps_its_cause(log: None, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, KeyError("mine"))
    assert (told["event"], told["level"]) == ("Error handling request", "error")
    assert "KeyError: 'mine'" in told["exception"]


def test_one_kind_of_line_comes_sparingly_and_says_how_many_were_held_back() -> None:
    sparingly = logs.Sparingly(period_s=10)
    said = []
    for second in range(25):
        record = logging.makeLogRecord({"msg": f"no descriptor\nsocket: {second}"})
        record.created = 1_000.0 + second
        if sparingly(record):
            said.append(record.getMessage())
    assert len(said) == 3
    assert "(9 more like it before)" in said[1]
    other = logging.makeLogRecord({"msg": "another kind"})
    assert sparingly(other)
