"""Calls that a program places through a Local channel: a CRM's click-to-call, a queue's call-back.

Each story is a real call on Asterisk 22 to a customer with an open complaint.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.e2e.desk import open_desk
from tests.e2e.office import PRESS, STORIES, Json, Office, near, reasons
from tests.lab.fixtures import Labs
from tests.lab.scenarios import Bye, TelephoneHabit, Wait

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

QUEUES = (
    "[from-internal](+)\nexten => 613,1,Answer()\n same => n,Queue(press3,,,,20)\n"
    "exten => 614,1,Queue(press3,,,,20)\n"
)
PLACED = replace(
    STORIES,
    menu=replace(STORIES.menu, members=("PJSIP/101",)),
    files={"extensions_more.conf": QUEUES},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def placing(labs: Labs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    lab = await labs.start("22", PLACED, fresh=False)
    async with open_desk(lab, tmp_path_factory.mktemp("office")) as desk:
        yield Office(lab, desk)


@pytest_asyncio.fixture(loop_scope="module")
async def office(placing: Office) -> AsyncIterator[Office]:
    yield placing
    await placing.lab.hang_up_all()
    assert "Traceback" not in placing.desk.log.read_text(errors="replace")


async def complains(office: Office, number: str) -> Json:
    """The caller presses 3 and gives up at once: the complaint has no contact yet."""
    await (await office.lab.call(number=number, steps=[*PRESS, Wait(0.5), Bye()])).done()
    await office.over(number)
    appeal = await office.appeal(number)
    assert appeal["times"]["first_contact_s"] is None
    return appeal


async def place(office: Office, local: str, exten: str) -> None:
    async with office.lab.control() as control:
        await control.action(
            "Originate", Channel=f"Local/{local}@from-internal/n", Context="from-internal",
            Exten=exten, Priority="1", Async="true",
        )  # fmt: skip


@pytest.mark.parametrize(("number", "local"), [("+79110000921", "101"), ("+79110000922", "614")])
async def test_the_operator_first(office: Office, number: str, local: str) -> None:
    """101, or whom queue 614 finds, is called, and then the customer."""
    async with (
        office.screens("op101") as (first,),
        office.lab.telephone("customer", TelephoneHabit(ring_s=0.5, talk_s=1.5)) as customer,
    ):
        appeal = await complains(office, number)
        pressed = appeal["calls"][0]["id"]
        async with office.lab.telephone("101", TelephoneHabit(ring_s=0.5)):
            await place(office, local, "8" + number.removeprefix("+7"))
            shown = await first.told("pop.shown", lambda pop: pop["call"] != pressed)
            call = await office.over(number, n=1)
        contact = customer.truth.picked_up[-1]
    assert (call["direction"], call["outcome"]) == ("out", "answered")
    assert (call["from"]["raw"], call["to"]["e164"]) == ("101", number)
    assert [(leg["extension"], leg["outcome"]) for leg in call["legs"]] == [("101", "answered")]
    assert call["appeal"] == appeal["number"]
    assert shown["call"] == call["id"]
    (entry,) = await office.history(appeal["number"], "first_contact")
    assert near(entry["data"]["at"], contact)


async def test_the_customer_first(office: Office) -> None:
    """The customer answers and waits in the queue: the card is there while the telephone rings."""
    number = "+79110000923"
    async with (
        office.screens("op101") as (first,),
        office.lab.telephone("customer", TelephoneHabit(ring_s=0.3, talk_s=6)),
    ):
        appeal = await complains(office, number)
        pressed = appeal["calls"][0]["id"]
        async with office.lab.telephone("101", TelephoneHabit(ring_s=1)) as telephone:
            await place(office, "8" + number.removeprefix("+7"), "613")
            shown = await first.told("pop.shown", lambda pop: pop["call"] != pressed)
            assert reasons(first, shown["pop_id"]) == [], "the card is there before the answer"
            call = await office.over(number, n=1)
            phone = telephone.truth
    assert shown["open_appeals"] == [appeal["number"]]
    assert (call["direction"], call["outcome"]) == ("out", "answered")
    assert call["to"]["e164"] == number
    (leg,) = call["legs"]
    assert (leg["extension"], leg["outcome"]) == ("101", "answered")
    assert near(leg["rang_at"], phone.at("INVITE", "R"))
    assert near(call["answered_at"], phone.at("200"))
    assert reasons(first, shown["pop_id"]) == ["answered_here"]
