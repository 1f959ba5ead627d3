"""Who calls and who may do what: transfers, names, nobody's number, calls without a key, the conflict rule.

Each story is a real call on Asterisk 22 and 16, seen through REST and the screens' socket.
"""

import pytest

from tests.e2e.office import PRESS, SILENT, Office, near, reasons
from tests.lab.scenarios import Bye, Speak, TelephoneHabit, Wait, WaitBye
from tests.waiting import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

CYRILLIC = "Пётр Ильич (ООО «Ромашка»)"
HOSTILE = 'O\'Neil|1;<script>alert(1)</script>%0d${X}, \\"Co\\"'  # as SIP writes it: \" is a quote


async def test_transferred_blindly_to_a_second_operator(office: Office) -> None:
    number = "+79110000201"
    async with (
        office.screens("op101", "op103", "chief") as (first, third, board),
        office.lab.telephone("101", TelephoneHabit(ring_s=0.3)) as one,
        office.lab.telephone("102", SILENT),
        office.lab.telephone("103", TelephoneHabit(ring_s=1)) as three,
        office.lab.control() as control,
    ):
        caller = await office.lab.call(number=number, name="Иван", steps=[*PRESS, Wait(7), Bye()])
        assert (await first.told("pop.withdrawn"))["reason"] == "answered_here"
        call = await office.call_when(number, lambda call: call["answered_at"])
        listing = await office.lab.pbx.rx("core show channels concise")
        channel = next(row for row in listing.splitlines() if row.startswith("PJSIP/101-"))
        sent = await control.action(
            "BlindTransfer",
            Channel=channel.partition("!")[0],
            Context="from-internal",
            Exten="103",
        )
        assert sent.get("Response") == "Success", sent.raw
        shown = await third.told("pop.shown")
        assert (await third.told("pop.withdrawn"))["reason"] == "answered_here"
        assert (await first.told("call.left"))["call"] == call["id"]
        ended = await board.told("call.ended")
        await caller.done()
        phone, second_phone, truth = one.truth, three.truth, caller.truth
    appeal = await office.appeal(number)
    (call,) = appeal["calls"]
    assert shown["caller"].items() >= {"raw": number, "e164": number, "name": "Иван"}.items()
    assert (shown["appeal"], shown["customer"]) == (appeal["number"], appeal["customer"])
    assert shown["open_appeals"] == [appeal["number"]]
    assert ended == {"call": call["id"], "outcome": "answered", "appeal": appeal["number"]}
    (transfer,) = call["transfers"]
    assert (transfer["kind"], transfer["from"], transfer["to"]) == ("blind", "101", "103")
    legs = {leg["extension"]: leg for leg in call["legs"]}
    outcomes = {extension: leg["outcome"] for extension, leg in legs.items()}
    assert outcomes == {"101": "answered", "102": "elsewhere", "103": "answered"}
    assert near(call["answered_at"], phone.at("200"))
    assert near(transfer["at"], phone.at("BYE", "R"))
    assert near(legs["101"]["ended_at"], phone.at("BYE", "R"))
    assert near(legs["103"]["rang_at"], second_phone.at("INVITE", "R"))
    assert near(legs["103"]["answered_at"], second_phone.at("200"))
    assert near(call["ended_at"], truth.at("BYE"))
    await office.playable(number)


@pytest.mark.parametrize(
    ("number", "name"), [("+79110000202", CYRILLIC), ("+79110000203", HOSTILE)]
)
async def test_a_name_is_shown_as_it_was_sent(office: Office, number: str, name: str) -> None:
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT),
        office.lab.telephone("102", SILENT),
    ):
        caller = await office.lab.call(number=number, name=name, steps=[*PRESS, Wait(2), Bye()])
        shown = await first.told("pop.shown")
        assert shown["caller"].items() >= {"raw": number, "e164": number, "name": name}.items()
        await board.told("call.ended")
        await caller.done()
    appeal = await office.appeal(number)
    assert appeal["caller"]["name"] == appeal["calls"][0]["from"]["name"] == name
    assert (appeal["verified"], appeal["customer"]["name"]) == ("verified", name)
    spool = [row for row in (await office.lab.spool()).values() if f"|{number}|" in row]
    assert len(spool) == 1
    assert spool[0].count("|") == 8, "the name can't make fields"
    await office.playable(number)


async def test_nobodys_number_opens_an_appeal_all_the_same(office: Office) -> None:
    """Two callers who hide their number are not one customer."""
    number = "anonymous"
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", SILENT),
        office.lab.telephone("102", SILENT),
    ):
        caller = await office.lab.call(
            number=number,
            name="Anonymous",
            steps=[*PRESS, Wait(2.5), Bye()],
            calls=2,
            per_second=2,
        )
        shown = await first.told("pop.shown")
        await until(lambda: len(board.of("call.ended")) == 2, deadline_s=30, what="both are over")
        await caller.done()
        opened = board.of("appeal.opened")
    assert (shown["customer"], shown["open_appeals"]) == (None, [])
    assert shown["caller"]["e164"] is None
    assert shown["appeal"] in [told["number"] for told in opened]
    assert len({told["number"] for told in opened}) == len({told["call"] for told in opened}) == 2
    for told in opened:
        appeal = await office.get(f"/appeals/{told['number']}")
        assert (appeal["customer"], appeal["caller"]["e164"]) == (None, None)
        assert appeal["verified"] == "verified"
        assert [call["id"] for call in appeal["calls"]] == [told["call"]]
        assert appeal["calls"][0]["outcome"] == "abandoned"


async def test_a_call_without_a_key_goes_to_the_only_open_appeal(office: Office) -> None:
    number = "+79110000205"

    async def silent_call() -> None:
        await (await office.lab.call(number=number, steps=[Speak(), WaitBye(60)])).done()

    async def pressed_call() -> None:
        caller = await office.lab.call(number=number, steps=[*PRESS, Wait(0.5), Bye()])
        await caller.done()

    async with office.screens("op101", "chief") as (first, board):
        await silent_call()
        call = await office.over(number)
        assert (call["appeal"], call["pressed_at"], call["answered_at"]) == (None, None, None)
        assert call["outcome"] == "closed", "the menu let him go"
        assert await office.appeals(number) == []

        await pressed_call()
        await office.over(number, n=1)
        (appeal,) = await office.appeals(number)

        await silent_call()
        linked = await office.over(number, n=2)
        assert linked["appeal"] == appeal["number"]
        (entry,) = await office.history(appeal["number"], "call_linked")
        assert (entry["data"]["call"], entry["data"]["link"]) == (linked["id"], "auto")
        is_linked = lambda told: told["call"] == linked["id"]  # noqa: E731
        assert (await board.told("call.ended", is_linked))["appeal"] == appeal["number"]

        await pressed_call()
        await office.over(number, n=3)
        assert len(await office.appeals(number)) == 2, "a new press opens a new appeal"
        assert first.of("pop.shown") == []


async def test_whoever_answered_keeps_his_hands_off(office: Office) -> None:
    number = "+79110000206"
    async with (
        office.screens("op101", "chief") as (first, board),
        office.lab.telephone("101", TelephoneHabit(ring_s=0.3, talk_s=1)),
        office.lab.telephone("102", SILENT),
    ):
        await (await office.lab.call(number=number, steps=[*PRESS, WaitBye(60)])).done()
        told = await first.told("pop.shown")
        assert reasons(first, told["pop_id"]) == ["answered_here"]
        await board.told("call.ended")
        recording = await office.playable(number)
    appeal = await office.appeal(number)
    path = f"/appeals/{appeal['number']}"
    operator, handler = [await office.desk.person(login) for login in ("op101", "handler")]
    category = (await office.get("/dictionaries"))["categories"][0]["code"]
    done = {"gist": "Долго ждал", "category": category}

    for verb, body in (("take", None), ("resolve", done)):
        status, problem = await operator.post(f"{path}/{verb}", body)
        assert (status, problem["type"]) == (403, "urn:press3:problem:conflict-of-interest")
        assert problem["reason"] == "answered_the_call"
    status, said, answer = await operator.bytes(f"/recordings/{recording['id']}/audio")
    assert (status, answer.content_type) == (403, "application/problem+json"), said
    status, _ = await operator.post("/appeals/999999/take")
    assert status == 404
    seen = await office.get(path)
    assert (seen["version"], seen["phase"]) == (appeal["version"], "received")
    refused = [(attempt["employee"]["name"], attempt["action"]) for attempt in seen["refused"]]
    assert refused == [("Op101", "take"), ("Op101", "resolve"), ("Op101", "listen")]
    assert len(await office.history(appeal["number"], "refused")) == 3

    async with office.screens("chief") as (board,):
        status, taken = await handler.post(f"{path}/take")
        assert (status, taken["phase"]) == (200, "investigating")
        assert taken["responsible"]["name"] == "Handler"
        status, problem = await handler.post(f"{path}/resolve", {"gist": "Долго ждал"})
        assert (status, problem["missing"]) == (422, ["category"])
        status, resolved = await handler.post(f"{path}/resolve", done)
        assert (status, resolved["phase"]) == (200, "responded")
        changed = lambda told: told["phase"] == "responded"  # noqa: E731
        assert (await board.told("appeal.changed", changed))["version"] == resolved["version"]
    times = resolved["times"]
    assert 0 < times["wait_s"] < times["take_s"] < times["resolution_s"]
    assert [stage["s"] is None for stage in times["stages"]] == [False, False, True]
    assert (await handler.bytes(f"/recordings/{recording['id']}/audio"))[0] == 200
