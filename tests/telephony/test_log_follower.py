"""What a log adds: only in a gap an entry into the queue is a press; the place survives a restart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ami.spool import SpoolPress
from appeals.case.model import Appeal
from calls.model import BlindWindow, LogRead
from calls.numbers import NumberRules
from calls.storage import Gap
from press3.config.settings import Settings
from press3.telephony_parts import logs_by_pbx
from store.writer import Writer
from telephony.log_follower import came_in_gap
from telephony.pbx_logs import PbxLogs
from tests.telephony.gaps import BACK, IN_THE_GAP, PBX, Served
from tests.waiting import until

pytestmark = pytest.mark.timing

SINCE = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
GAPS: list[Gap] = [(SINCE, SINCE + timedelta(minutes=10))]


def entry(entered_s: float, *, called_s: float | None = None) -> SpoolPress:
    """A call that entered the queue `entered_s` after the gap began, having called `called_s` after it."""
    called = SINCE + timedelta(seconds=entered_s if called_s is None else called_s)
    return SpoolPress(
        key=None,
        uniqueid=f"{called.timestamp():.0f}.1",
        linkedid="",
        pressed_at=SINCE + timedelta(seconds=entered_s),
        number="+79110000001",
        name="",
        did="",
        menu="",
        queue="600",
        timed_by="queue_entry",
    )


@pytest.mark.parametrize(
    ("call", "unseen"),
    [
        (entry(-30), False),  # heard
        (entry(-1), True),  # queue_log cuts the fraction off
        (entry(300), True),
        (entry(300, called_s=-60), True),  # called before, pressed within
        (entry(610, called_s=590), True),  # pressed within, prompts lasted
        (entry(610), False),  # called after it: heard
        (entry(700, called_s=590), False),  # an operator sent him there
    ],
)
def test_an_entry_into_the_queue_is_a_press_only_when_the_key_was_not_heard(
    call: SpoolPress, unseen: bool
) -> None:
    assert came_in_gap(call, GAPS) is unseen
    assert not came_in_gap(call, [])


LEADS = {"context": "ivr-7", "exten": "3", "leads_to": "600"}


def sources(log: Path) -> PbxLogs:
    main = {"name": PBX, "queue_log": log}
    settings = Settings(asterisk=[main], ivr={"observe": [LEADS]})  # type: ignore[arg-type, list-item]
    return logs_by_pbx(settings, NumberRules())[PBX]


def entered(at: datetime, n: int) -> str:
    epoch = int(at.timestamp())
    return f"{epoch}|{epoch}.{n}|600|NONE|ENTERQUEUE||+7911000000{n}|1\n"


async def pressed_at(served: Served) -> list[datetime]:
    return sorted(appeal.pressed_at for appeal in await served.rows(Appeal))


async def test_a_log_that_can_not_be_read_in_the_gap_is_read_when_it_can(
    served: Served,
    writer: Writer,
    tmp_path: Path,
) -> None:
    log = tmp_path / "queue_log"
    served.logs = sources(log)
    await served.start(writer)

    async def is_over() -> Any:
        return [window.ended_at for window in await served.rows(BlindWindow) if window.ended_at]

    await until(is_over, what="the gap is read as far as it can be")
    assert await pressed_at(served) == [IN_THE_GAP], "AstDB was read"

    missed = IN_THE_GAP + timedelta(minutes=1)
    heard = BACK + timedelta(seconds=5)  # no press was heard: then it is none
    young = BACK + timedelta(seconds=59)
    log.write_text(entered(missed, 1) + entered(heard, 2) + entered(young, 3))
    served.peer.clock = f"{(BACK + timedelta(seconds=60)).timestamp():.6f}"
    for _ in range(2):
        await served.catch_up.follow_logs(served.pipeline)
        assert await pressed_at(served) == [IN_THE_GAP, missed]
    (read,) = await served.rows(LogRead)
    assert read.offset == len(entered(missed, 1) + entered(heard, 2)), "events may tell of the last"

    (before,) = [a for a in await served.rows(Appeal) if a.pressed_at == IN_THE_GAP]
    assert before.verified == "verified"
    log.rename(tmp_path / "queue_log.1")
    log.write_text(entered(IN_THE_GAP + timedelta(minutes=2), 4))
    after_restart = served.new_catch_up()
    served.peer.clock = f"{(BACK + timedelta(seconds=90)).timestamp():.6f}"
    await after_restart.follow_logs(served.pipeline)
    assert len(await pressed_at(served)) == 3
    (read,) = await served.rows(LogRead)
    assert read.inode == log.stat().st_ino
