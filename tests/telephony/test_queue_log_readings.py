"""It does not matter where one reading of queue_log ends: the same file gives the same facts."""

from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case.model import Appeal
from calls import storage
from calls.facts import Fact
from calls.model import Call
from calls.numbers import NumberRules
from calls.resync import from_spool
from calls.story import CallStory, fold
from press3.config.settings import Settings
from press3.telephony_parts import logs_by_pbx
from store.lease import Lease
from store.writer import Writer
from telephony.log_follower import LogFollower, known_now
from telephony.pbx_logs import PbxLogs
from tests.telephony.gaps import PBX, Served
from tests.telephony.queue_logs import BEGIN, MadeLog, made_log

LEADS = {"context": "ivr-7", "exten": "3", "leads_to": "600"}


def sources(log: Path) -> PbxLogs:
    main = {"name": PBX, "queue_log": log}
    settings = Settings(asterisk=[main], ivr={"observe": [LEADS]})  # type: ignore[arg-type, list-item]
    return logs_by_pbx(settings, NumberRules())[PBX]


def moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


class Reader:
    """press3 that comes back to one file again and again."""

    def __init__(self, served: Served, made: MadeLog, file: Path) -> None:
        self._served, self._made, self._file = served, made, file
        self._follower = LogFollower(sources(file), served.recorder, served.link)

    async def read(self, until: int, *, chunk_bytes: int = 1 << 20, anew: bool = True) -> None:
        """Read the gap that ends at `until`; `anew`: by a press3 that was started anew."""
        self._file.write_bytes(self._made.text(until))
        if anew:
            served, logs = self._served, sources(self._file)
            self._follower = LogFollower(
                logs, served.recorder, served.link, chunk_bytes=chunk_bytes
            )
        alive = self._made.alive(until)
        since = moment(BEGIN - 10)
        await self._follower.read_gap(since, moment(until), alive)

    async def told(self) -> dict[str, tuple[list[Fact], CallStory]]:
        async with self._served.sessions() as session:
            calls = list(await session.scalars(select(Call.id).order_by(Call.id)))
            found = {}
            for call in calls:
                facts = await storage.load_facts(session, call)
                story = await storage.load_story(session, call)
                assert story is not None
                found[call] = sorted(facts, key=lambda fact: (fact.at, repr(fact))), story
        return found


@pytest.fixture
async def blind(served: Served, writer: Writer) -> Served:
    """A service in a blind window as long as the made logs."""
    served.create(await Lease(writer, PBX).acquire(), writer)

    async def work(session: AsyncSession) -> None:
        window = storage.begin_window(session, PBX, moment(BEGIN - 10), "test")
        window.ended_at = moment(BEGIN + 86400)

    await writer.run(work)
    return served


async def whole(blind: Served, made: MadeLog, tmp_path: Path) -> dict[str, object]:
    """What one reading of the whole file makes of it, in memory."""
    file = tmp_path / "whole"
    file.write_bytes(made.text(made.end))
    logs = sources(file)
    found: dict[str, object] = {}
    for call in logs.logs[0].calls_of(file.read_bytes().splitlines()):
        if not logs.is_observed_press(call):
            continue
        facts = from_spool(None, known_now(call, frozenset()), pbx=PBX, numbers=NumberRules())
        story: CallStory | None = None
        for fact in facts:
            story = fold(story, fact)
        found[f"{PBX}-{call.uniqueid}"] = (
            sorted(facts, key=lambda fact: (fact.at, repr(fact))),
            story,
        )
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_any_split_of_the_file_gives_the_same_facts(
    blind: Served, tmp_path: Path, seed: int
) -> None:
    made, rng = made_log(seed), Random(seed)
    expected = await whole(blind, made, tmp_path)
    assert len(expected) > 5
    reader = Reader(blind, made, tmp_path / "queue_log")
    for until in sorted(rng.sample(range(BEGIN, made.end), 12)):
        await reader.read(until, anew=rng.random() < 0.5)
    await reader.read(made.end)
    assert await reader.told() == expected
    assert len(await blind.rows(Appeal)) == len(expected), "each press opens one appeal"


async def test_the_size_of_a_piece_does_not_matter_and_twice_is_once(
    blind: Served, tmp_path: Path
) -> None:
    made = made_log(1)
    expected = await whole(blind, made, tmp_path)
    reader = Reader(blind, made, tmp_path / "queue_log")
    await reader.read(made.end, chunk_bytes=150)
    assert await reader.told() == expected
    (tmp_path / "queue_log").rename(tmp_path / "away")
    await reader.read(made.end)
    assert await reader.told() == expected
