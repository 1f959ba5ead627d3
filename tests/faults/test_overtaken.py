"""A hang-up right behind the key: whatever the PBX's dialplan came to is registered, on the PBX and in press3."""

import pytest

from tests.faults.outside import spool_of
from tests.faults.site import FAULTS
from tests.faults.taken import Taken
from tests.lab.fixtures import StartAsterisk
from tests.lab.scenarios import Bye, Key, Speak, Wait
from tests.waiting import until

pytestmark = pytest.mark.asterisk

_CALLERS = 100  # for each pause


async def test_each_key_that_the_dialplan_came_to_is_written_and_told(
    asterisk: StartAsterisk, asterisk_version: str
) -> None:
    lab = await asterisk(asterisk_version, FAULTS)
    taken = Taken(lab.directory / "log/dialplan")
    async with lab.tap() as ami:
        for pause in ((), (Wait(0.01),)):
            steps = [Speak(), Wait(0.3), Key("3"), *pause, Bye()]
            number = f"+7911{len(pause)}[call_number]"
            caller = await lab.call(steps=steps, number=number, calls=_CALLERS, per_second=40)
            await caller.done()
        await lab.quiet()
        reached = taken.numbers()
        assert reached, "with some of them the key came first"
        await until(
            lambda: {row.number for row in spool_of(lab) if "ended" in row.marks} >= reached,
            what="each press and its end at AstDB's next commit, within a second",
        )
        told = {event.get("Key") for event in ami.all("UserEvent", UserEvent="Press3")}
    rows = spool_of(lab)
    assert {row.number for row in rows} == reached
    assert len(rows) == len(reached), "each once"
    log = (lab.directory / "log/queue_log").read_text()
    logged = {line.split("|")[1] for line in log.splitlines() if "|PRESS3|" in line}
    assert logged == {row.uniqueid for row in rows}
    assert {key.rpartition("/")[2].partition("-")[0] for key in told} == logged
