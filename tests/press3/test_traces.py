"""A captured trace tells the same call and nobody's name or number."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ami.wire import decode
from press3.errors import Press3Error
from press3.replay import shifted
from press3.traces import Anonymiser, TraceLine, read_trace, write_trace

AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
EVENT = (
    "Event: Newchannel\r\nTimestamp: 1795287668.264428\r\nChannel: PJSIP/trunk-00000001\r\n"
    "CallerIDNum: +79161234567\r\nCallerIDName: Мария Иванова\r\nConnectedLineName: <unknown>\r\n"
    "Exten: 101\r\nUniqueid: 1795287668.10\r\nLinkedid: 1795287668.10"
)


def headers(raw: bytes) -> dict[str, str]:
    return dict(decode(raw))


def test_numbers_and_names_go_identities_and_extensions_stay() -> None:
    told = headers(Anonymiser(b"salt").message(EVENT.encode()))
    assert "9161234567" not in told["CallerIDNum"]
    assert told["CallerIDNum"].startswith("+7")
    assert len(told["CallerIDNum"]) == len("+79161234567")
    assert "Мария" not in told["CallerIDName"]
    assert told["Uniqueid"] == told["Linkedid"] == "1795287668.10"
    assert told["Timestamp"] == "1795287668.264428"
    assert (told["Exten"], told["ConnectedLineName"]) == ("101", "<unknown>")


def test_the_same_number_is_the_same_stranger_within_a_trace_only() -> None:
    one, other = Anonymiser(b"one"), Anonymiser(b"other")
    first = headers(one.message(EVENT.encode()))["CallerIDNum"]
    assert first == headers(one.message(EVENT.encode()))["CallerIDNum"]
    assert first != headers(other.message(EVENT.encode()))["CallerIDNum"]


def test_bytes_that_are_no_utf8_come_back_the_same(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    lines = [TraceLine(AT, b"Event: X\r\nName: \xff\xfe\xd0"), TraceLine(AT, EVENT.encode())]
    assert write_trace(file, lines) == 2
    assert list(read_trace(file)) == lines


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_text(json.dumps({"at": AT.isoformat(), "raw": "Event: X"}) + "\n{oops\n")
    with pytest.raises(Press3Error, match="line 2"):
        list(read_trace(file))


def test_a_shifted_trace_keeps_its_distances() -> None:
    start = datetime(2027, 1, 1, tzinfo=UTC)
    later = TraceLine(datetime(2026, 11, 21, 10, 0, 7, tzinfo=UTC), EVENT.encode())
    one, two = shifted([TraceLine(AT, EVENT.encode()), later], start)
    assert one.at == start
    assert (two.at - one.at).total_seconds() == 7
    assert headers(one.raw)["Uniqueid"] == headers(two.raw)["Uniqueid"]
    assert float(headers(two.raw)["Timestamp"]) == pytest.approx(two.at.timestamp(), abs=1e-5)
