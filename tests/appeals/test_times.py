from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from appeals.case.times import CallTimes, CaseTimes, VisitTimes, first_contact_after, times
from calls.story import CallStory
from people.model import Role
from tests.appeals.world import CUSTOMER, NOON, World
from tests.calls.builders import START, Pbx

OMSK = ZoneInfo("Asia/Omsk")


def s(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def call(**known: Any) -> CallTimes:
    names = [
        "pressed_at",
        "queue_wait_s",
        "first_ring_at",
        "answered_at",
        "ended_at",
        "outcome",
    ]
    return CallTimes(**(dict.fromkeys(names) | known))


def case(**known: Any) -> CaseTimes:
    values: dict[str, Any] = {"first_contact_at": None, "taken_at": None, "resolved_at": None}
    return CaseTimes(**(values | {"opened_at": NOON} | known))


def test_a_call_that_was_answered() -> None:
    told = times(
        case(first_contact_at=s(20), taken_at=s(600), resolved_at=s(7200)),
        call(
            pressed_at=s(0),
            first_ring_at=s(6),
            answered_at=s(20),
            queue_wait_s=16,
            ended_at=s(90),
            outcome="answered",
        ),
    )
    assert told == {
        "queue_wait_s": 16,
        "wait_s": 20,
        "abandoned_after_s": None,
        "ring_s": 14,
        "first_contact_s": 20,
        "take_s": 600,
        "stages": [],
        "resolution_s": 7200,
    }


def test_a_call_that_was_given_up() -> None:
    told = times(case(), call(pressed_at=s(0), ended_at=s(33.25), outcome="abandoned"))
    assert told["abandoned_after_s"] == 33.25
    assert told["wait_s"] is None
    assert told["ring_s"] is None


def test_a_call_that_the_pbx_ended_was_not_given_up() -> None:
    told = times(case(), call(pressed_at=s(0), ended_at=s(33.25), outcome="closed"))
    assert (told["abandoned_after_s"], told["wait_s"]) == (None, None)


def test_who_spoke_before_the_press_was_not_reached_by_it() -> None:
    told = times(case(), call(pressed_at=s(0), answered_at=s(-30), first_ring_at=s(-35)))
    assert told["wait_s"] is None
    assert told["ring_s"] == 5
    assert first_contact_after(NOON, [s(-30), None, s(70), s(50)]) == s(50)
    assert first_contact_after(NOON, [s(-30), None]) is None


def test_stages_with_their_time_and_none_for_the_one_it_is_in() -> None:
    visits = [
        VisitTimes(stage="Зафиксирована", entered_at=s(0), left_at=s(61.5)),
        VisitTimes(stage="В работе", entered_at=s(61.5), left_at=None),
    ]
    assert times(case(visits=visits), None)["stages"] == [
        {"stage": "Зафиксирована", "s": 61.5},
        {"stage": "В работе", "s": None},
    ]


def test_an_appeal_without_a_call_has_the_same_names() -> None:
    assert set(times(case(), None)) == set(times(case(), call()))


def talked(*, held: bool) -> CallStory:
    """Ivan presses, waits ten seconds, Anna's telephone rings for four of them, they talk for a minute."""
    pbx = Pbx()

    def second(n: float) -> None:
        pbx.now = START + timedelta(seconds=n)

    ivan = pbx.incoming("+79110000001", to="74951234567")
    second(1)
    ivan.presses_3()
    ivan.joins("complaints")
    if held:
        second(2)
        ivan.holds()
        second(5)
        ivan.resumes()
    second(7)
    anna = ivan.rings("PJSIP/101")
    second(11)
    anna.answers()
    ivan.talks_to(anna)
    ivan.leaves("complaints")
    if held:
        second(12)
        anna.holds()
        second(50)
        anna.resumes()
    second(71)
    ivan.hangs_up()
    anna.is_gone()
    return pbx.story


def test_a_hold_in_the_wait_or_in_the_talk_changes_no_time() -> None:
    plain, held = talked(held=False), talked(held=True)
    (leg,) = held.legs
    assert [(to - since).total_seconds() for since, to in leg.holds if to] == [38]
    told = [times(case(opened_at=each.pressed_at), times_of(each)) for each in (plain, held)]
    assert told[0] == told[1]
    assert round(told[1]["wait_s"]) == 10
    assert round(told[1]["queue_wait_s"]) == 10
    assert round(told[1]["ring_s"]) == 4
    assert [each.outcome for each in (plain, held)] == ["answered"] * 2
    assert plain.legs[0].ended_at == leg.ended_at


def times_of(story: CallStory) -> CallTimes:
    return call(
        pressed_at=story.pressed_at,
        queue_wait_s=story.queue_wait_s,
        first_ring_at=story.first_ring_at,
        answered_at=story.answered_at,
        ended_at=story.ended_at,
        outcome=story.outcome,
    )


def test_a_midnight_between_there_or_in_utc_changes_no_time() -> None:
    """Opened just before midnight, in Omsk or by UTC, whatever zone each time is written in."""
    for midnight in (datetime(2026, 11, 21, tzinfo=OMSK), datetime(2026, 11, 21, tzinfo=UTC)):
        opened, reached = midnight - timedelta(seconds=5), midnight + timedelta(seconds=7)
        for zone in (OMSK, UTC):
            told = times(
                case(
                    opened_at=opened.astimezone(UTC),
                    first_contact_at=reached.astimezone(zone),
                    taken_at=reached.astimezone(zone),
                    visits=[
                        VisitTimes(
                            stage="Зафиксирована",
                            entered_at=opened.astimezone(UTC),
                            left_at=reached.astimezone(zone),
                        )
                    ],
                ),
                call(pressed_at=opened.astimezone(zone), answered_at=reached.astimezone(UTC)),
            )
            names = ("wait_s", "first_contact_s", "take_s")
            assert [told[name] for name in names] == [12, 12, 12], (midnight, zone)
            assert told["stages"] == [{"stage": "Зафиксирована", "s": 12}]


async def test_an_appeal_of_the_last_second_of_the_day_in_omsk_has_its_whole_time(
    world: World,
) -> None:
    world.now = datetime(2026, 11, 21, tzinfo=OMSK).astimezone(UTC) - timedelta(seconds=1)
    opened_at = world.now
    await world.pressed()
    (appeal,) = await world.appeals()
    told = await world.appeal(appeal.number)
    left = datetime.fromisoformat(told["deadline_at"]) - opened_at
    assert left == timedelta(hours=world.settings.resolve_h)


async def test_a_later_contact_moves_no_first_contact(world: World) -> None:
    await world.hire("Анна", extension="101")
    await world.hire("Борис", Role.HANDLER, extension="102")
    answered = await world.pressed()
    world.pass_s(12)
    await answered.answer("101").stored()
    world.pass_s(40)
    answered.transfer("101", to="102")
    await answered.answer("102").stored()
    await answered.end().stored()
    (appeal,) = await world.appeals()

    for direction, hours in (("out", 1), ("in", 5)):
        world.pass_s(hours * 3600)
        ends = ("102", CUSTOMER) if direction == "out" else (CUSTOMER, "88001234567")
        later = world.call(ends[0], name=None, direction=direction, to=ends[1])  # type: ignore[arg-type]
        world.pass_s(9)
        await later.answer("102").stored()
        await later.end().stored()
    told = await world.appeal(appeal.number)
    assert len(told["calls"]) == 3
    assert told["times"]["first_contact_s"] == told["times"]["wait_s"] == 12
    assert (await world.actions(appeal.number)).count("first_contact") == 1


moments = st.none() | st.integers(-10_000, 10_000).map(s)


@given(moments, moments, moments, moments, moments, st.sampled_from([None, "abandoned"]))
def test_no_time_is_ever_negative(
    pressed: datetime | None,
    taken: datetime | None,
    rang: datetime | None,
    answered: datetime | None,
    ended: datetime | None,
    outcome: str | None,
) -> None:
    told = times(
        case(first_contact_at=answered, taken_at=taken, resolved_at=ended),
        call(
            pressed_at=pressed,
            first_ring_at=rang,
            answered_at=answered,
            ended_at=ended,
            outcome=outcome,
        ),
    )
    assert all(value is None or value >= 0 for name, value in told.items() if name != "stages")
