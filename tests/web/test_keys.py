"""Passwords, second factor, sessions, audit and listening log over REST."""

from datetime import timedelta
from typing import Any

import pytest

from people import passwords, roster, totp
from people.model import Employee, Role
from people.signin import SignInRules
from tests.appeals.world import World
from tests.web.site import Answer, Site

PASSWORD = "три зелёных слона"
OTHER = "пять синих китов"


async def hire(world: World, login: str = "ann", **details: Any) -> int:
    chosen = await passwords.chosen(PASSWORD, login=login, name=login)
    given = {"name": login, "role": Role.OPERATOR, "password": chosen, "now": world.now, **details}
    added = await world.writer.run(
        lambda session: roster.add_employee(session, login=login, **given)
    )
    return added.id


async def sign_in(site: Site, login: str = "ann", password: str = PASSWORD, **more: Any) -> Answer:
    fresh = Site(site.world, site.data_dir, site.extra)  # a browser that knows no cookie
    given = {"login": login, "password": password, **more}
    answer = await fresh.post("/session", json=given, headers={"User-Agent": "Firefox\t1"})
    await fresh.close()
    return answer


async def opened(site: Site, **more: Any) -> dict[str, str]:
    answer = await sign_in(site, **more)
    assert answer.status == 201, answer.body
    return {"Authorization": f"Bearer {answer.body['token']}"}


async def test_one_changes_the_own_password_and_other_sessions_end(
    site: Site, world: World
) -> None:
    await hire(world)
    here, there = await opened(site), await opened(site)
    change = {"old": PASSWORD, "new": OTHER}
    for wrong, problem in (
        ({**change, "old": "x"}, "wrong-password"),
        ({**change, "new": "short"}, "invalid"),
        ({**change, "new": "password2026"}, "invalid"),
    ):
        refused = await site.patch("/session/password", json=wrong, headers=here)
        assert refused.problem == problem
    assert refused.body["reason"] == "common"
    assert (await site.patch("/session/password", json=change)).problem == "not-signed-in"
    done = await site.patch("/session/password", json=change, headers=here)
    assert done.status == 204
    assert (await site.get("/session", headers=here)).status == 200
    assert (await site.get("/session", headers=there)).problem == "not-signed-in"
    assert (await sign_in(site)).problem == "sign-in-refused"
    assert (await sign_in(site, password=OTHER)).status == 201


async def test_the_old_password_can_not_be_guessed_from_a_stolen_session(
    site: Site, world: World
) -> None:
    await hire(world)
    here = await opened(site)
    change = {"old": "guess", "new": OTHER}
    answers = [
        (await site.patch("/session/password", json=change, headers=here)).status for _ in range(6)
    ]
    assert answers == [403] * 5 + [429]


async def test_a_password_that_must_be_changed_opens_nothing_else(site: Site, world: World) -> None:
    await hire(world, must_change=True)
    signed_in = await sign_in(site)
    assert (signed_in.status, signed_in.body["duty"]) == (201, "change-password")
    here = {"Authorization": f"Bearer {signed_in.body['token']}"}
    for method, path in (
        ("GET", "/appeals"),
        ("GET", "/me/sessions"),
        ("POST", "/push-ticket"),
        ("POST", "/appeals/1/take"),
        ("GET", "/recordings/1/audio"),
    ):
        refused = await site.ask(method, path, headers=here)
        assert (refused.status, refused.problem) == (403, "duty"), path
        assert refused.body["duty"] == "change-password"
    assert (await site.get("/session", headers=here)).body["duty"] == "change-password"
    same = {"old": PASSWORD, "new": PASSWORD}  # the one who set it knows it
    refused = await site.patch("/session/password", json=same, headers=here)
    assert (refused.status, refused.body["reason"]) == (422, "same")
    change = {"old": PASSWORD, "new": OTHER}
    assert (await site.patch("/session/password", json=change, headers=here)).status == 204
    assert (await site.get("/session", headers=here)).body["duty"] is None
    assert (await site.get("/appeals", headers=here)).status == 200


def code(world: World, secret: str, steps: int = 0) -> str:
    import base64

    raw = base64.b32decode(secret)
    return totp.code_at(raw, int(world.now.timestamp()) // 30 + steps)


async def enrolled(site: Site, world: World) -> str:
    """Enrol ann at the first sign-in; return the secret as typed into an app."""
    signed_in = await sign_in(site)
    assert signed_in.body["duty"] == "enrol-second-factor"
    here = {"Authorization": f"Bearer {signed_in.body['token']}"}
    assert (await site.get("/appeals", headers=here)).problem == "duty"
    path = "/session/second-factor"
    wrong = await site.post(path, json={"password": "wrong"}, headers=here)
    assert wrong.problem == "wrong-password"
    begun = await site.post(path, json={"password": PASSWORD}, headers=here)
    assert begun.status == 201
    secret: str = begun.body["secret"]
    bad = await site.post(f"{path}/confirm", json={"code": "000000"}, headers=here)
    assert (bad.status, bad.problem, bad.body["wrong"]) == (401, "second-factor", True)
    good = {"code": code(world, secret)}
    assert (await site.post(f"{path}/confirm", json=good, headers=here)).status == 204
    assert (
        await site.post(f"{path}/confirm", json=good, headers=here)
    ).problem == "no-second-factor"
    assert (await site.get("/appeals", headers=here)).status == 200
    assert (await site.get("/session", headers=here)).body["second_factor"] == "on"
    return secret


async def test_with_totp_everybody_enrols_and_then_needs_a_code_that_counts_once(
    site: Site, world: World
) -> None:
    site.extra = {"sign_in": SignInRules(totp=True)}
    await hire(world)
    secret = await enrolled(site, world)
    asked = await sign_in(site)
    assert (asked.status, asked.problem, asked.body["wrong"]) == (401, "second-factor", False)
    used = await sign_in(site, code=code(world, secret))
    assert (used.problem, used.body["wrong"]) == ("second-factor", True), "a replay"
    world.now += timedelta(seconds=30)
    typed = code(world, secret)
    assert (await sign_in(site, code=f"{typed[:3]} {typed[3:]}")).status == 201
    assert (await sign_in(site, code=typed)).problem == "second-factor", "a replay"
    assert (await sign_in(site, password="wrong", code=typed)).problem == "sign-in-refused"
    world.now += timedelta(seconds=30)
    codes = [str(n) * 6 for n in range(10)]
    answers = [(await sign_in(site, code=each)).status for each in codes]
    assert 429 in answers, "codes are not guessed either"


async def test_a_second_factor_is_replaced_with_its_code_and_reset_by_an_administrator(
    site: Site, world: World
) -> None:
    site.extra = {"sign_in": SignInRules(totp=True)}
    await hire(world)
    secret = await enrolled(site, world)
    world.now += timedelta(seconds=30)
    here = await opened(site, code=code(world, secret))
    path = "/session/second-factor"
    refused = await site.post(path, json={"password": PASSWORD}, headers=here)
    assert refused.problem == "second-factor"
    world.now += timedelta(seconds=30)
    given = {"password": PASSWORD, "code": code(world, secret)}
    assert (await site.post(path, json=given, headers=here)).status == 201
    await world.writer.run(lambda session: roster.reset_second_factor(session, "ann", world.now))
    assert (await site.get("/session", headers=here)).problem == "not-signed-in"
    assert (await sign_in(site)).body["duty"] == "enrol-second-factor"


async def test_where_totp_is_off_there_is_nothing_to_enrol(site: Site, world: World) -> None:
    await hire(world)
    here = await opened(site)
    assert (await site.get("/session", headers=here)).body["second_factor"] == "off"
    answer = await site.post("/session/second-factor", json={"password": PASSWORD}, headers=here)
    assert (answer.status, answer.problem) == (409, "no-second-factor")


async def test_sessions_are_listed_and_ended(site: Site, world: World) -> None:
    await hire(world)
    await hire(world, "boris")
    stranger = await opened(site, login="boris")
    here, there, third = [await opened(site) for _ in range(3)]
    listed = (await site.get("/me/sessions", headers=here)).body["items"]
    assert [row["current"] for row in listed].count(True) == 1
    assert {(row["address"], row["agent"]) for row in listed} == {("127.0.0.1", "Firefox1")}
    (of_there,) = [
        row["id"]
        for row in (await site.get("/me/sessions", headers=there)).body["items"]
        if row["current"]
    ]
    foreign = await site.ask("DELETE", f"/me/sessions/{of_there}", headers=stranger)
    assert foreign.problem == "not-found"
    assert (await site.ask("DELETE", f"/me/sessions/{of_there}", headers=here)).status == 204
    assert (await site.ask("DELETE", f"/me/sessions/{of_there}", headers=here)).status == 404
    assert (await site.get("/session", headers=there)).problem == "not-signed-in"
    assert (await site.get("/session", headers=third)).status == 200
    assert (await site.ask("DELETE", "/me/sessions", headers=here)).status == 204
    assert (await site.get("/session", headers=third)).problem == "not-signed-in"
    assert (await site.get("/session", headers=here)).status == 200
    assert (await site.get("/session", headers=stranger)).status == 200


async def test_a_session_ends_when_nobody_uses_it_and_at_its_end_in_any_case(
    site: Site, world: World
) -> None:
    hours = timedelta(hours=1)
    site.extra = {"sign_in": SignInRules(idle=2 * hours, session=9 * hours)}
    await hire(world)
    here, left = await opened(site), await opened(site)
    for _ in range(5):
        world.now += 1.5 * hours
        assert (await site.get("/session", headers=here)).status == 200
    assert (await site.get("/session", headers=left)).problem == "not-signed-in"
    alone = {**here, "X-Press3-Unattended": "1"}
    world.now += 1.4 * hours
    assert (await site.get("/session", headers=alone)).status == 200
    world.now += 0.7 * hours  # by itself the screen keeps no session alive, and its end is near
    assert (await site.get("/session", headers=here)).problem == "not-signed-in"


async def test_the_audit_and_the_listening_log_are_for_those_who_oversee(
    site: Site, world: World
) -> None:
    ann = await hire(world, extension="101")
    call = await world.pressed()
    recording = await site.add_recording(call.id, audio=b"sound")
    boss = await world.hire("boss", Role.SUPERVISOR)
    played = await site.get(
        f"/recordings/{recording}/audio", by=boss, headers={"User-Agent": "Chrome"}
    )
    assert played.status == 200
    (row,) = (await site.get("/listening-log", by=boss)).body["items"]
    assert row["employee"] == {"id": boss.id, "name": "boss"}
    assert (row["recording"], row["call"]) == (recording, call.id)
    assert (row["address"], row["agent"]) == ("127.0.0.1", "Chrome")
    await sign_in(site, password="wrong")
    entries = (await site.get("/audit?kind=sign-in-failed", by=boss)).body["items"]
    assert [(e["subject"]["id"], e["actor"], e["data"]) for e in entries] == [
        (ann, None, {"why": "password"})
    ]
    first = await site.get("/audit?limit=1", by=boss)
    rest = await site.get(f"/audit?limit=200&cursor={first.body['next']}", by=boss)
    whole = await site.get("/audit?limit=200", by=boss)
    assert first.body["items"] + rest.body["items"] == whole.body["items"]
    operator = await world.hire("op", Role.OPERATOR)
    for path in ("/audit", "/listening-log"):
        assert (await site.get(path, by=operator)).problem == "forbidden"
        assert (await site.get(f"{path}?cursor=x", by=boss)).status == 422


async def test_a_supervisor_of_a_department_sees_the_listenings_of_its_calls(
    site: Site, world: World
) -> None:
    head = await world.hire("head", Role.SUPERVISOR)
    department = (await world.writer.run(lambda s: roster.department(s, "Склад"))).id
    boss = await world.hire("boss", Role.SUPERVISOR, department=department)
    call = await world.pressed()
    for of in (call.id, None):
        recording = await site.add_recording(of, audio=b"sound", remote_path=f"/monitor/{of}.wav")
        await site.get(f"/recordings/{recording}/audio", by=head)
    seen = {
        viewer: [row["call"] for row in (await site.get("/listening-log", by=viewer)).body["items"]]
        for viewer in (head, boss)
    }
    assert seen == {head: [None, call.id], boss: []}


@pytest.mark.parametrize("secret", ["totp_secret", "password_hash", "token_hash"])
async def test_no_answer_holds_a_secret_of_the_database(
    site: Site, world: World, secret: str
) -> None:
    site.extra = {"sign_in": SignInRules(totp=True)}
    number = await hire(world, role=Role.ADMIN)
    typed = await enrolled(site, world)
    world.now += timedelta(seconds=30)
    here = await opened(site, code=code(world, typed))

    async with world.sessions() as session:
        employee = await session.get_one(Employee, number)
    hidden = {"totp_secret": typed, "password_hash": employee.password_hash, "token_hash": "token"}
    for path in ("/session", "/me/sessions", "/audit", "/dictionaries"):
        answer = await site.get(path, headers=here)
        assert answer.status == 200
        assert hidden[secret] not in answer.raw.decode()
