"""Pops as phone calls: who rings, who answers, and what each operator's screen is told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import conflicts
from appeals.case.model import Appeal, AppealCall, Phase
from calls.facts import RingStop
from customers.model import Customer, CustomerPhone
from people.model import Extension, Role
from push import pops
from push.model import Pop
from tests.push.desk import START, Desk, Line


def appeal_row(line: Line, **values: object) -> Appeal:
    fields = {
        "kind": "complaint",
        "type": "ЖК",
        "source": "phone_key",
        "verified": "verified",
        "press_key": f"main/{line.uniqueid}",
        "call_id": line.id,
        "phase": Phase.RECEIVED,
        "stage": "recorded",
        "caller_raw": line.number,
        "department_id": 1,
        "pressed_at": line.desk.now,
        "opened_at": line.desk.now,
        "registered_at": line.desk.now,
    }
    return Appeal(**{**fields, **values})


async def test_ring_all_shows_at_both_and_goes_with_the_right_reasons(desk: Desk) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    await desk.hire("eve", "103")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"), line.rang("102"))
    shown = await desk.told()
    assert [(who, kind) for who, kind, _ in shown] == [(ann.id, "pop.shown"), (bob.id, "pop.shown")]
    assert shown[0][2] == {
        "pop_id": pops.pop_id_of(line.id, ann.id),
        "round": 1,
        "call": line.id,
        "caller": {
            "raw": "+79161234567",
            "e164": "+79161234567",
            "name": "Анна",
            "kind": "public",
        },
        "customer": None,
        "appeal": None,
        "open_appeals": [],
        "acked": False,
    }
    await line.happens(line.stopped("101", "answered"), line.answered("101"))
    await line.happens(line.stopped("102", "elsewhere"))
    assert await desk.told() == [
        (ann.id, "pop.withdrawn", {"pop_id": shown[0][2]["pop_id"], "reason": "answered_here"}),
        (
            bob.id,
            "pop.withdrawn",
            {"pop_id": shown[1][2]["pop_id"], "reason": "answered_elsewhere"},
        ),
    ]


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("answered", "answered_here"),
        ("elsewhere", "answered_elsewhere"),
        ("no_answer", "timeout"),
        ("rejected", "rejected"),
        ("busy", "rejected"),
        ("failed", "unknown"),
        ("abandoned", "abandoned"),
        ("transferred", "transferred"),
        ("unknown", "unknown"),
    ],
)
async def test_every_reason_has_its_word(desk: Desk, stop: RingStop, reason: str) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await line.happens(line.stopped("101", stop))
    *_, (_, kind, data) = await desk.told()
    assert (kind, data["reason"]) == ("pop.withdrawn", reason)


async def test_a_new_round_is_the_same_pop_again(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await line.happens(line.stopped("101", "no_answer"))
    await line.happens(line.rang("101", 2))
    first, _, second = await desk.told()
    assert (second[1], second[2]["round"]) == ("pop.shown", 2)
    assert second[2]["pop_id"] == first[2]["pop_id"]


async def test_two_devices_are_one_pop_until_the_last_stops(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"), line.rang("101", device="b"))
    await line.happens(line.stopped("101", "rejected"))
    assert [kind for _, kind, _ in await desk.told()] == ["pop.shown"]
    await line.happens(line.stopped("101", "no_answer", device="b"))
    await line.happens(line.stopped("101", "no_answer", device="b"))
    assert [data["reason"] for _, _, data in await desk.told()] == ["timeout"]


async def test_who_talks_without_having_rung_gets_the_card_as_his_current_call(desk: Desk) -> None:
    """Pickup, a parked call taken back, an own second line, a call he placed himself."""
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "103")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await line.happens(line.stopped("101", "elsewhere"), line.answered("103"))
    mine, his = pops.pop_id_of(line.id, ann.id), pops.pop_id_of(line.id, bob.id)
    told = [(who, kind, data.get("reason")) for who, kind, data in await desk.told()]
    assert told == [
        (ann.id, "pop.shown", None),
        (ann.id, "pop.withdrawn", "answered_elsewhere"),
        (bob.id, "pop.shown", None),
        (bob.id, "pop.withdrawn", "answered_here"),
    ]
    await line.happens(line.left("103"), line.answered("101", 2))
    left, shown, withdrawn = await desk.told()
    assert left == (bob.id, "call.left", {"call": line.id, "pop_id": his})
    assert (shown[1], shown[2]["pop_id"], shown[2]["round"]) == ("pop.shown", mine, 2)
    assert withdrawn[2] == {"pop_id": mine, "reason": "answered_here"}


async def test_who_changes_his_line_keeps_his_card(desk: Desk) -> None:
    ann = await desk.hire("ann", "101", "199")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await line.happens(line.stopped("101", "answered"), line.answered("101"))
    await desk.told()
    await line.happens(line.answered("199"), line.left("101"))
    assert await desk.told() == []
    await line.happens(line.left("199"))
    assert [(who, kind) for who, kind, _ in await desk.told()] == [(ann.id, "call.left")]


async def test_a_talk_learned_after_a_gap_shows_its_card_only_while_it_lasts(desk: Desk) -> None:
    ann = await desk.hire("ann", "101")
    lasts, over = Line(desk), Line(desk, uniqueid="1763712000.9")
    await lasts.happens(lasts.arrived(), replace(lasts.answered("101"), recovered=True))
    assert [(who, kind) for who, kind, _ in await desk.told()] == [
        (ann.id, "pop.shown"),
        (ann.id, "pop.withdrawn"),
    ]
    answered = replace(over.answered("101"), recovered=True)
    await over.happens(over.arrived(), answered, over.left("101"), over.ended("answered"))
    assert await desk.told() == []


async def test_answering_on_one_device_decides_for_all(desk: Desk) -> None:
    await desk.hire("ann", "101", "199")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"), line.rang("199"))
    await line.happens(line.stopped("199", "answered"), line.stopped("101", "elsewhere"))
    assert [data.get("reason") for _, _, data in await desk.told()] == [None, "answered_here"]


async def test_an_answer_without_its_ring_stop_withdraws_too(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await line.happens(line.answered("101"))
    await line.happens(line.stopped("101", "answered"))
    assert [data.get("reason") for _, _, data in await desk.told()] == [None, "answered_here"]


async def test_leaving_a_call_that_goes_on_is_told_once(desk: Desk) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"), line.stopped("101", "answered"))
    await line.happens(line.left("101"), line.rang("102"), line.stopped("102", "answered"))
    await line.happens(line.left("102"), line.ended("answered"))
    told = [(who, kind) for who, kind, _ in await desk.told()]
    assert told == [
        (ann.id, "pop.shown"),
        (ann.id, "pop.withdrawn"),
        (ann.id, "call.left"),
        (bob.id, "pop.shown"),
        (bob.id, "pop.withdrawn"),
        (bob.id, "call.left"),
    ]


async def test_the_end_of_the_call_takes_what_is_still_shown(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await line.happens(line.ended("abandoned"))
    assert [data.get("reason") for _, _, data in await desk.told()] == [None, "abandoned"]


async def test_of_an_outgoing_call_the_card_shows_whom_it_goes_to(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived("out"), line.rang("101"))
    assert (await desk.told())[0][2]["caller"]["e164"] == line.number


async def test_the_telephone_belongs_to_whom_it_belonged_then(desk: Desk) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob")

    async def hand_over(session: AsyncSession) -> None:
        phone = (await session.scalars(select(Extension).where(Extension.number == "101"))).one()
        phone.until = START + timedelta(hours=1)
        session.add(Extension(number="101", employee_id=bob.id, since=phone.until))

    await desk.writer.run(hand_over)
    early = Line(desk)
    await early.happens(early.arrived(), early.rang("101"))
    desk.later(3600)
    late = Line(desk, uniqueid="1763712000.2")
    await late.happens(late.arrived(), late.rang("101"))
    assert [who for who, _, _ in await desk.told()] == [ann.id, bob.id]


async def test_nobodys_telephone_raises_no_pop(desk: Desk) -> None:
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("777"), line.stopped("777", "answered"))
    assert await desk.told() == []


async def test_the_card_names_customer_appeal_and_open_appeals(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line, old = Line(desk), Line(desk, uniqueid="1763712000.0")

    async def before(session: AsyncSession) -> None:
        customer = Customer(name="ООО «Ромашка»", created_at=START)
        session.add(customer)
        await session.flush()
        session.add(CustomerPhone(number=line.number, customer_id=customer.id))
        session.add(appeal_row(old, number=7, customer_id=customer.id, call_id=None))
        closed = {"press_key": "main/0", "phase": Phase.CLOSED, "stage": "closed"}
        session.add(appeal_row(old, number=6, customer_id=customer.id, call_id=None, **closed))
        session.add(appeal_row(line, number=8, customer_id=customer.id))
        await session.flush()
        session.add(AppealCall(appeal_number=8, call_id=line.id, link="press"))

    line.also = before
    await line.happens(line.arrived(), line.pressed(), line.rang("101"))
    card = (await desk.told())[0][2]
    assert card["customer"]["name"] == "ООО «Ромашка»"
    assert card["appeal"] == 8
    assert card["open_appeals"] == [8, 7]


async def test_the_card_leaves_out_the_appeals_about_its_reader(desk: Desk) -> None:
    """By the column of before and by a stored conflict; a colleague at the next telephone sees both."""
    ann, _ = await desk.hire("ann", "101"), await desk.hire("ben", "102")
    line, old = Line(desk), Line(desk, uniqueid="1763712000.0")

    async def before(session: AsyncSession) -> None:
        customer = Customer(name="ООО «Ромашка»", created_at=START)
        session.add(customer)
        await session.flush()
        session.add(CustomerPhone(number=line.number, customer_id=customer.id))
        for number, accused in ((6, ann.id), (7, None), (8, None)):
            kept = {"press_key": f"main/{number}", "accused_id": accused}
            row = appeal_row(old, number=number, customer_id=customer.id, call_id=None, **kept)
            session.add(row)
        await session.flush()
        await conflicts.add(session, 7, {ann.id: START}, conflicts.ACCUSED, by=None)
        session.add(AppealCall(appeal_number=7, call_id=line.id, link="auto"))

    line.also = before
    await line.happens(line.arrived(), line.rang("101"), line.rang("102"))
    cards = {who: data for who, kind, data in await desk.told() if kind == "pop.shown"}
    assert (cards[ann.id]["appeal"], cards[ann.id]["open_appeals"]) == (None, [8])
    (other,) = (card for who, card in cards.items() if who != ann.id)
    assert (other["appeal"], other["open_appeals"]) == (7, [8, 7, 6])


async def test_ringing_learned_after_a_gap_shows_only_what_rings_still(desk: Desk) -> None:
    await desk.hire("ann", "101")
    over = Line(desk)
    await over.happens(
        over.arrived(), over.rang("101", recovered=True), over.stopped("101", "no_answer")
    )
    assert await desk.told() == []
    rings = Line(desk, uniqueid="1763712000.2")
    await rings.happens(rings.arrived(), rings.rang("101", recovered=True))
    assert [kind for _, kind, _ in await desk.told()] == ["pop.shown"]


async def test_a_press_learned_late_corrects_the_pop_without_a_new_round(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))

    async def opened(session: AsyncSession) -> None:
        session.add(appeal_row(line, number=5))
        await session.flush()
        session.add(AppealCall(appeal_number=5, call_id=line.id, link="press"))

    line.also = opened
    await line.happens(line.pressed(recovered=True))
    shown, again = await desk.told()
    assert (again[1], again[2]) == ("pop.shown", {**shown[2], "appeal": 5})


async def test_a_flood_of_unverified_presses_raises_no_pops(desk: Desk) -> None:
    await desk.hire("ann", "101")
    for n in range(7):
        line = Line(desk, uniqueid=f"176371200{n}.1")

        async def opened(session: AsyncSession, line: Line = line) -> None:
            session.add(appeal_row(line, verified="unverified"))

        line.also = opened
        await line.happens(line.arrived(), line.pressed("unverified"), line.rang("101"))
        desk.later(5)
    assert len(await desk.told()) == 5
    desk.later(60)
    calm = Line(desk, uniqueid="1763712099.1")
    await calm.happens(calm.arrived(), calm.pressed("unverified"), calm.rang("101"))
    assert len(await desk.told()) == 1


async def test_an_ack_is_noted_once_and_only_by_whom_it_was_shown_to(desk: Desk) -> None:
    ann, bob = await desk.hire("ann", "101"), await desk.hire("bob", "102")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    pop_id = pops.pop_id_of(line.id, ann.id)
    await desk.told()

    async def ack(who: int) -> bool:
        return await desk.writer.run(lambda s: pops.ack(s, pop_id, who, now=desk.now))

    assert [await ack(bob.id), await ack(ann.id), await ack(ann.id)] == [False, True, False]
    assert await desk.told() == [(ann.id, "pop.acked", {"pop_id": pop_id})]
    assert not await desk.writer.run(lambda s: pops.ack(s, "no such pop", ann.id, now=desk.now))
    await line.happens(line.stopped("101", "no_answer"), line.rang("101", 2))
    assert (await desk.told())[-1][2]["acked"] is True


async def test_a_restart_closes_what_a_killed_service_left_shown(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"))
    await desk.told()

    async def end_unseen(session: AsyncSession) -> int:
        from calls.model import Call

        call = await session.get_one(Call, line.id)
        call.ended_at, call.outcome = desk.now, "abandoned"
        await session.flush()
        return await pops.close_stale(session, now=desk.now)

    assert await desk.writer.run(end_unseen) == 1
    assert [data["reason"] for _, _, data in await desk.told()] == ["abandoned"]
    assert await desk.writer.run(lambda s: pops.close_stale(s, now=desk.now)) == 0


async def tick(desk: Desk) -> list[dict[str, object]]:
    await desk.writer.run(lambda s: pops.unseen_tick(s, desk.now))
    return [data for _, kind, data in await desk.told() if kind == "pop.unseen"]


async def test_a_pressed_call_nobody_saw_is_told_once_after_30_seconds(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)

    async def opened(session: AsyncSession) -> None:
        session.add(appeal_row(line, number=5))

    line.also = opened
    await line.happens(line.arrived(), line.pressed(), line.rang("101"))
    line.also = None
    desk.later(15)
    await line.happens(line.stopped("101", "no_answer"), line.rang("101", 2))
    desk.later(14.9)
    assert await tick(desk) == []
    desk.later(0.1)
    assert await tick(desk) == [{"call": line.id, "appeal": 5}]
    desk.later(60)
    await line.happens(line.stopped("101", "no_answer", 2), line.rang("101", 3))
    desk.later(60)
    assert await tick(desk) == []


async def test_unseen_goes_to_supervisors_of_the_appeals_department(desk: Desk) -> None:
    await desk.hire("ann", "101")
    line = Line(desk)

    async def opened(session: AsyncSession) -> None:
        session.add(appeal_row(line, number=5))

    line.also = opened
    await line.happens(line.arrived(), line.pressed(), line.rang("101"))
    desk.later(30)
    await desk.writer.run(lambda s: pops.unseen_tick(s, desk.now))
    from store import outbox

    async with desk.sessions() as session:
        last = (await outbox.read_after(session, 0))[-1]
    assert last.audience == {"employees": [], "roles": [Role.SUPERVISOR], "departments": [1]}


async def test_seen_or_answered_calls_and_calls_without_a_press_are_not_told(desk: Desk) -> None:
    ann = await desk.hire("ann", "101")
    acked, answered, plain = (Line(desk, uniqueid=f"1.{n}") for n in (1, 2, 3))
    await acked.happens(acked.arrived(), acked.pressed(), acked.rang("101"))
    await answered.happens(answered.arrived(), answered.pressed(), answered.rang("101"))
    await plain.happens(plain.arrived(), plain.rang("101"))
    pop_id = pops.pop_id_of(acked.id, ann.id)
    await desk.writer.run(lambda s: pops.ack(s, pop_id, ann.id, now=desk.now))
    await answered.happens(answered.answered("101"))
    desk.later(300)
    assert await tick(desk) == []


async def test_one_pop_per_call_and_employee_whatever_happens(desk: Desk) -> None:
    await desk.hire("ann", "101", "102")
    line = Line(desk)
    await line.happens(line.arrived(), line.rang("101"), line.rang("102"))
    await line.happens(line.stopped("101", "no_answer"), line.stopped("102", "no_answer"))
    await line.happens(line.rang("102", 2))
    async with desk.sessions() as session:
        rows = (await session.scalars(select(Pop))).all()
    assert [(pop.round, pop.ringing, pop.withdrawn_at) for pop in rows] == [
        (2, [f"{line.uniqueid}.102.2a"], None)
    ]


async def test_a_clock_set_back_by_an_hour_does_not_delay_the_supervisor(desk: Desk) -> None:
    await desk.hire("ann", "101")
    desk.later(3600)  # as the clock says when the telephone rings
    line = Line(desk)
    await line.happens(line.arrived(), line.pressed(), line.rang("101"))
    desk.later(-3600)
    assert await tick(desk) == []
    desk.later(31)
    assert len(await tick(desk)) == 1
