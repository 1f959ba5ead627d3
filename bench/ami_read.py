"""AMI reading: events a second and µs of CPU an event, beside bare panoramisk in the same run.

    python -m bench.ami_read [--quick]

Feeds 200,000 realistic events (about 20 headers; 15 % of a type press3 wants, one of them in ten
with a Cyrillic name) in segments of 64 KiB, to
- the wall: framing, sorting and typing of wanted events (`Session` → `Inbox` → `parse`),
- bare panoramisk 1.4: its protocol and manager with the six patterns of MEASURES,
- asterisk-ami, the quickest peer known, in an environment of its own (left out, and said, where
  the package index can't be reached), and
- the limit: cutting the stream into messages, and nothing else,
and prints a Markdown table with min / median / max of the runs. One core, no network: what is
measured is the work per event. The targets are ten times bare panoramisk and five times the peer.
"""

import argparse
import asyncio
import gc
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from ami.inbox import EventArrived, Inbox
from ami.session import LinkCounters, Session
from ami.wire import FrameDecoder
from bench.peers import python_peer

SEGMENT_BYTES = 64 * 1024  # as loopback gives them
WANTED_OF_100 = 15
PATTERNS = ("Newchannel", "Hangup", "Dial*", "Bridge*", "Queue*", "UserEvent")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
OURS, BARE, PEER = (
    "press3: framing, sorting, typing",
    "bare panoramisk, six patterns",
    "asterisk-ami",
)
TARGETS = {BARE: 10, PEER: 5}


def channel(number: int, prefix: str = "") -> list[str]:
    name = "Иван Петров" if number % 10 == 0 else f"Caller {number}"
    pairs = (
        ("Channel", f"PJSIP/trunk-{number:08x}"),
        ("ChannelState", "6"),
        ("ChannelStateDesc", "Up"),
        ("CallerIDNum", f"+7911{number:07}"),
        ("CallerIDName", name),
        ("ConnectedLineNum", "101"),
        ("ConnectedLineName", "<unknown>"),
        ("Language", "ru"),
        ("AccountCode", ""),
        ("Context", "from-internal"),
        ("Exten", "s"),
        ("Priority", "7"),
        ("Uniqueid", f"pbx-1795286023.{number}"),
        ("Linkedid", f"pbx-1795286023.{number // 2}"),
    )
    return [f"{prefix}{header}: {value}" for header, value in pairs]


BRIDGE = ["BridgeUniqueid: 8c8c7cef", "BridgeType: basic", "BridgeTechnology: simple_bridge"]
WANTED: tuple[tuple[str, list[str]], ...] = (
    ("Newchannel", []),
    ("Newstate", []),
    ("DialBegin", [*channel(3, "Dest"), "DialString: 101"]),
    ("BridgeEnter", [*BRIDGE, "BridgeNumChannels: 1"]),
    ("Hangup", ["Cause: 16", "Cause-txt: Normal Clearing"]),
    ("QueueCallerJoin", ["Queue: complaints", "Position: 1", "Count: 1"]),
)
OTHERS: tuple[tuple[str, list[str]], ...] = (
    ("VarSet", ["Variable: __SIPADDHEADER01", "Value: X-Info: 1"]),
    ("RTCPSent", ["To: 192.0.2.1:4001", "SSRC: 0x0f0f0f", "PT: 200(SR)", "ReportCount: 1"]),
    ("RTCPReceived", ["From: 192.0.2.1:4001", "SSRC: 0x0f0f0f", "PT: 201(RR)"]),
    ("CEL", ["EventName: APP_START", "AccountCode: ", "Application: Dial"]),
    ("DialState", ["DialStatus: RINGING"]),
)


def events(count: int) -> Iterator[bytes]:
    """`count` events of the mix, as bytes with their ends."""
    for number in range(count):
        kinds = WANTED if number % 100 < WANTED_OF_100 else OTHERS
        name, more = kinds[number % len(kinds)]
        lines = [
            f"Event: {name}",
            "Privilege: call,all",
            f"Timestamp: 1795286023.{number % 1_000_000:06}",
            *channel(number),
            *more,
        ]
        yield ("\r\n".join(lines) + "\r\n\r\n").encode()


def segments(count: int) -> list[bytes]:
    stream = b"".join(events(count))
    return [stream[at : at + SEGMENT_BYTES] for at in range(0, len(stream), SEGMENT_BYTES)]


async def through_the_wall(pieces: list[bytes], expected: int) -> None:
    """What AmiLink does with the bytes of a session, without the socket."""
    inbox = Inbox(limit=20_000, limit_bytes=64 << 20)
    waiting = read = 0

    def take(frames: list[bytes]) -> None:
        nonlocal waiting
        waiting += sum(inbox.put(frame, NOW) for frame in frames)

    session = Session(take, LinkCounters())
    for piece in pieces:
        session.data_received(piece)
        while waiting:
            items = await inbox.take(500)
            assert isinstance(items[-1], EventArrived)
            waiting -= len(items)
            read += len(items)
    assert read == expected, (read, expected)


async def through_panoramisk(pieces: list[bytes], expected: int) -> None:
    """panoramisk's own protocol and dispatch, callbacks that only count."""
    manager = Manager(loop=asyncio.get_running_loop())
    seen = 0

    def count(manager: Manager, event: object) -> None:
        nonlocal seen
        seen += 1

    for pattern in PATTERNS:
        manager.register_event(pattern, count)
    protocol = AMIProtocol()
    protocol.connection_made(None)
    protocol.queue = deque()
    protocol.factory, protocol.encoding = manager, "utf8"
    for piece in pieces:
        protocol.data_received(piece)
    assert seen > 0


async def framed(pieces: list[bytes], expected: int) -> None:
    decoder = FrameDecoder()
    for piece in pieces:
        decoder.feed(piece)


Run = Callable[[list[bytes], int], tuple[float, float]]


@dataclass(frozen=True)
class Figures:
    wall_s: list[float]
    cpu_s: list[float]


def here(reader: Callable[[list[bytes], int], Coroutine[None, None, None]]) -> Run:
    """A reader of this process; its run returns seconds of wall and of CPU."""

    def run(pieces: list[bytes], expected: int) -> tuple[float, float]:
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        asyncio.run(reader(pieces, expected))
        return time.perf_counter() - wall, time.process_time() - cpu

    return run


def elsewhere(python: str) -> Run:
    """asterisk-ami in the process of another environment."""

    def run(pieces: list[bytes], expected: int) -> tuple[float, float]:
        with tempfile.NamedTemporaryFile(prefix="press3-bench-") as file:
            file.writelines(pieces)
            file.flush()
            script = str(Path(__file__).with_name("peer_asterisk_ami.py"))
            command = [python, script, file.name]
            said = subprocess.run(
                command, capture_output=True, text=True, check=True
            ).stdout.split()
        assert int(said[2]) == expected, (said, expected)
        return float(said[0]), float(said[1])

    return run


def spread(values: list[float], digits: int) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return " / ".join(f"{value:,.{digits}f}" for value in (low, middle, high))


def show(taken: dict[str, Figures], count: int) -> None:
    print("| AMI reading | events/s min / median / max | µs CPU per event min / median / max |")
    print("|---|---|---|")
    for name, figures in taken.items():
        rates = spread([count / each for each in figures.wall_s], 0)
        costs = spread([each / count * 1e6 for each in figures.cpu_s], 2)
        print(f"| {name} | {rates} | {costs} |")
    ours = statistics.median(taken[OURS].cpu_s)
    print()
    for name, target in TARGETS.items():
        if name in taken:
            ratio = statistics.median(taken[name].cpu_s) / ours
            verdict = "met" if ratio >= target else "MISSED"
            print(f"CPU of {name} ÷ press3: {ratio:.1f} (target ≥ {target}: {verdict})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="20,000 events, 3 runs")
    quick = parser.parse_args().quick
    count, runs = (20_000, 3) if quick else (200_000, 7)
    pieces = segments(count)
    expected = count * WANTED_OF_100 // 100
    print(
        f"{count:,} events of {sum(map(len, pieces)) / count:.0f} bytes, {WANTED_OF_100} % wanted, "
        f"{runs} runs, one core\n"
    )
    with python_peer("asterisk-ami") as python:
        readers = {BARE: here(through_panoramisk)}
        if python is not None:
            readers[PEER] = elsewhere(python)
        readers |= {OURS: here(through_the_wall), "limit: framing only": here(framed)}
        taken: dict[str, Figures] = {name: Figures([], []) for name in readers}
        for _ in range(runs):
            for name, reader in readers.items():  # by turns: all meet the same noise
                wall_s, cpu_s = reader(pieces, expected)
                taken[name].wall_s.append(wall_s)
                taken[name].cpu_s.append(cpu_s)
    show(taken, count)


if __name__ == "__main__":
    main()
