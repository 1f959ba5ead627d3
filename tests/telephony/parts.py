"""A recorder and a pipeline that take a tape of events in: no gaps, no departments."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ami.asking import Link
from appeals.intake.presses import IntakeSettings
from calls.numbers import NumberRules
from calls.tracker import Tracker
from calls.triggers import TriggerRules
from press3.telephony_parts import change_handlers
from store.lease import Lease
from store.writer import Writer
from telephony.pipeline import Pipeline
from telephony.recorder import ChangeHandler, Recorder

__all__ = ["new_pipeline", "new_recorder", "new_tracker"]


def new_tracker(pbx: str) -> Tracker:
    return Tracker(pbx, TriggerRules(), NumberRules())


async def new_recorder(
    pbx: str,
    writer: Writer,
    sessions: Any,
    now: Callable[[], datetime],
    *,
    through: Any = None,
    more: tuple[ChangeHandler, ...] = (),
) -> Recorder:
    """`through` stands for the writer; the handlers `more` come after the product's."""
    return Recorder(
        pbx,
        await Lease(writer, pbx).acquire(),
        writer=through or writer,
        sessions=sessions,
        handlers=(*change_handlers(IntakeSettings(departments={})), *more),
        now=now,
    )


def new_pipeline(
    link: Link, recorder: Recorder, tracker: Callable[[], Tracker] | None = None
) -> Pipeline:
    """`tracker` makes the tracker; None: one without rules of its own."""
    return Pipeline(
        link,
        recorder,
        new_tracker=tracker or (lambda: new_tracker(recorder.pbx)),
        catch_up=_nothing,
        link_down=_nothing,
    )


async def _nothing(pipeline: Pipeline, item: object) -> None:
    """A tape has no gaps."""
