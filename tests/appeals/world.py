"""A small company with telephones: calls are told as facts, stored and taken in as the service does."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.card import read, view
from appeals.case import changing, history, texts
from appeals.case.model import Appeal
from appeals.intake.presses import IntakeSettings
from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Direction,
    EndedBy,
    Evidence,
    Fact,
    MenuKeyPressed,
    OperatorAnswered,
    OperatorRang,
    OperatorStoppedRinging,
    Outcome,
    Party,
    QueueEntered,
    QueueLeft,
    QueueLeftReason,
    RingStop,
    Transferred,
)
from calls.model import Call
from calls.numbers import NumberRules
from calls.storage import store_change
from calls.story import CallChange, CallStory, fold
from people.access.audience import Audience, Viewer
from people.model import Department, Employee, Extension, Role
from press3.features import entry_kinds
from press3.telephony_parts import appeal_handlers
from store import outbox
from store.writer import Work, Writer

__all__ = ["CUSTOMER", "NOON", "PhoneCall", "World"]

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CUSTOMER = "+79161234567"


class World:
    """`now` is the one clock of PBX and press3; `pass_s` lets time go by."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], writer: Writer) -> None:
        self.sessions = sessions
        self.writer = writer
        self.now = NOON
        self.settings = IntakeSettings(departments={}, resolve_h=24)
        self._numbers = NumberRules()
        self._uniqueids = iter(range(1, 1000))

    def pass_s(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    async def department(self, name: str, parent: int | None = None) -> int:
        async def work(session: AsyncSession) -> int:
            root = await session.scalar(select(Department.id).where(Department.parent_id.is_(None)))
            row = Department(name=name, parent_id=parent or root)
            session.add(row)
            await session.flush()
            return row.id

        return await self.writer.run(work)

    async def hire(
        self,
        name: str,
        role: Role = Role.OPERATOR,
        extension: str | None = None,
        department: int | None = None,
    ) -> Viewer:
        async def work(session: AsyncSession) -> Viewer:
            employee = Employee(
                login=name,
                name=name,
                role=role,
                department_id=department,
                password_hash="-",
                created_at=NOON,
                disabled_at=None,
            )
            session.add(employee)
            await session.flush()
            if extension:
                since = NOON - timedelta(days=30)
                session.add(
                    Extension(number=extension, employee_id=employee.id, since=since, until=None)
                )
            return Viewer.of(employee)

        return await self.writer.run(work)

    def call(
        self,
        caller: str = CUSTOMER,
        *,
        name: str | None = "Иван",
        direction: Direction = "in",
        to: str = "88001234567",
        uniqueid: str | None = None,
    ) -> "PhoneCall":
        uniqueid = uniqueid or f"1795003200.{next(self._uniqueids)}"
        number = self._numbers.party
        return PhoneCall(self, uniqueid, direction, number(caller, name), number(to))

    async def pressed(self, caller: str = CUSTOMER, *, queue: str | None = None) -> "PhoneCall":
        """A call that has just pressed 3 and is stored."""
        call = self.call(caller).press()
        if queue is not None:
            call.enter(queue)
        await call.stored()
        return call

    # -- looking at what became of it -----------------------------------------------------------

    async def appeals(self) -> list[Appeal]:
        async with self.sessions() as session:
            return list(await session.scalars(select(Appeal).order_by(Appeal.number)))

    async def appeal(self, number: int) -> dict[str, Any]:
        async with self.sessions() as session:
            (told,) = await view.appeals(session, [number])
            return told | {"calls": await view.calls_of(session, number)}

    async def history(self, number: int) -> list[dict[str, Any]]:
        async with self.sessions() as session:
            assert await history.verify(session, number) == []
            return await view.history(session, number, kinds=entry_kinds())

    async def actions(self, number: int) -> list[str]:
        return [entry["action"] for entry in await self.history(number)]

    async def messages(self, *types: str) -> list[outbox.Message]:
        async with self.sessions() as session:
            told = await outbox.read_after(session, 0, 10_000)
        return [message for message in told if not types or message.type in types]

    async def told_to(self, viewer: Viewer) -> list[str]:
        messages = await self.messages()
        return [m.type for m in messages if Audience.from_json(m.audience).includes(viewer)]

    async def reads(self, viewer: Viewer) -> list[int]:
        async with self.sessions() as session:
            page = await read.list_appeals(session, viewer, read.AppealQuery(limit=200))
        return sorted(item["number"] for item in page.items)

    async def change(self, number: int, **values: Any) -> None:
        """Set columns of an appeal directly: what a later part of press3 will have verbs for."""

        async def work(session: AsyncSession) -> None:
            appeal = await changing.load(session, number)
            for name, value in values.items():
                setattr(appeal, name, value)
            await texts.text_changed(session, appeal)

        await self.writer.run(work)

    async def change_call(self, call: str, **values: Any) -> None:
        async def work(session: AsyncSession) -> None:
            await session.execute(update(Call).where(Call.id == call).values(values))

        await self.writer.run(work)

    @property
    def today(self) -> date:
        return self.now.date()


class PhoneCall:
    """One call. Each method tells a fact at the world's time; `await stored()` stores what was told."""

    def __init__(
        self, world: World, uniqueid: str, direction: Direction, caller: Party, to: Party
    ) -> None:
        self.world = world
        self.uniqueid = uniqueid
        self.id = f"main-{uniqueid}"
        self._stored: CallStory | None = None
        self._facts: list[Fact] = []
        self._legs: dict[str, str] = {}
        self._recovered = False
        self._tell(
            CallArrived(
                call=self.id,
                at=world.now,
                pbx="main",
                uniqueid=uniqueid,
                linkedid=uniqueid,
                direction=direction,
                caller=caller,
                to=to,
            )
        )

    def _tell(self, fact: Fact) -> "PhoneCall":
        self._facts.append(replace(fact, recovered=self._recovered))
        return self

    @property
    def _when(self) -> dict[str, Any]:
        return {"call": self.id, "at": self.world.now}

    def learned_late(self) -> "PhoneCall":
        """All that was told and is told from here on was read from the spool."""
        self._recovered = True
        self._facts = [replace(fact, recovered=True) for fact in self._facts]
        return self

    def press(
        self,
        evidence: Evidence = "verified",
        *,
        uniqueid: str | None = None,
        at: datetime | None = None,
        queue: str | None = None,
    ) -> "PhoneCall":
        return self._tell(
            ComplaintRequested(
                call=self.id,
                at=at or self.world.now,
                uniqueid=uniqueid or self.uniqueid,
                key=f"press3/202611211200/{self.uniqueid}",
                evidence=evidence,
                menu="press3-menu",
                queue=queue,
            )
        )

    def press_again(self) -> "PhoneCall":
        return self._tell(MenuKeyPressed(**self._when, digit="3", context="press3-menu"))

    def enter(self, queue: str = "complaints") -> "PhoneCall":
        return self._tell(QueueEntered(**self._when, queue=queue))

    def leave(self, reason: QueueLeftReason = "answered", queue: str = "complaints") -> "PhoneCall":
        return self._tell(QueueLeft(**self._when, queue=queue, reason=reason))

    def ring(self, *extensions: str) -> "PhoneCall":
        for extension in extensions:
            leg = self._legs[extension] = f"{self.uniqueid}{len(self._legs) + 1}"
            self._tell(OperatorRang(**self._when, leg=leg, **_telephone(extension), round=1))
        return self

    def stop(self, extension: str, reason: RingStop = "elsewhere") -> "PhoneCall":
        leg = self._legs[extension]
        return self._tell(
            OperatorStoppedRinging(**self._when, leg=leg, **_telephone(extension), reason=reason)
        )

    def answer(self, extension: str) -> "PhoneCall":
        if extension not in self._legs:
            self.ring(extension)
        self.stop(extension, "answered")
        leg = self._legs[extension]
        return self._tell(OperatorAnswered(**self._when, leg=leg, **_telephone(extension)))

    def transfer(self, extension: str, to: str) -> "PhoneCall":
        return self._tell(Transferred(**self._when, kind="blind", from_extension=extension, to=to))

    def end(self, outcome: Outcome = "answered", by: EndedBy | None = None) -> "PhoneCall":
        return self._tell(CallEnded(**self._when, outcome=outcome, ended_by=by))

    def change(self) -> CallChange | None:
        """What the facts told since the last storing add to the call."""
        story, new = self._stored, []
        for fact in self._facts:
            after = fold(story, fact)
            if after is not story:
                new.append(fact)
            story = after
        self._facts = []
        assert story is not None
        return CallChange(before=self._stored, story=story, facts=tuple(new)) if new else None

    def taken_in(self, change: CallChange) -> Work[None]:
        """What appeals do with `change`; the call itself is stored by `stored`."""

        async def work(session: AsyncSession) -> None:
            for handler in appeal_handlers(self.world.settings):
                await handler(session, change, now=self.world.now)

        return work

    def _store(self, change: CallChange) -> Work[None]:
        async def work(session: AsyncSession) -> None:
            await store_change(session, change)
            await self.taken_in(change)(session)

        return work

    async def stored(self, writer: Writer | None = None) -> "PhoneCall":
        change = self.change()
        if change is not None:
            await (writer or self.world.writer).run(self._store(change))
            self._stored = change.story
        return self


def _telephone(called: str) -> dict[str, str]:
    """`101` is an extension, `+79110000009` an outside telephone."""
    return {"number": called} if called.startswith("+") else {"extension": called}
