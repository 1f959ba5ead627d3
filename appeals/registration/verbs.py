"""The verbs of people: take, resolve, patch. One verb is one transaction.

Each loads the appeal locked, asks the rights, changes it, records the history and publishes the
change. Call verbs through `appeals.case.performing.perform`: it commits the verb, or in its place
the record of its refusal.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from sqlalchemy.ext.asyncio import AsyncSession

from appeals.case import changing, conflicts, subjects, texts
from appeals.case.changing import Step
from appeals.case.entries import Changed
from appeals.case.errors import Invalid, Missing, NotFound, VersionConflict, WrongStage
from appeals.case.history import Record
from appeals.case.model import Appeal, Category, Kind, RecordType
from appeals.case.performing import check, refused
from appeals.case.rights import Action, Person, Reason, Refusal, Subject, conflict, may
from appeals.case.stages import REQUIRED, UNRESOLVED, Verb
from appeals.registration.entries import Chosen, StageChanged
from people.model import Employee, Role

__all__ = [
    "Patch",
    "patch",
    "resolve",
    "take",
]


class Patch(TypedDict, total=False):
    """The fields to change, absent ones stay. `responsible`, `accused` are employee ids."""

    gist: str | None
    category: str | None
    type: str
    result: str | None
    responsible: int | None
    accused: int | None


async def take(
    session: AsyncSession,
    number: int,
    actor: Person,
    *,
    now: datetime,
    if_version: int | None = None,
) -> Appeal:
    """Take the appeal into work: `actor` becomes the person responsible."""
    appeal, subject = await _load(session, number, actor)
    check(actor, Action.TAKE, subject)
    _match(appeal, if_version)
    before = appeal.responsible_id
    step = await changing.move(session, appeal, Verb.TAKE, at=now)
    appeal.responsible_id = actor.id
    chosen = Chosen(old=before, new=actor.id)
    await changing.write(session, appeal, _stepped(actor, now, step, chosen), now=now)
    return appeal


async def resolve(
    session: AsyncSession,
    number: int,
    actor: Person,
    *,
    gist: str | None,
    category: str | None,
    now: datetime,
    result: str | None = None,
    if_version: int | None = None,
) -> Appeal:
    """Close the analysis.

    Raises:
        Missing: gist or category is neither given now nor noted before.
    """
    appeal, subject = await _load(session, number, actor)
    check(actor, Action.RESOLVE, subject)
    _match(appeal, if_version)
    step = await changing.move(session, appeal, Verb.RESOLVE, at=now)
    given = {"gist": gist, "category": category, "result": result}
    records = await _set_plain(
        session, appeal, {k: v for k, v in given.items() if v is not None}, actor, now
    )
    _require(appeal)
    await changing.write(session, appeal, *records, _stepped(actor, now, step), now=now)
    return appeal


def _require(appeal: Appeal) -> None:
    if missing := [name for name in REQUIRED if not getattr(appeal, name)]:
        raise Missing(missing)


async def patch(
    session: AsyncSession,
    number: int,
    actor: Person,
    changes: Patch,
    *,
    now: datetime,
    if_version: int | None = None,
) -> Appeal:
    """Change fields; each change is written to the history with its old and its new value.

    Choosing a person responsible assigns the appeal (or, with None, gives it back); naming the
    accused takes it from them. Nothing is published or recorded when nothing changes.
    """
    appeal, subject = await _load(session, number, actor)
    plain: dict[str, Any] = {name: value for name, value in changes.items() if name in _PLAIN}
    for action in await _needed(session, appeal, plain):
        check(actor, action, subject)
    _match(appeal, if_version)
    records = await _set_plain(session, appeal, plain, actor, now)
    if appeal.phase not in UNRESOLVED:
        _require(appeal)
    if "accused" in changes and changes["accused"] != appeal.accused_id:
        check(actor, Action.ACCUSE, subject)
        records += await _accuse(session, appeal, changes["accused"], actor, now)
    if "responsible" in changes:
        records += await _assign(session, appeal, changes["responsible"], actor, now)
    if records:
        await changing.write(session, appeal, *records, now=now)
    return appeal


async def _needed(session: AsyncSession, appeal: Appeal, values: Mapping[str, Any]) -> list[Action]:
    """Return what must be allowed for these changes: of one that changes nothing only reading."""
    needed = {Action.READ}
    for name, new in values.items():
        old = getattr(appeal, name)
        if new == old:
            continue
        if name in REQUIRED:
            needed.add(Action.PATCH if old else Action.NOTE)
        elif name == "type":
            needed.add(await _retyping(session, appeal, new))
        else:
            needed.add(Action.PATCH)
    return [action for action in Action if action in needed]


_CONTESTED: Final = frozenset({Kind.COMPLAINT, Kind.CLAIM})


async def _retyping(session: AsyncSession, appeal: Appeal, code: str | None) -> Action:
    """Return what a change of the type to `code` is, as the rights see it.

    RETYPE, a supervisor's, when a pressed case leaves complaint and claim or comes back.
    """
    known = await session.get(RecordType, code) if code else None
    kinds = {Kind(appeal.kind), *([Kind(known.kind)] if known else [])}
    stays = len(kinds) == 1 or kinds <= _CONTESTED
    return Action.PATCH if stays or appeal.press_key is None else Action.RETYPE


async def _load(session: AsyncSession, number: int, actor: Person) -> tuple[Appeal, Subject]:
    """Return the appeal, locked, and what the rights must know of it.

    Its accused knows that it exists: each of their verbs is refused, and recorded.

    Raises:
        NotFound: there is none that the person may read.
    """
    appeal = await changing.load(session, number)
    subject = await subjects.for_verb(session, appeal, actor)
    if may(actor, Action.READ, subject) == Refusal(Reason.OUT_OF_SCOPE):
        raise NotFound("appeal", number)
    return appeal, subject


def _match(appeal: Appeal, if_version: int | None) -> None:
    if if_version is not None and if_version != appeal.version:
        raise VersionConflict(appeal.number, expected=if_version, actual=appeal.version)


_PLAIN: Final = ("gist", "category", "type", "result")


async def _set_plain(
    session: AsyncSession,
    appeal: Appeal,
    values: Mapping[str, Any],
    actor: Person,
    now: datetime,
) -> list[Record]:
    records = []
    for name, new in values.items():
        old = getattr(appeal, name)
        if new == old:
            continue
        await _check_value(session, appeal, name, new)
        setattr(appeal, name, new)
        records.append(_changed(actor, now, name, old, new))
        if name == "gist":
            await texts.text_changed(session, appeal)
    return records


async def _check_value(session: AsyncSession, appeal: Appeal, name: str, new: str | None) -> None:
    if name == "category" and new is not None and await session.get(Category, new) is None:
        raise Invalid("category", new, "there is no such category")
    if name == "type":
        known = await session.get(RecordType, new) if new else None
        if known is None:
            raise Invalid("type", new, "there is no such type")
        appeal.kind = known.kind


async def _accuse(
    session: AsyncSession, appeal: Appeal, accused: int | None, actor: Person, now: datetime
) -> list[Record]:
    """Name or clear the accused. The old conflict is lifted by its own row, the new one added."""
    if accused is not None:
        await _employee(session, "accused", accused)
    old, number = appeal.accused_id, appeal.number
    record = _changed(actor, now, "accused", old, accused)
    if old is not None:
        await conflicts.lift(session, number, old, conflicts.ACCUSED, at=now, by=actor.id)
    if accused is not None:
        await conflicts.add(session, number, {accused: now}, conflicts.ACCUSED, by=actor.id)
    appeal.accused_id = accused
    await session.flush()
    as_now = await subjects.for_verb(session, appeal, actor)
    return [record, *await changing.withdraw_responsible(session, appeal, as_now, now=now)]


async def _assign(
    session: AsyncSession, appeal: Appeal, responsible: int | None, actor: Person, now: datetime
) -> list[Record]:
    if responsible == appeal.responsible_id:
        return []
    verb = Verb.ASSIGN if responsible is not None else Verb.RETURN
    subject = await subjects.for_verb(
        session, appeal, actor
    )  # with the accused of this very change
    check(actor, Action(verb.value), subject)
    if appeal.phase not in UNRESOLVED:
        raise WrongStage(appeal.phase, verb)
    if responsible is not None:
        await _check_responsible(session, responsible, actor, subject)
    old, appeal.responsible_id = appeal.responsible_id, responsible
    step = await changing.move(session, appeal, verb, at=now)
    chosen = _changed(actor, now, "responsible", old, responsible)
    return [chosen, _stepped(actor, now, step)]


async def _check_responsible(
    session: AsyncSession, responsible: int, actor: Person, subject: Subject
) -> None:
    """Refuse a person in conflict as responsible; `reason` is that person's conflict."""
    employee = await _employee(session, "responsible", responsible)
    if (reason := conflict(employee.id, subject)) is not None:
        raise refused(actor, Verb.ASSIGN, subject, reason)


async def _employee(session: AsyncSession, field: str, employee_id: int) -> Employee:
    employee = await session.get(Employee, employee_id)
    if employee is None or employee.disabled_at is not None:
        raise Invalid(field, employee_id, "there is no such employee")
    return employee


def _changed(actor: Person, now: datetime, name: str, old: object, new: object) -> Record:
    entry = Changed(field=name, as_=str(actor.role), old=old, new=new)
    return Record(now, entry, actor.id)


def _stepped(actor: Person, now: datetime, step: Step, responsible: Chosen | None = None) -> Record:
    stands_in = str(actor.role) if actor.role == Role.ADMIN else None
    entry = StageChanged(**step._asdict(), responsible=responsible, as_=stands_in)
    return Record(now, entry, actor.id)
