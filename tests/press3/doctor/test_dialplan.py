"""The rendered dialplan read back, and where Queue's member gosub stands in it."""

import pytest

from ivr.dialplan import render_dialplan
from ivr.menu import Action, Menu
from press3.doctor.dialplan import gosub_place, steps_of

MENU = Menu(queue="complaints", keys={"1": Action.parse("queue:sales"), "*": Action.parse("menu")})


def test_every_step_of_the_rendered_dialplan_is_read() -> None:
    text = render_dialplan(MENU)
    steps = steps_of(text)
    assert len(steps) == text.count("\nexten => ") + text.count("\n same => ")
    assert {step.context for step in steps} == {
        "press3-menu", "press3-complaint", "press3-answered", "press3-ended",
    }  # fmt: skip
    places = {step.place: str(step) for step in steps}
    assert places["press3-menu,s,1"] == "Answer()"
    assert places["press3-menu,3,1"].endswith("Set(CHANNEL(hangup_handler_push)=press3-ended,s,1))")
    assert places["press3-menu,3,3"] == "Goto(press3-complaint,s,1)"
    assert places["press3-menu,*,1"] == "Goto(press3-menu,s,1)"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ("complaints,t,,,300,,press3-answered", 7),
        ("complaints,t,,,300,,,press3-answered", 8),
        ("complaints,t", None),
    ],
)
def test_the_place_of_the_gosub(data: str, place: int | None) -> None:
    assert gosub_place(data) == place
