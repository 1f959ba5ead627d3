"""A ticket opens the push socket once, soon, and for the session it came from."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people import sessions as sessions_of
from people import tickets
from people.model import Ticket
from people.signin import SignedIn, SignIn
from people.tickets import Admitted
from store.writer import Writer
from tests.people.conftest import PASSWORD, Clock, Hire


@pytest.fixture
async def anna(entrance: SignIn, hire: Hire) -> SignedIn:
    await hire("anna")
    return await entrance.sign_in("anna", PASSWORD)


class Box:
    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock

    async def issue(self, who: SignedIn) -> str:
        session_hash = sessions_of.token_hash(who.token)
        return await self._writer.run(
            lambda s: tickets.issue(s, who.employee.id, session_hash, self._clock())
        )

    async def redeem(self, ticket: str) -> Admitted | None:
        return await self._writer.run(lambda s: tickets.redeem(s, ticket, self._clock()))


@pytest.fixture
def box(writer: Writer, clock: Clock) -> Box:
    return Box(writer, clock)


async def test_a_ticket_lets_its_owner_in_once(box: Box, anna: SignedIn) -> None:
    ticket = await box.issue(anna)
    admitted = await box.redeem(ticket)
    assert admitted is not None
    assert admitted.employee.login == "anna"
    assert admitted.session_hash == sessions_of.token_hash(anna.token)
    assert await box.redeem(ticket) is None


async def test_of_many_who_use_it_at_once_one_gets_in(box: Box, anna: SignedIn) -> None:
    ticket = await box.issue(anna)
    admitted = await asyncio.gather(*(box.redeem(ticket) for _ in range(10)))
    assert [bool(each) for each in admitted].count(True) == 1


async def test_a_late_ticket_is_refused(box: Box, anna: SignedIn, clock: Clock) -> None:
    in_time, late = await box.issue(anna), await box.issue(anna)
    clock.move(seconds=29.9)
    assert await box.redeem(in_time) is not None
    clock.move(seconds=0.1)
    assert await box.redeem(late) is None


async def test_a_ticket_of_a_session_that_ended_is_refused(
    box: Box, anna: SignedIn, writer: Writer, clock: Clock
) -> None:
    ticket = await box.issue(anna)
    await writer.run(lambda session: sessions_of.sign_out(session, anna.token, clock()))
    assert await box.redeem(ticket) is None


@pytest.mark.parametrize("ticket", ["", "x", "\udcff", "é" * 1000])
async def test_an_invented_ticket_is_refused(box: Box, anna: SignedIn, ticket: str) -> None:
    await box.issue(anna)
    assert await box.redeem(ticket) is None


async def test_the_database_does_not_hold_the_ticket(
    box: Box, anna: SignedIn, sessions: async_sessionmaker[AsyncSession]
) -> None:
    ticket = await box.issue(anna)
    async with sessions() as session:
        kept = (await session.scalars(select(Ticket))).one()
    assert kept.ticket_hash == sessions_of.token_hash(ticket)
