"""DOMAIN's table as a matrix: role × kind of link × reading, list, frame, recording, verb.

The expectation is written down here by hand and knows nothing of `appeals.case.rights`. Verbs are tried in
transactions that are undone.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from appeals.card import read
from appeals.case.errors import AppealError, NotFound, Refused
from appeals.case.listening import listen_allowed
from appeals.case.model import AppealCall
from appeals.registration import verbs
from people.access.audience import Audience, Viewer
from people.model import Role
from recordings.model import Recording
from tests.appeals.test_desk import a_recording, patch
from tests.appeals.world import World

R = Role
BY_DEPARTMENT: Final = {R.HANDLER, R.SUPERVISOR, R.AUDITOR}
DESK: Final = {R.HANDLER, R.SUPERVISOR}
TALKERS: Final = {R.OPERATOR, *DESK}

# How a person and an appeal are tied together. In the last four the appeal is another department's.
SAME, ELSEWHERE, RANG, ANSWERED, LINKED, OWN, ACCUSED = (
    "of the department",
    "of another department",
    "rang at the press",
    "answered the press",
    "had a linked call",
    "responsible",
    "accused",
)
LINKS: Final = (SAME, ELSEWHERE, RANG, ANSWERED, LINKED, OWN, ACCUSED)


def reads(role: Role, link: str) -> bool:
    if link == ACCUSED:
        return False
    if role is R.ADMIN or link in (RANG, ANSWERED, OWN):
        return True
    return role in BY_DEPARTMENT and link == SAME


def listens(role: Role, link: str) -> bool:
    """To the call of the press. Who had only the linked call hears that one (tried apart)."""
    return reads(role, link) and link != ANSWERED


VERBS: Final = (
    "take",
    "resolve",
    "return",
    "assign",
    "note",
    "result",
    "other type",
    "other kind",
    "accuse",
)
OWN_ONLY: Final = {"note", "result", "other type", "accuse"}


def does(role: Role, link: str, verb: str) -> bool:
    if not reads(role, link):
        return False
    if link == ANSWERED:
        return verb in ("note", "accuse") and role in TALKERS
    if verb == "assign":
        return role in DESK
    if verb == "other kind":
        return role is R.SUPERVISOR
    if role is R.OPERATOR and verb in OWN_ONLY:
        return link == OWN
    return role in TALKERS  # no admin: a supervisor outside the conflict is there


class _Undone(Exception):
    """Takes an attempt back."""


async def attempt(world: World, verb: Callable[[AsyncSession], Awaitable[Any]]) -> str:
    """Return `allowed`, `refused` or `not there`; a step that the case does not allow is allowed."""

    async def work(session: AsyncSession) -> None:
        await verb(session)
        raise _Undone

    try:
        await world.writer.run(work)
    except _Undone:
        return "allowed"
    except Refused:
        return "refused"
    except NotFound:
        return "not there"
    except AppealError:
        return "allowed"  # past the rights: a wrong stage, a missing field
    raise AssertionError("unreachable: an attempt is undone")


def attempts(world: World, number: int, actor: Viewer, helper: int) -> dict[str, Any]:
    """Return each verb on the appeal as work for the writer."""

    def change(**fields: Any) -> Callable[[AsyncSession], Awaitable[Any]]:
        return lambda s: verbs.patch(s, number, actor, fields, now=world.now)  # type: ignore[arg-type]

    return {
        "take": lambda s: verbs.take(s, number, actor, now=world.now),
        "resolve": lambda s: verbs.resolve(
            s, number, actor, gist="Суть", category="other", now=world.now
        ),
        "return": change(responsible=None),
        "assign": change(responsible=helper),
        "note": change(gist="Суть"),
        "result": change(result="Итог"),
        "other type": change(type="ЖС"),
        "other kind": change(type="БЛ"),
        "accuse": change(accused=helper),
    }


class Company:
    """Two departments, a person of each role, and helpers outside every conflict."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.people: dict[Role, Viewer] = {}

    async def hire(self) -> "Company":
        world = self.world
        self.north, self.south = await world.department("Север"), await world.department("Юг")
        for i, role in enumerate(Role):
            self.people[role] = await world.hire(
                role, role, extension=f"10{i}", department=self.north
            )
        self.helper = await world.hire("Помощник", R.HANDLER, department=self.south)
        self.deputy = await world.hire("Другой", R.HANDLER, department=self.south)
        self.chief = await world.hire("Глава", R.SUPERVISOR)
        return self

    def extensions(self) -> list[str]:
        return [f"10{i}" for i in range(len(Role))]

    async def case(self, link: str, person: Viewer) -> tuple[int, str]:
        """Open an appeal that everybody (or, where there can be one only, `person`) is tied to by `link`."""
        call = self.world.call(f"+7916000{len(await self.world.appeals()):04}").press().enter()
        if link == RANG:
            call.ring(*self.extensions())
        if link == ANSWERED:
            for extension in self.extensions():
                call.answer(extension)
        await call.stored()
        number = (await self.world.appeals())[-1].number
        department = self.north if link == SAME else self.south
        await self.world.change(number, department_id=department)
        if link == LINKED:
            other = await self.world.call("+79990000000").ring(*self.extensions()).stored()
            await self.world.writer.run(lambda s: _link(s, number, other.id))
        if link == ACCUSED:
            await patch(self.world, number, self.chief, accused=person.id)
        responsible = person if link == OWN else self.deputy  # so that there is something to return
        await self.world.change(
            number, responsible_id=responsible.id, phase="investigating", stage="in_work"
        )
        return number, call.id


async def _link(session: AsyncSession, number: int, call: str) -> None:
    session.add(AppealCall(appeal_number=number, call_id=call, link="manual"))


@pytest.mark.parametrize("link", LINKS)
async def test_who_reads_hears_and_does_what(world: World, link: str) -> None:
    company = await Company(world).hire()
    shared = link not in (OWN, ACCUSED)
    case: tuple[int, str] | None = None
    for role, person in company.people.items():
        if case is None or not shared:
            case = await company.case(link, person)
        number, call = case
        where = (role.value, link)
        readable = reads(role, link)

        assert (number in await world.reads(person)) is readable, where
        assert await _single(world, person, number) == (
            "own case" if link == ACCUSED else "read" if readable else "not there"
        ), where
        assert await _frame(world, company, person, number) == (
            "hidden" if link == ACCUSED else "read" if readable else "nothing"
        ), where
        recording = await a_recording(world, call)
        heard = await attempt(world, lambda s, r=recording, p=person: listen_allowed(s, r, p))  # type: ignore[misc]
        assert (heard == "allowed") is listens(role, link), where
        for verb, work in attempts(world, number, person, company.helper.id).items():
            told = await attempt(world, work)
            if does(role, link, verb):
                assert told == "allowed", (*where, verb)
            else:
                exists = readable or link == ACCUSED
                assert told == ("refused" if exists else "not there"), (*where, verb)
        await _forget(world, recording)


async def _single(world: World, person: Viewer, number: int) -> str:
    async with world.sessions() as session:
        try:
            told = await read.one_appeal(session, person, number)
        except NotFound:
            return "not there"
    return "own case" if told.get("hidden") else "read"


async def _frame(world: World, company: Company, person: Viewer, number: int) -> str:
    """Change the appeal and return what the person's screens are told."""
    before = len(await world.messages())
    await patch(world, number, company.chief, result=f"{before}")
    told = [
        message.data
        for message in (await world.messages())[before:]
        if Audience.from_json(message.audience).includes(person)
    ]
    if not told:
        return "nothing"
    (data,) = told
    return (
        "hidden"
        if data == {"number": number, "version": data["version"], "hidden": True}
        else "read"
    )


async def _forget(world: World, recording: int) -> None:
    async def work(session: AsyncSession) -> None:
        await session.delete(await session.get_one(Recording, recording))

    await world.writer.run(work)


@pytest.mark.parametrize("role", Role)
async def test_who_had_the_linked_call_hears_that_call(world: World, role: Role) -> None:
    company = await Company(world).hire()
    await company.case(LINKED, company.people[role])
    async with world.sessions() as session:
        page = await read.list_calls(session, company.people[role], read.CallQuery())
    mine = [call for call in page.items if call["legs"]]
    assert [call["appeal"] for call in mine] == [1]
    recording = await a_recording(world, mine[0]["id"])
    person = company.people[role]
    heard = await attempt(world, lambda s: listen_allowed(s, recording, person))
    assert heard == "allowed"


async def test_no_operator_is_in_the_audience_of_a_press(world: World) -> None:
    """200 presses a second go to the few who handle them, and their frames carry no list of exceptions."""
    company = await Company(world).hire()
    await world.pressed()
    (opened,) = await world.messages("appeal.opened")
    told = {role for role, person in company.people.items() if _includes(opened.audience, person)}
    assert told == {R.ADMIN}  # the rest belong to a department below
    assert set(opened.audience) == {"employees", "roles", "departments"}
    assert "operator" not in opened.audience["roles"]
    assert "executor" not in opened.audience["roles"]


def _includes(audience: dict[str, Any], person: Viewer) -> bool:
    return Audience.from_json(audience).includes(person)
