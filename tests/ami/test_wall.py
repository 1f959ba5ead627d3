"""What a session lets through: every event that press3 reads, and of the noisy types nothing else."""

import pytest

from ami.parser import JUDGED_BY_CONTENT, WANTED
from ami.session import LinkCounters, Session
from tests.ami.frames import frame, snapshot

NOISY = [
    ("VarSet", {"Variable": "QUEUESTATUS", "Value": "JOINEMPTY"}, True),
    ("VarSet", {"Variable": "MIXMONITOR_FILENAME", "Value": "/x.wav"}, True),
    ("VarSet", {"Variable": "QUEUESTATUS2", "Value": "x"}, False),
    ("VarSet", {"Variable": "SIPDOMAIN", "Value": "Variable: QUEUESTATUS"}, False),
    ("UserEvent", {"UserEvent": "Press3", "Key": "k", "At": "1.0"}, True),
    ("UserEvent", {"UserEvent": "Press3Store", "Key": "k", "Stored": "no"}, True),
    ("UserEvent", {"UserEvent": "Press3Foreign"}, False),
    ("UserEvent", {"UserEvent": "Other", "Note": "UserEvent: Press3"}, False),
]


async def passed(raw: bytes) -> bool:
    """Whether a session tells of an event."""
    told: list[bytes] = []
    session = Session(told.extend, LinkCounters())
    session.data_received(raw + b"\r\n\r\n")
    return told == [raw]


@pytest.mark.parametrize(("kind", "headers", "wanted"), NOISY)
async def test_noisy_types_are_judged_by_content(
    kind: str, headers: dict[str, str], wanted: bool
) -> None:
    assert await passed(frame(kind, snapshot(), headers)) is wanted


@pytest.mark.parametrize("kind", sorted(WANTED - JUDGED_BY_CONTENT.keys()))
async def test_the_others_pass(kind: bytes) -> None:
    assert await passed(frame(kind.decode(), snapshot()))
    assert not await passed(frame("X" + kind.decode(), snapshot()))
