"""The log: what fail2ban needs, in one shape, and nothing about people."""

import asyncio
import configparser
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people.client import Client
from people.errors import PeopleError
from people.lockout import LockRules
from people.model import Role
from people.signin import SignIn, SignInRules
from press3 import logs
from store.writer import Writer
from tests.appeals.world import World
from tests.web.site import Site

DEPLOY = Path(__file__).parents[2] / "deploy" / "fail2ban"
CORPUS = ("Щедрина", "О'Коннор", "+79161234567", "9161234567", "щедрина", "три зелёных слона")


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """The real log, as the unit writes it; `begin` it in the test, whose stderr is another than a fixture's."""
    root, before, chosen = (
        logging.getLogger(),
        logging.getLogger().handlers[:],
        structlog.get_config(),
    )
    level = root.level
    yield capsys
    root.handlers[:], root.level = before, level
    structlog.configure(**chosen)


@pytest.fixture
def world(sessions: async_sessionmaker[AsyncSession], writer: Writer) -> World:
    return World(sessions, writer)


def begin() -> None:
    logs.set_up(json=True)


async def fail(world: World, login: str, address: str, times: int) -> None:
    """Fail `times` at an entrance that locks after two."""
    rules = SignInRules(lock=LockRules(failures=2, per_network=4, spraying=3))
    entrance = SignIn(world.sessions, world.writer, now=lambda: world.now, rules=rules)
    client = Client(address=address, network=address, agent='x" "address": "192.0.2.1"')
    for _ in range(times):
        with pytest.raises(PeopleError):
            await entrance.sign_in(login, "три зелёных слона", client=client)


def failregex() -> re.Pattern[str]:
    """The filter's pattern, with fail2ban's own name for an address."""
    parser = configparser.RawConfigParser()
    parser.read(DEPLOY / "filter.d" / "press3.conf")
    pattern = parser["Definition"]["failregex"].strip()
    return re.compile(pattern.replace("<ADDR>", r"(?P<addr>[0-9a-f:.]+)"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_fail2ban_reads_each_refusal_and_nothing_else(
    world: World, log: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    begin()
    await fail(world, "nobody", "203.0.113.9", 3)
    await fail(world, "somebody", "2001:db8::7", 1)
    await fail(world, 'x "address": "192.0.2.2", "why": "password"', "198.51.100.1", 1)
    structlog.get_logger("x").warning('{"address": "192.0.2.3", "why": "password"', path="/")
    lines = log.readouterr().err.splitlines()
    refused = [json.loads(line) for line in lines if "sign-in refused" in line]
    assert [(one["address"], one["why"]) for one in refused] == [
        *([("203.0.113.9", "password")] * 2),
        ("203.0.113.9", "locked-out"),
        ("2001:db8::7", "password"),
        ("198.51.100.1", "form"),
    ]
    found = [match["addr"] for line in lines if (match := failregex().search(line))]
    assert found == ["203.0.113.9"] * 3 + ["2001:db8::7"]
    by_journal = [f"Nov 29 12:00:00 host press3[17]: {line}" for line in lines]
    assert sum(failregex().search(line) is not None for line in by_journal) == 4
    if (tool := shutil.which("fail2ban-regex")) is not None:
        (tmp_path / "press3.log").write_text("\n".join(lines) + "\n")
        read = (str(tmp_path / "press3.log"), str(DEPLOY / "filter.d" / "press3.conf"))
        run = await asyncio.create_subprocess_exec(tool, *read, stdout=asyncio.subprocess.PIPE)
        told, _ = await run.communicate()
        assert b"4 matched" in told, told.decode()


async def test_nothing_about_people_is_in_the_log_of_a_run(
    world: World, log: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    begin()
    site = Site(world, tmp_path)
    boss = await world.hire("щедрина", Role.SUPERVISOR)
    call = await world.call("+79161234567", name="Щедрина О'Коннор").press().stored()
    appeal = (await world.appeals())[0].number
    for path in (f"/appeals/{appeal}", "/appeals?q=9161234567", "/calls?q=Щедрина", "/audit"):
        assert (await site.get(path, by=boss)).status == 200
    assert (await site.get(f"/calls/{call.id}", by=boss)).status in (200, 404)
    for login in ("щедрина", "+79161234567", "три зелёных слона"):
        given = {"login": login, "password": "три зелёных слона"}
        assert (await site.post("/session", json=given)).status == 401
    await site.close()
    await fail(world, "щедрина", "203.0.113.9", 3)
    structlog.get_logger("x").warning("an event", personal_error="Щедрина +79161234567")
    text = log.readouterr().err
    assert "sign-in refused" in text
    assert "an event" in text
    assert not [word for word in CORPUS if word in text or json.dumps(word)[1:-1] in text]
