"""The PBX's dialplan: what `press3 render` writes is loaded, current and reached; the queue is there."""

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from ami import actions
from ami.errors import AmiError
from ami.replies import Reply
from ivr.dialplan import render_dialplan
from ivr.menu import RENDERED_QUEUE, CantRender
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from press3.menu_files import menu_of

__all__ = ["Step", "findings", "gosub_place", "steps_of"]

_CONTEXTS = ("press3-menu", "press3-complaint", "press3-answered", "press3-ended")
_ENTRIES = ("press3-menu", "press3-complaint")
_LINE = re.compile(r"(?:exten => (\w+|\*|#),1|same => n)(?:\((\w+)\))?,(\w+)\((.*)\)")
_SINCE_21 = 210_000  # VERSION(ASTERISK_VERSION_NUM) of 21.0.0
_WHOLE_LIMIT_S = 20  # a FreePBX has some ten thousand steps


@dataclass(frozen=True, slots=True)
class Step:
    """One priority of the dialplan."""

    context: str
    exten: str
    priority: int
    application: str
    data: str

    @property
    def place(self) -> str:
        return f"{self.context},{self.exten},{self.priority}"

    def __str__(self) -> str:
        return f"{self.application}({self.data})"


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    try:
        steps = [_step(row) for row in await _show(patient) if row.get("Application")]
        for finding in _loaded(patient, steps):
            yield finding
        is_there = any(step.context == "press3-complaint" for step in steps)
        if is_there:
            yield await _gosub(patient, steps)
        if is_there or not patient.is_observed:
            yield await _queue(patient)
    except AmiError as error:
        yield fail(
            f"{patient.name}: the PBX does not tell what is loaded: {error}",
            "render manager_press3.conf anew: it gives write = reporting",
        )


async def _show(patient: Patient) -> Sequence[Reply]:
    return await patient.link.action_list("ShowDialPlan", timeout_s=_WHOLE_LIMIT_S)


def _step(row: Reply) -> Step:
    priority = row.get("Priority")
    return Step(
        row.get("Context"),
        row.get("Extension"),
        int(priority) if priority.isdecimal() else 0,
        row.get("Application"),
        row.get("AppData"),
    )


def _loaded(patient: Patient, steps: Sequence[Step]) -> Iterator[Finding]:
    """Whether the PBX has taken in what was rendered: an include or a reload is soon forgotten."""
    there = {step.context for step in steps}
    absent = [context for context in _CONTEXTS if context not in there]
    if absent:
        said = f"{patient.name}: no dialplan {', '.join(absent)}"
        advice = (
            "include extensions_press3.conf (see the rendered README.txt), then: dialplan reload"
        )
        if patient.is_observed:
            yield warn(f"{said}: presses are only observed, and not kept on the PBX", advice)
        else:
            yield fail(f"{said}, key 3 leads nowhere", advice)
        return
    yield ok(f"{patient.name}: dialplan press3-complaint is loaded")
    yield from _current(patient, steps)
    leads = [s for s in steps if s.context not in _CONTEXTS and _is_entry(s)]
    if leads:
        yield ok(f"{patient.name}: it is reached from {leads[0].place}")
    else:
        yield warn(
            f"{patient.name}: no extension of the dialplan leads to press3-menu or press3-complaint",
            "let key 3 of your menu do Goto(press3-complaint,s,1), or a number Goto(press3-menu,s,1)",
        )


def _is_entry(step: Step) -> bool:
    return any(re.search(rf"\b{entry}\b", step.data) for entry in _ENTRIES)


def _current(patient: Patient, steps: Sequence[Step]) -> Iterator[Finding]:
    try:
        rendered = steps_of(render_dialplan(menu_of(patient.settings)))
    except CantRender:
        return  # said of the configuration already
    there = {step.place: step for step in steps if step.context in _CONTEXTS}
    for step in rendered:
        found = there.get(step.place)
        if found != step:
            yield warn(
                f"{patient.name}: the loaded dialplan is not what this configuration renders; at "
                f"{step.place} it does {found or 'nothing'}, rendered is {step}",
                "render again, copy extensions_press3.conf, then: dialplan reload",
            )
            return


def steps_of(text: str) -> list[Step]:
    """Read a rendered extensions file, as far as `ivr.dialplan` writes such files. Pure."""
    found: list[Step] = []
    context, exten, priority = "", "", 0
    for line in text.splitlines():
        if line.startswith("["):
            context = line.strip("[]")
        elif step := _LINE.fullmatch(line.strip()):
            exten, priority = (step[1], 1) if step[1] else (exten, priority + 1)
            found.append(Step(context, exten, priority, step[3], step[4]))
    return found


async def _gosub(patient: Patient, steps: Sequence[Step]) -> Finding:
    """Whether an answer is marked: Queue takes the member gosub as argument 8 up to 20, as 7 since."""
    told = await actions.getvar(patient.link, "VERSION(ASTERISK_VERSION_NUM)")
    if not told.isdecimal():
        return fail(
            f"{patient.name}: the dialplan can't tell its version, so no answer would be kept",
            "load func_version.so",
        )
    queues = [s for s in steps if s.context == "press3-complaint" and s.application == "Queue"]
    if not queues:
        return warn(f"{patient.name}: press3-complaint has no Queue", "render the dialplan again")
    place = 7 if int(told) >= _SINCE_21 else 8
    if any(gosub_place(step.data) == place for step in queues):
        return ok(f"{patient.name}: answers are marked (Queue's member gosub is argument {place})")
    return fail(
        f"{patient.name}: Asterisk {patient.link.version} takes Queue's member gosub as argument "
        f"{place}, and none of {[str(step) for step in queues]} has press3-answered there: who "
        "answered would not be kept on the PBX",
        "render again, copy extensions_press3.conf, then: dialplan reload",
    )


def gosub_place(data: str) -> int | None:
    """Return which argument of Queue, from 1, is our member gosub; None: it has none. Pure."""
    arguments = [each.strip() for each in data.split(",")]
    return arguments.index("press3-answered") + 1 if "press3-answered" in arguments else None


async def _queue(patient: Patient) -> Finding:
    queue = patient.settings.ivr.queue or RENDERED_QUEUE
    if any(row.event == "QueueParams" for row in await actions.queue_status(patient.link, queue)):
        return ok(f"{patient.name}: queue {queue} is there")
    return fail(
        f"{patient.name}: no queue {queue}, callers would be hung up",
        "include queues_press3.conf, or correct [ivr] queue, then: queue reload all",
    )
