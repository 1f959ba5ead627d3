"""A small call centre for the tests of push: people, their sessions, calls and what happens in them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Evidence,
    Fact,
    OperatorAnswered,
    OperatorLeft,
    OperatorRang,
    OperatorStoppedRinging,
    Outcome,
    Party,
    RingStop,
)
from calls.model import Call
from calls.story import CallChange, CallStory, fold
from people import tickets
from people.model import Employee, Extension, Role, Session
from people.sessions import token_hash
from push import pops
from store import outbox
from store.outbox import Message
from store.writer import Writer

__all__ = ["START", "Desk", "Line"]

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@dataclass
class Desk:
    """`now` is the time that everything is told; move it with `later`."""

    writer: Writer
    sessions: async_sessionmaker[AsyncSession]
    now: datetime = START
    seen_seq: int = 0

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    async def hire(
        self, login: str, *extensions: str, role: Role = Role.OPERATOR, department: int | None = 1
    ) -> Employee:
        """Add an employee with his telephones, signed in with the token `token-<login>`."""
        person = Employee(
            login=login,
            name=login.title(),
            role=role,
            department_id=department,
            password_hash="-",
            created_at=START,
        )

        async def work(session: AsyncSession) -> None:
            session.add(person)
            await session.flush()
            for number in extensions:
                since = START - timedelta(days=1)
                session.add(Extension(number=number, employee_id=person.id, since=since))
            session.add(
                Session(
                    token_hash=token_hash(f"token-{login}"),
                    employee_id=person.id,
                    created_at=START,
                    expires_at=START + timedelta(days=30),
                )
            )

        await self.writer.run(work)
        return person

    async def ticket(self, person: Employee) -> str:
        async def work(session: AsyncSession) -> str:
            hashed = token_hash(f"token-{person.login}")
            return await tickets.issue(session, person.id, hashed, self.now)

        return await self.writer.run(work)

    async def told(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Return (employee or 0, type, data) of what was told since the last look."""
        async with self.sessions() as session:
            rows = await outbox.read_after(session, self.seen_seq)
        self.seen_seq = rows[-1].seq if rows else self.seen_seq
        return [((m.audience["employees"] or [0])[0], m.type, m.data) for m in rows]

    async def tell(self, kind: str, audience: dict[str, Any], data: dict[str, Any]) -> None:
        message = Message(type=kind, at=self.now, audience=audience, data=data)

        async def work(session: AsyncSession) -> None:
            outbox.emit(session, message)

        await self.writer.run(work)


@dataclass
class Line:
    """One call. `await line.happens(line.rang("101"), …)` is one batch of the pipeline."""

    desk: Desk
    uniqueid: str = "1763712000.1"
    number: str = "+79161234567"
    story: CallStory | None = None
    also: Callable[[AsyncSession], Any] | None = None
    parts: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"main-{self.uniqueid}"

    def arrived(self, direction: str = "in") -> CallArrived:
        outside = Party(raw=self.number, e164=self.number, name="Анна", kind="public")
        inside = Party(raw="100", e164=None, name=None, kind="internal")
        caller, to = (inside, outside) if direction == "out" else (outside, inside)
        return CallArrived(
            **self._at,
            pbx="main",
            uniqueid=self.uniqueid,
            linkedid=self.uniqueid,
            direction=direction,  # type: ignore[arg-type]
            caller=caller,
            to=to,
        )

    def pressed(self, evidence: Evidence = "verified", *, recovered: bool = False) -> Fact:
        return ComplaintRequested(
            **self._at,
            recovered=recovered,
            uniqueid=self.uniqueid,
            key=None,
            evidence=evidence,
            menu="m",
            queue="q",
        )

    def rang(
        self, extension: str, round_: int = 1, *, device: str = "a", recovered: bool = False
    ) -> Fact:
        return OperatorRang(
            **self._at,
            recovered=recovered,
            leg=self._leg(extension, round_, device),
            extension=extension,
            round=round_,
        )

    def stopped(
        self, extension: str, reason: RingStop, round_: int = 1, *, device: str = "a"
    ) -> Fact:
        leg = self._leg(extension, round_, device)
        return OperatorStoppedRinging(**self._at, leg=leg, extension=extension, reason=reason)

    def answered(self, extension: str, round_: int = 1, *, device: str = "a") -> Fact:
        leg = self._leg(extension, round_, device)
        return OperatorAnswered(**self._at, leg=leg, extension=extension)

    def left(self, extension: str, round_: int = 1, *, device: str = "a") -> Fact:
        return OperatorLeft(
            **self._at, leg=self._leg(extension, round_, device), extension=extension
        )

    def ended(self, outcome: Outcome) -> Fact:
        return CallEnded(**self._at, outcome=outcome)

    async def happens(self, *facts: Fact) -> None:
        """Fold the facts, store the call and do what push does with the change, as the pipeline would."""
        before = self.story
        for fact in facts:
            self.story = fold(self.story, fact)
        assert self.story is not None
        change = CallChange(before=before, story=self.story, facts=facts)

        async def work(session: AsyncSession) -> None:
            await _store(session, change.story)
            if self.also is not None:
                await self.also(session)
            await pops.on_change(session, change, now=self.desk.now)

        await self.desk.writer.run(work)

    @property
    def _at(self) -> dict[str, Any]:
        return {"call": self.id, "at": self.desk.now}

    def _leg(self, extension: str, round_: int, device: str) -> str:
        return f"{self.uniqueid}.{extension}.{round_}{device}"


async def _store(session: AsyncSession, story: CallStory) -> None:
    """Keep as much of the call as push reads; `calls.storage` has tests of its own."""
    await session.merge(
        Call(
            id=story.id,
            pbx=story.pbx,
            uniqueid=story.uniqueid,
            direction=story.direction,
            from_raw=story.caller.raw,
            from_e164=story.caller.e164,
            from_name=story.caller.name,
            from_kind=story.caller.kind,
            to_raw=story.to.raw,
            to_e164=story.to.e164,
            started_at=story.started_at,
            pressed_at=story.pressed_at,
            answered_at=story.answered_at,
            ended_at=story.ended_at,
            outcome=story.outcome,
            recovered=story.recovered,
            transfers=[],
        )
    )
    await session.flush()
