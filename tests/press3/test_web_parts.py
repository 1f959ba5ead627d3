"""What is told of a PBX before it is served: `standby` is said of a lease found in another's hands."""

from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.intake.presses import IntakeSettings
from press3.config.settings import Settings
from press3.database import Database
from press3.telephony_parts import change_handlers, telephony_of
from press3.web_parts import link_view
from store.lease import Lease
from store.processes import Process
from store.writer import Writer
from telephony.serving import Telephony

NOW = datetime(2026, 11, 21, 18, 34, tzinfo=UTC)
ELSEWHERE = Process("another-host", 100, 5)


@pytest.fixture
def telephony(writer: Writer, sessions: async_sessionmaker[AsyncSession]) -> Telephony:
    settings = Settings.model_validate({"asterisk": [{"name": "main", "secret": "s3cret"}]})
    database = Database(sessions=sessions, writer=writer, now=lambda: NOW)
    handlers = change_handlers(IntakeSettings(departments={}))
    (pbx,) = settings.asterisk
    return telephony_of(pbx, settings, database, handlers=handlers, on_stored=lambda what: None)


async def test_the_only_process_is_never_said_to_stand_by(telephony: Telephony) -> None:
    assert link_view(telephony).state == "starting"
    assert await telephony.lease.try_acquire() == 1
    assert link_view(telephony).state == "starting", "its PBX is not asked yet"


async def test_a_killed_process_on_this_host_makes_nobody_stand_by(
    telephony: Telephony, writer: Writer
) -> None:
    await Lease(writer, "main", me=ELSEWHERE).acquire()
    telephony.lease._is_alive = lambda holder: False
    assert await telephony.lease.try_acquire() == 2
    assert link_view(telephony).state == "starting"


async def test_who_finds_the_lease_in_another_s_hands_stands_by_until_it_is_free(
    telephony: Telephony, writer: Writer
) -> None:
    other = Lease(writer, "main", me=ELSEWHERE)
    await other.acquire()
    assert await telephony.lease.try_acquire() is None
    assert link_view(telephony).state == "standby"
    await other.release()
    assert await telephony.lease.try_acquire() == 2
    assert link_view(telephony).state == "starting"
