"""Asterisk's own record of its SIP messages: when the PBX got or sent what the telephones' logs tell of.

A telephone's log and this one write the same message. Between the two lies only the loopback, so where
they differ it is the machine that came late to one of the processes, and by how much is measured.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from tests.lab.harness import Lab

__all__ = ["Lateness", "SipTrace", "begin_trace", "end_trace", "message_id"]

_FILE_HEADER, _RECORD, _PACKET_HEADERS = 24, struct.Struct("=IIII"), 14 + 20 + 8
_ON_TIME = timedelta(0)

MessageId: TypeAlias = tuple[str, str, str]
"""Call-ID, CSeq and the first line."""


def message_id(call: str, cseq: str, line: str) -> MessageId:
    return call.strip(), cseq.removeprefix("CSeq:").strip(), line.strip()


@dataclass(frozen=True)
class SipTrace:
    """When the PBX first saw or said each message."""

    at: Mapping[MessageId, datetime]

    @classmethod
    def read(cls, file: Path) -> "SipTrace":
        found: dict[MessageId, datetime] = {}
        for at, text in _packets(file.read_bytes()):
            first, *lines = text.split("\r\n")
            headers = dict(line.partition(": ")[::2] for line in lines if ": " in line)
            found.setdefault(
                message_id(headers.get("Call-ID", ""), headers.get("CSeq", ""), first), at
            )
        return cls(found)


def _packets(capture: bytes) -> Iterator[tuple[datetime, str]]:
    """The packets of a pcap file: Ethernet, IPv4, UDP, as `pjsip set logger pcap` writes them."""
    offset = _FILE_HEADER
    while offset + _RECORD.size <= len(capture):
        seconds, micros, kept, _ = _RECORD.unpack_from(capture, offset)
        offset += _RECORD.size
        body = capture[offset + _PACKET_HEADERS : offset + kept]
        offset += kept
        at = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
        yield at, body.decode(errors="replace")


@dataclass
class Lateness:
    """How far apart telephone and PBX wrote down one message, by the time that the telephone wrote."""

    _of: dict[datetime, timedelta] = field(default_factory=dict)

    def note(self, at: datetime, pbx_at: datetime | None) -> None:
        if pbx_at is not None:
            self._of[at] = abs(at - pbx_at)

    def of(self, at: datetime) -> timedelta:
        return self._of.get(at, _ON_TIME)


async def begin_trace(lab: Lab) -> None:
    for command in ("on", "verbose off", f"pcap {_file(lab)}"):
        await lab.pbx.rx(f"pjsip set logger {command}")


async def end_trace(lab: Lab) -> SipTrace:
    """Read the trace. Asterisk writes a file to its end when it begins another."""
    await lab.pbx.rx(f"pjsip set logger pcap {_file(lab)}.next")
    return SipTrace.read(_file(lab))


def _file(lab: Lab) -> Path:
    return lab.directory / "log/sip.pcap"
