"""While a change is written every press waits: its transaction holds no answer and no password check."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from people import passwords, roster, totp
from people.model import Role
from people.signin import SignInRules
from tests.appeals.world import World
from tests.web.site import Answer, Site
from web.api import Change, Operation, Written
from web.routes.all import OPERATIONS

PASSWORD, OTHER = "три зелёных слона", "пять синих китов"
WRITER = "store-writer"
KEY = {"Idempotency-Key": "k-1"}


def task_name() -> str:
    task = asyncio.current_task()
    return task.get_name() if task is not None else ""


@dataclass
class Watch:
    """What happened, in order: (`handled` | `answered` | `hashed` | `commit` or a statement, in which task)."""

    seen: list[tuple[str, str]] = field(default_factory=list)

    def note(self, what: str) -> None:
        self.seen.append((what, task_name()))

    def watched(self, operation: Operation) -> Operation:
        """Return `operation`, whose handler and answer are noted when they are over, and when they begin."""
        if not isinstance(operation, Change):
            return operation
        handler, answer = operation.handler, operation.answer

        @wraps(handler)
        async def handled(ask: Any) -> Written:
            written = await handler(ask)
            assert type(written) is Written
            self.note("handled")
            return written

        async def answered(ask: Any, written: Written) -> Any:
            self.note("answered")
            assert answer is not None
            return await answer(ask, written)

        return replace(operation, handler=handled, answer=answered if answer else None)

    def listen(self, engine: AsyncEngine) -> None:
        def statement(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
            self.note(text)

        event.listen(engine.sync_engine, "before_cursor_execute", statement)
        event.listen(engine.sync_engine, "commit", lambda _: self.note("commit"))


@pytest.fixture
def watch(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Notes of statements, commits and of what argon2 does, which runs in a thread for who asks for it."""
    watch = Watch()
    watch.listen(engine)
    for name in ("hash_password", "verify", "warm_up"):
        monkeypatch.setattr(passwords, name, hashing(watch, getattr(passwords, name)))
    return watch


def hashing(watch: Watch, does: Callable[..., Any]) -> Callable[..., Any]:
    async def noted(*given: Any) -> Any:
        watch.note("hashed")
        return await does(*given)

    return noted


@dataclass
class Desk:
    """Asks every changing operation once: `await desk.ask("sign_in", "POST", "/session", …)`."""

    watch: Watch
    asked: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    async def ask(self, site: Site, name: str, method: str, path: str, **sent: Any) -> Answer:
        begin = len(self.watch.seen)
        headers = {"X-Press3-Client": "test", **sent.pop("headers", {})}
        answer = await site.ask(method, path, headers=headers, **sent)
        assert answer.status < 300, (name, answer.body)
        self.asked[name] = self.watch.seen[begin:]
        return answer


async def at_work(desk: Desk, site: Site, world: World) -> None:
    """What a supervisor does with an appeal, and with where they are signed in."""
    boss = await world.hire("boss", Role.SUPERVISOR)
    await world.pressed()
    form = {"gist": "Суть", "category": "other"}
    await desk.ask(site, "take_appeal", "POST", "/appeals/1/take", by=boss, headers=KEY)
    await desk.ask(site, "change_appeal", "PATCH", "/appeals/1", by=boss, json={"gist": "Так"})
    await desk.ask(site, "resolve_appeal", "POST", "/appeals/1/resolve", by=boss, json=form)
    await desk.ask(site, "issue_push_ticket", "POST", "/push-ticket", by=boss)


async def at_the_entrance(desk: Desk, site: Site, world: World) -> None:
    """What ann does with what she signs in with."""
    chosen = await passwords.chosen(PASSWORD, login="ann", name="Анна")
    hired = {"name": "Анна", "role": Role.OPERATOR, "password": chosen, "now": world.now}
    await world.writer.run(lambda s: roster.add_employee(s, login="ann", **hired))  # type: ignore[arg-type]
    given = {"login": "ann", "password": PASSWORD}
    there = (await desk.ask(site, "sign_in", "POST", "/session", json=given)).body["token"]
    here = (await desk.ask(site, "sign_in", "POST", "/session", json=given)).body["token"]
    sent: dict[str, Any] = {"headers": {"Authorization": f"Bearer {here}"}}
    factor, secret = "/session/second-factor", {"password": PASSWORD}
    begun = await desk.ask(site, "begin_second_factor", "POST", factor, json=secret, **sent)
    code = {"code": totp.code_at(_raw(begun.body["secret"]), int(world.now.timestamp()) // 30)}
    await desk.ask(site, "confirm_second_factor", "POST", f"{factor}/confirm", json=code, **sent)
    change = {"old": PASSWORD, "new": OTHER}
    listed = (await site.get("/me/sessions", **sent)).body["items"]
    (other,) = [each["id"] for each in listed if not each["current"]]
    assert there != here
    await desk.ask(site, "end_my_session", "DELETE", f"/me/sessions/{other}", **sent)
    await desk.ask(site, "end_my_other_sessions", "DELETE", "/me/sessions", **sent)
    await desk.ask(site, "change_password", "PATCH", "/session/password", json=change, **sent)
    await desk.ask(site, "sign_out", "DELETE", "/session", **sent)


def _raw(secret: str) -> bytes:
    return base64.b32decode(secret)


@pytest.fixture
async def asked(watch: Watch, world: World, tmp_path: Path) -> dict[str, list[tuple[str, str]]]:
    """What happened in each operation that changes something, by its name."""
    desk, operations = Desk(watch), [watch.watched(each) for each in OPERATIONS]
    strict = {"sign_in": SignInRules(totp=True)}
    for work, extra in ((at_work, {}), (at_the_entrance, strict)):
        site = Site(world, tmp_path / "data", extra, operations)
        await work(desk, site, world)
        await site.close()
    return desk.asked


async def test_no_answer_is_read_and_no_password_checked_while_the_writer_is_held(
    asked: dict[str, list[tuple[str, str]]],
) -> None:
    assert set(asked) == {each.name for each in OPERATIONS if each.method != "GET"}
    hashes = {name for name, seen in asked.items() if ("hashed", WRITER) in seen}
    assert hashes == set(), "argon2 in a transaction"
    entrance = {name for name, seen in asked.items() if "hashed" in [what for what, _ in seen]}
    assert entrance == {"sign_in", "change_password", "begin_second_factor"}
    for operation in OPERATIONS:
        if isinstance(operation, Change):
            check_answer(operation, asked[operation.name])


def check_answer(operation: Change, seen: list[tuple[str, str]]) -> None:
    """Once the handler has written, its transaction reads nothing more; what is read for the answer comes after."""
    written = seen.index(("handled", WRITER))
    committed = seen.index(("commit", WRITER), written)
    late = [what for what, where in seen[written:committed] if where == WRITER]
    assert [what for what in late if is_reading(what)] == [], operation.name
    after = seen[committed + 1 :]
    assert WRITER not in {where for _, where in after}, "one transaction"
    answers = [where for what, where in seen if what == "answered"]
    assert len(answers) == (operation.answer is not None), operation.name
    if operation.may_lose_sight:
        before = {what for what, where in seen[:written] if where == WRITER and is_reading(what)}
        of_answer = {what for what, _ in after if is_reading(what)} - {*filter(is_rule, before)}
        assert of_answer, "the answer is read"
        assert of_answer & before == set(), operation.name


def is_reading(statement: str) -> bool:
    return statement.lstrip().startswith(("SELECT", "WITH")) and "pg_advisory" not in statement


def is_rule(statement: str) -> bool:
    """The rights of the change and those of the answer both ask for `[conflict] answered_by`."""
    return "FROM setting_changes" in statement
