"""A PBX of chan_sip's (Asterisk 16): the trunk is called by a city number, its channels are born Down.

Each story is a real call, seen through REST and the screens' socket.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from press3.config.settings import load
from press3.doctor.examination import examine
from tests.e2e.desk import open_desk
from tests.e2e.office import PRESS, Office, near
from tests.lab.chan_sip import TRUNK, chan_sip
from tests.lab.fixtures import Labs
from tests.lab.scenarios import Bye, Speak, TelephoneHabit, Wait, WaitBye

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sip_office(labs: Labs, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Office]:
    lab = await labs.start("16", chan_sip(), fresh=False)
    async with open_desk(lab, tmp_path_factory.mktemp("office")) as desk:
        yield Office(lab, desk)


@pytest_asyncio.fixture(loop_scope="module")
async def office(sip_office: Office) -> AsyncIterator[Office]:
    yield sip_office
    await sip_office.lab.hang_up_all()
    assert "Traceback" not in sip_office.desk.log.read_text(errors="replace")


async def test_pressed_3_over_a_chan_sip_trunk(office: Office) -> None:
    number = "+79110000901"
    async with (
        office.screens("op101", "op102", "chief") as (first, second, board),
        office.lab.telephone("101", TelephoneHabit(ring_s=1.5)) as telephone,
        office.lab.telephone("102", TelephoneHabit(ring_s=30)),
    ):
        caller = await office.lab.call(number=number, steps=[*PRESS, Wait(6), Bye()])
        opened = await board.told("appeal.opened")
        shown = await first.told("pop.shown")
        assert (shown["appeal"], shown["caller"]["e164"]) == (opened["number"], number)
        assert (await first.told("pop.withdrawn"))["reason"] == "answered_here"
        assert (await second.told("pop.withdrawn"))["reason"] == "answered_elsewhere"
        await board.told("call.ended", deadline_s=30)
        await caller.done()
        truth, phone = caller.truth, telephone.truth
    appeal = await office.appeal(number)
    assert appeal["verified"] == "verified"
    (call,) = appeal["calls"]
    assert (call["direction"], call["outcome"]) == ("in", "answered")
    legs = {leg["extension"]: leg for leg in call["legs"]}
    assert {ext: leg["outcome"] for ext, leg in legs.items()} == {
        "101": "answered",
        "102": "elsewhere",
    }
    assert near(call["pressed_at"], truth.at("INFO"))
    assert near(legs["101"]["rang_at"], phone.at("INVITE", "R"))
    assert near(call["answered_at"], phone.at("200"))
    assert near(call["ended_at"], truth.at("BYE"))
    await office.playable(number)


async def test_a_hang_up_in_the_menu_is_counted(office: Office) -> None:
    number = "+79110000902"
    caller = await office.lab.call(number=number, steps=[Speak(), Wait(0.5), Bye()])
    call = await office.over(number)
    await caller.done()
    assert (call["direction"], call["outcome"]) == ("in", "abandoned")
    assert near(call["ended_at"], caller.truth.at("BYE"))


async def test_an_operator_is_rung_without_a_menu(office: Office) -> None:
    """A trunk's channel is born Down and rings an operator at once."""
    number = "+79110000903"
    async with (
        office.screens("op101") as (first,),
        office.lab.telephone("101", TelephoneHabit(ring_s=1)) as telephone,
    ):
        caller = await office.lab.call(number=number, to="9101", steps=[Speak(), Wait(2), Bye()])
        await first.told("pop.shown")
        call = await office.over(number)
        await caller.done()
        truth, phone = caller.truth, telephone.truth
    assert (call["direction"], call["outcome"]) == ("in", "answered")
    (leg,) = call["legs"]
    assert leg["extension"] == "101"
    assert near(leg["rang_at"], phone.at("INVITE", "R"))
    assert near(call["answered_at"], phone.at("200"))
    assert near(call["ended_at"], truth.at("BYE"))


async def test_an_outside_caller_with_three_digits_is_outside(office: Office) -> None:
    caller = await office.lab.call(number="900", steps=[Speak(), Wait(0.3), Bye()])
    call = await office.over("900")
    await caller.done()
    assert (call["direction"], call["from"]["raw"]) == ("in", "900")


async def test_a_call_out_through_the_trunk(office: Office) -> None:
    """The customer's number is dialled through a trunk whose name is a number: SIP/211553/89110000904."""
    number = "+79110000904"
    async with office.lab.telephone("customer", TelephoneHabit(ring_s=0.5, talk_s=1)) as customer:
        caller = await office.lab.call(
            number="101", name="", to="89110000904", steps=[Speak(), WaitBye()]
        )
        call = await office.over(number)
        await caller.done()
        phone = customer.truth
    assert (call["direction"], call["outcome"]) == ("out", "answered")
    assert (call["from"]["raw"], call["to"]["e164"]) == ("101", number)
    assert [leg["extension"] for leg in call["legs"]] == ["101"]
    assert near(call["answered_at"], phone.at("200"))
    assert TRUNK not in str(call)


async def test_the_doctor_names_the_trunk_that_is_called_like_a_telephone(office: Office) -> None:
    number = "+79110000905"
    caller = await office.lab.call(number=number, steps=[Speak(), Wait(0.3), Bye()])
    await office.over(number)
    await caller.done()
    config = office.desk.config
    said: list[str] = []
    await examine(load(config), said.append, config)
    trunk = rf"trunks = ['^SIP/{TRUNK}(?:[-/@]|$)']"
    lines = [line for line in said if f"SIP/{TRUNK}" in line]
    assert any("fixed address" in line and trunk in line for line in lines), said
    assert any("read as a trunk" in line and trunk in line for line in lines), said
    assert any("chan_sip is loaded" in line for line in said)
    assert not any("SIP/101" in line and line.startswith("[warn]") for line in said), said
