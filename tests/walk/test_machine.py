"""A walk through a call centre and its faults: whatever people do and the link loses, the stories hold."""

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.walk.cases import Case, Phone
from tests.walk.centre import Centre
from tests.walk.invariants import (
    each_fact_once,
    nothing_is_left,
    replayed,
    story_is_whole,
    times_in_order,
)
from tests.walk.listener import Listener
from tests.walk.switch import Line, Switch
from tests.walk.wire import Wire
from tests.walk.witness import same_story, shown_now

NUMBERS = ("+79110000001", "89110000002", "74959990003", "", "anonymous", "101", "sip:bob@x")
NAMES = ("Иван", "", "O'Neil|1;<b>", "a" * 80)
MEMBERS = ("plain", "plain", "local", "two_devices")


def can(ready: Callable[["Day"], object]) -> Callable[["Day"], bool]:
    return lambda day: bool(ready(day))


class Day(RuleBasedStateMachine):
    """People act (the rules of `Centre`); what they cause travels over `Wire` to the `Listener`."""

    FAITHFUL = False  # the link loses, doubles and swaps nothing

    def __init__(self) -> None:
        super().__init__()
        self.switch = Switch()
        self.centre = Centre(self.switch)
        self.listener = Listener()
        self.wire = Wire(self.switch, self.listener)

    def pick(self, data: st.DataObject, cases: list[Case]) -> Case:
        return data.draw(st.sampled_from(cases), label="case")

    # -- people ---------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.3, 1.5, 3, 20)))
    def time_passes(self, seconds: float) -> None:
        self.switch.wait(seconds)

    @precondition(lambda self: len(self.centre.at("gone")) > len(self.centre.cases) - 4)
    @rule(
        number=st.sampled_from(NUMBERS),
        name=st.sampled_from(NAMES),
        to_menu=st.sampled_from((True, True, False)),
    )
    def somebody_calls(self, number: str, name: str, to_menu: bool) -> None:
        self.centre.calls_in(number, name, to_menu=to_menu)

    @precondition(can(lambda self: self.centre.at("menu")))
    @rule(data=st.data())
    def he_presses_3(self, data: st.DataObject) -> None:
        self.centre.presses(self.pick(data, self.centre.at("menu")))

    @precondition(can(lambda self: self.centre.at("registering")))
    @rule(data=st.data())
    def he_joins(self, data: st.DataObject) -> None:
        self.centre.joins(self.pick(data, self.centre.at("registering")))

    @precondition(can(lambda self: self.idle() and self.centre.free()))
    @rule(data=st.data(), member=st.sampled_from(MEMBERS))
    def telephones_ring(self, data: st.DataObject, member: str) -> None:
        case = self.pick(data, self.idle())
        who = data.draw(
            st.lists(st.sampled_from(self.centre.free()), min_size=1, max_size=3, unique=True)
        )
        self.centre.rings(case, who, member)  # type: ignore[arg-type]

    def idle(self) -> list[Case]:
        return [case for case in self.centre.at("queue", "dialling") if not case.phones]

    def rung(self, data: st.DataObject) -> tuple[Case, Phone]:
        case = self.pick(data, self.centre.ringing())
        return case, data.draw(st.sampled_from(case.phones), label="phone")

    @precondition(can(lambda self: self.centre.ringing()))
    @rule(data=st.data())
    def one_answers(self, data: st.DataObject) -> None:
        case, phone = self.rung(data)
        device = data.draw(st.sampled_from(phone.devices))
        self.centre.accepts(case, phone, device)

    @precondition(can(lambda self: self.centre.ringing()))
    @rule(data=st.data(), how=st.sampled_from(("rejected", "busy", "failed")))
    def one_refuses(self, data: st.DataObject, how: str) -> None:
        case, phone = self.rung(data)
        self.centre.refuses(case, phone, how)
        if not case.phones and not case.in_queue:
            self.centre.round_over(case)

    @precondition(can(lambda self: self.centre.ringing()))
    @rule(data=st.data())
    def the_round_is_over(self, data: st.DataObject) -> None:
        self.centre.round_over(self.pick(data, self.centre.ringing()))

    @precondition(can(lambda self: self.centre.at("queue")))
    @rule(
        data=st.data(),
        status=st.sampled_from(("TIMEOUT", "LEAVEEMPTY")),
        to_menu=st.booleans(),
    )
    def the_queue_is_over(self, data: st.DataObject, status: str, to_menu: bool) -> None:
        self.centre.queue_over(self.pick(data, self.centre.at("queue")), status, to_menu=to_menu)

    @precondition(can(lambda self: self.pickable()))
    @rule(data=st.data(), told_late=st.booleans())
    def a_colleague_picks_up(self, data: st.DataObject, told_late: bool) -> None:
        case, phone = data.draw(st.sampled_from(self.pickable()))
        free = data.draw(st.sampled_from(self.centre.free()))
        self.centre.picks_up(case, phone, free, told_late=told_late)

    def pickable(self) -> list[tuple[Case, Phone]]:
        cases = self.centre.ringing() if self.centre.free() else []
        return [(case, phone) for case in cases for phone in case.phones if phone.half is None]

    @precondition(can(lambda self: self.here()))
    @rule(data=st.data())
    def the_caller_hangs_up(self, data: st.DataObject) -> None:
        self.centre.gives_up(self.pick(data, self.here()))

    def here(self) -> list[Case]:
        return [case for case in self.centre.cases if case.where != "gone"]

    @precondition(can(lambda self: self.centre.talking()))
    @rule(data=st.data())
    def the_operator_hangs_up(self, data: st.DataObject) -> None:
        self.centre.operator_hangs_up(self.pick(data, self.centre.talking()))

    @precondition(can(lambda self: self.centre.talking()))
    @rule(data=st.data())
    def hold_or_back(self, data: st.DataObject) -> None:
        self.centre.holds(self.pick(data, self.centre.talking()))

    @precondition(can(lambda self: self.handable()))
    @rule(data=st.data(), to_queue=st.booleans())
    def sent_on_blindly(self, data: st.DataObject, to_queue: bool) -> None:
        case = self.pick(data, self.handable())
        if to_queue:
            self.centre.sends_on(case, "600")
            self.centre.joins(case)
        else:
            self.centre.sends_on(case, "103")

    def handable(self) -> list[Case]:
        return [case for case in self.centre.talking() if case.story.direction == "in"]

    @precondition(can(lambda self: self.handable()))
    @rule(data=st.data())
    def parked(self, data: st.DataObject) -> None:
        self.centre.parks(self.pick(data, self.handable()))

    @precondition(can(lambda self: self.centre.at("parked") and self.centre.free()))
    @rule(data=st.data())
    def fetched(self, data: st.DataObject) -> None:
        case = self.pick(data, self.centre.at("parked"))
        self.centre.fetches(case, data.draw(st.sampled_from(self.centre.free())))

    @precondition(can(lambda self: self.handable() and self.centre.free()))
    @rule(data=st.data(), own_line=st.booleans())
    def consults(self, data: st.DataObject, own_line: bool) -> None:
        case = self.pick(data, self.handable())
        colleague = data.draw(st.sampled_from(self.centre.free()))
        self.centre.consults(case, colleague, own_line=own_line)

    @precondition(can(lambda self: self.centre.consulting(up=False)))
    @rule(data=st.data(), busy=st.booleans())
    def the_colleague(self, data: st.DataObject, busy: bool) -> None:
        case = self.pick(data, self.centre.consulting(up=False))
        (self.centre.colleague_refuses if busy else self.centre.colleague_answers)(case)

    @precondition(can(lambda self: self.centre.consulting(up=True)))
    @rule(data=st.data(), over=st.booleans())
    def after_the_consultation(self, data: st.DataObject, over: bool) -> None:
        case = self.pick(data, self.centre.consulting(up=True))
        (self.centre.hands_over if over else self.centre.takes_back)(case)

    @precondition(can(lambda self: self.centre.free()))
    @rule(data=st.data(), by_click=st.booleans())
    def an_operator_calls_out(self, data: st.DataObject, by_click: bool) -> None:
        extension = data.draw(st.sampled_from(self.centre.free()))
        self.centre.calls_out(extension, "89110000009", by_click=by_click)

    @precondition(can(lambda self: self.centre.at("leaving")))
    @rule(data=st.data())
    def the_called_customer_answers(self, data: st.DataObject) -> None:
        self.centre.customer_answers(self.pick(data, self.centre.at("leaving")))

    @precondition(lambda self: not self.centre.others and len(self.centre.free()) > 1)
    @rule()
    def colleagues_talk(self) -> None:
        self.centre.colleagues_talk(*self.centre.free()[:2])

    @precondition(can(lambda self: self.centre.others))
    @rule()
    def colleagues_part(self) -> None:
        self.centre.colleagues_part()

    @precondition(can(lambda self: self.switch.lines))
    @rule(data=st.data())
    def a_masquerade(self, data: st.DataObject) -> None:
        line: Line = data.draw(st.sampled_from(list(self.switch.lines.values())))
        self.centre.masquerade(line)

    @precondition(can(lambda self: self.halved()))
    @rule(data=st.data())
    def a_local_optimises(self, data: st.DataObject) -> None:
        self.centre.optimises(self.pick(data, self.halved()))

    def halved(self) -> list[Case]:
        return [case for case in self.centre.talking() if case.talker and case.talker.half]

    @precondition(can(lambda self: self.here()))
    @rule(data=st.data())
    def recorded_once_more(self, data: st.DataObject) -> None:
        case = self.pick(data, self.here())
        if case.key == "":
            self.centre.records(case)

    # -- the line -------------------------------------------------------------------------------

    @precondition(lambda self: self.wire.up)
    @rule()
    def heard(self) -> None:
        self.wire.deliver()

    @invariant()
    def nothing_impossible(self) -> None:
        self.switch.wait(0.1)  # nobody does two things in a tenth of a second
        each_fact_once([f for facts in self.listener.stored.values() for f in facts])

    @invariant()
    def what_is_shown_is_true(self) -> None:
        """Once all is heard and read: who rings, talks and waits is who is shown to."""
        if self.wire.up and self.wire.owed is None and not self.switch.wire:
            stories = list(self.listener.stories.values())
            shown_now(self.centre.cases, stories, gaps=self.wire.gaps)

    # -- the end of the day ---------------------------------------------------------------------

    def teardown(self) -> None:
        for case in self.here():
            self.centre.gives_up(case)
        self.centre.colleagues_part()
        assert self.switch.lines == {}, "the model leaks"
        self.switch.wait(30)
        self.wire.ends()
        nothing_is_left(self.listener)
        self.check_stories()

    def check_stories(self) -> None:
        for call, facts in self.listener.stored.items():
            story = replayed(facts)
            assert story == self.listener.stories[call]
            times_in_order(story)
            story_is_whole(story)
        stories = list(self.listener.stories.values())
        for case in self.centre.cases:
            same_story(case, stories, exact=self.FAITHFUL, gaps=self.wire.gaps)


class FaithfulDay(Day):
    """Every event arrives, once and in order: then the story is the witness's, word for word."""

    FAITHFUL = True


class SwappedDay(Day):
    """Neighbouring events of different channels may change places; none is lost."""

    @rule(seed=st.integers(0, 2**16))
    def heard_in_another_order(self, seed: int) -> None:
        self.wire.swap(random.Random(seed))
        self.wire.deliver()


class RoughDay(SwappedDay):
    """The link swaps and loses; press3 dies and comes back; so does the PBX."""

    @precondition(lambda self: self.wire.up)
    @rule()
    def the_link_is_lost(self) -> None:
        self.wire.cut()

    @precondition(lambda self: not self.wire.up)
    @rule()
    def login(self) -> None:
        self.wire.login()

    @precondition(lambda self: self.wire.owed)
    @rule()
    def the_gap_is_read(self) -> None:
        self.wire.catch_up()

    @precondition(lambda self: self.wire.up and not self.wire.owed)
    @rule()
    def swept(self) -> None:
        self.wire.sweep()

    @rule()
    def press3_dies(self) -> None:
        self.wire.cut()
        self.listener.dies()

    @rule()
    def the_pbx_dies(self) -> None:
        self.wire.cut()
        self.centre.power_cut()


@pytest.mark.parametrize("day", [FaithfulDay, SwappedDay, RoughDay])
def test_a_day(day: type[Day], examples: int) -> None:
    checks = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
    )
    run_state_machine_as_test(day, settings=checks)
