"""Each day: what was pressed, what was registered, what was recorded, and every difference."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.reconciliation import read as reconciliation
from appeals.reconciliation.read import Press, PressReading, PressSource
from recordings.model import Recording, RecordingState
from tests.appeals.world import NOON, PhoneCall, World

MOSCOW = ZoneInfo("Europe/Moscow")
OMSK = ZoneInfo("Asia/Omsk")
DAY = date(2026, 11, 21)


class Pbx:
    """Answers as the spool of a PBX would: what it holds between the two times."""

    def __init__(self, *presses: Press, complete: bool = True, unread: Sequence[str] = ()) -> None:
        self._presses = presses
        self._complete = complete
        self._unread = unread
        self.asked: list[tuple[datetime, datetime]] = []
        self.read_until: dict[str, datetime] = {}

    async def read(self, start: datetime, end: datetime) -> PressReading:
        self.asked.append((start, end))
        found: Sequence[Press] = [p for p in self._presses if start <= p.pressed_at < end]
        return PressReading(
            pressed=found,
            sources=[PressSource(name="main astdb", complete=self._complete)],
            unread=self._unread,
            read_until=self.read_until,
        )


async def test_what_was_pressed_after_the_reading_is_no_difference(world: World) -> None:
    """The appeal was opened while the PBX was read: by the PBX's clock its press is younger."""
    await world.pressed()
    reading = Pbx()
    reading.read_until = {"main": NOON}
    async with world.sessions() as session:
        found = await reconciliation.run(session, DAY, MOSCOW, reading)
    assert (found["registered"], found["differences"]) == (0, [])
    reading.read_until = {"main": NOON + timedelta(seconds=1)}
    async with world.sessions() as session:
        found = await reconciliation.run(session, DAY, MOSCOW, reading)
    assert [each["kind"] for each in found["differences"]] == ["not_on_pbx"]


def press_of(call: PhoneCall, at: datetime = NOON) -> Press:
    return Press(pbx="main", uniqueid=call.uniqueid, pressed_at=at)


async def record(world: World, call: str | None, state: RecordingState) -> int:
    async def work(session: AsyncSession) -> int:
        row = Recording(
            pbx="main",
            call_id=call,
            remote_path=f"/monitor/{call}-{state}.wav",
            state=state,
            guessed=False,
            started_at=NOON
            if call
            else None,  # of a file that the sweep found only its end is known
            stopped_at=None if call else NOON,
            attempts=0,
        )
        session.add(row)
        await session.flush()
        return row.id

    return await world.writer.run(work)


async def run(world: World, pbx: Pbx, day: date = DAY, zone: ZoneInfo = MOSCOW) -> dict[str, Any]:
    async with world.sessions() as session:
        return await reconciliation.run(session, day, zone, pbx)


async def test_a_day_without_a_difference(world: World) -> None:
    call = await world.pressed()
    await call.end("abandoned").stored()
    await record(world, call.id, RecordingState.CONVERTED)

    assert await run(world, Pbx(press_of(call), press_of(call))) == {
        "pressed": 1,
        "registered": 1,
        "recorded": 1,
        "sources": [{"name": "main astdb", "complete": True}],
        "differences": [],
    }


async def test_a_press_that_nobody_registered(world: World) -> None:
    lost = Press(pbx="main", uniqueid="1795003200.99", pressed_at=NOON)
    told = await run(world, Pbx(lost))
    assert (told["pressed"], told["registered"]) == (1, 0)
    assert told["differences"] == [
        {
            "kind": "not_registered",
            "call": "main-1795003200.99",
            "appeal": None,
            "recording": None,
            "mend": "read_spool",
        }
    ]


async def test_an_appeal_that_the_pbx_does_not_know(world: World) -> None:
    await world.pressed()
    (appeal,) = await world.appeals()
    for complete, mend in ((True, "check_evidence"), (False, "complete_source")):
        told = await run(world, Pbx(complete=complete))
        assert told["differences"] == [
            {
                "kind": "not_on_pbx",
                "call": appeal.call_id,
                "appeal": appeal.number,
                "recording": None,
                "mend": mend,
            }
        ]


async def test_appeals_of_a_pbx_that_can_not_be_read_are_no_differences(world: World) -> None:
    await world.pressed()
    lost = Press(pbx="branch", uniqueid="1795003200.99", pressed_at=NOON)
    told = await run(world, Pbx(lost, complete=False, unread=["main"]))
    assert (told["registered"], told["sources"][0]["complete"]) == (1, False)
    assert [each["kind"] for each in told["differences"]] == ["not_registered"]


async def test_a_call_that_left_no_sound(world: World) -> None:
    call = await world.pressed()
    running = await world.pressed()
    await call.end("abandoned").stored()
    await record(world, call.id, RecordingState.MISSING)

    told = await run(world, Pbx(press_of(call), press_of(running)))
    assert told["recorded"] == 1  # the other one still lasts
    (difference,) = told["differences"]
    assert (difference["kind"], difference["call"]) == ("no_recording", call.id)


async def test_sound_that_belongs_to_no_call(world: World) -> None:
    recording = await record(world, None, RecordingState.ORPHAN)
    (difference,) = (await run(world, Pbx()))["differences"]
    assert (difference["kind"], difference["recording"]) == ("orphan_recording", recording)


async def test_the_day_is_the_local_one(world: World) -> None:
    world.now = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)  # half past midnight in Moscow
    late = await world.pressed()
    pbx = Pbx(press_of(late, world.now))

    assert (await run(world, pbx))["registered"] == 1
    assert (await run(world, pbx, DAY - timedelta(days=1)))["registered"] == 0
    start, end = pbx.asked[0]
    assert start < datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    assert end > datetime(2026, 11, 21, 21, 0, tzinfo=UTC)


async def test_midnight_in_utc_parts_no_day_in_omsk(world: World) -> None:
    """Six hours ahead: the 21st there begins at 18:00 UTC of the 20th, and has UTC's midnight within it."""
    presses = []
    for hour, minute in ((17, 59), (18, 1), (23, 59), (24, 1)):
        world.now = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(hours=hour, minutes=minute)
        presses.append(press_of(await world.pressed(), world.now))
    pbx = Pbx(*presses)
    told = {day: await run(world, pbx, DAY + timedelta(days=day), OMSK) for day in (-1, 0, 1)}
    counts = {day: (each["pressed"], each["registered"]) for day, each in told.items()}
    assert counts == {-1: (1, 1), 0: (3, 3), 1: (0, 0)}
    in_moscow = await run(world, pbx)
    assert (in_moscow["pressed"], in_moscow["registered"]) == (2, 2)


async def test_a_press_at_midnight_is_not_lost_between_two_days(world: World) -> None:
    midnight = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
    world.now = midnight - timedelta(milliseconds=3)
    call = await world.pressed()
    pbx = Pbx(press_of(call, midnight + timedelta(milliseconds=2)))

    before, after = await run(world, pbx, DAY - timedelta(days=1)), await run(world, pbx)
    assert (before["registered"], after["pressed"]) == (1, 1)
    kinds = [d["kind"] for told in (before, after) for d in told["differences"]]
    assert kinds == []


async def test_a_press_before_the_six_hours_is_not_the_one_of_after(world: World) -> None:
    world.now = datetime(2026, 11, 21, 0, 0, tzinfo=UTC)
    call = await world.pressed()
    again = Press(pbx="main", uniqueid=call.uniqueid, pressed_at=world.now + timedelta(hours=8))
    told = await run(world, Pbx(press_of(call, world.now), again))
    assert told["pressed"] == 2
    assert [d["kind"] for d in told["differences"]] == ["not_registered"]
