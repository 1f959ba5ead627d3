"""Listening: the right to, by parts, and logged once a playing."""

from sqlalchemy import select

from people.access.audience import Viewer
from people.model import Role
from recordings.model import Listening
from tests.appeals.world import World
from tests.web.site import Site

SOUND = bytes(range(256)) * 40


async def listenings(world: World) -> list[int]:
    async with world.sessions() as session:
        rows = await session.scalars(select(Listening).order_by(Listening.id))
        return [row.employee_id for row in rows]


async def recorded(site: Site, world: World) -> tuple[Viewer, str]:
    boss = await world.hire("boss", Role.SUPERVISOR)
    call = await world.pressed()
    number = await site.add_recording(call.id, audio=SOUND)
    return boss, f"/recordings/{number}"


async def test_the_whole_and_a_part(site: Site, world: World) -> None:
    boss, path = await recorded(site, world)
    whole = await site.get(path + "/audio", by=boss)
    assert (whole.status, whole.raw) == (200, SOUND)
    assert whole.headers["Content-Type"] == "audio/mpeg"
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = await site.get(path + "/audio", by=boss, headers={"Range": "bytes=100-199"})
    assert (part.status, part.raw) == (206, SOUND[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(SOUND)}"
    tail = await site.get(path + "/audio", by=boss, headers={"Range": "bytes=-10"})
    assert tail.raw == SOUND[-10:]


async def test_a_playing_is_logged_once(site: Site, world: World) -> None:
    boss, path = await recorded(site, world)
    for part in ("bytes=0-", "bytes=0-1", "bytes=5000-", "bytes=-100", "bytes=9000-9100"):
        assert (await site.get(path + "/audio", by=boss, headers={"Range": part})).status == 206
        world.pass_s(1)
    assert await listenings(world) == [boss.id]
    world.pass_s(60)
    await site.get(path + "/audio", by=boss)
    assert await listenings(world) == [boss.id, boss.id]
    world.pass_s(3600)
    await site.get(path + "/audio", by=boss, headers={"Range": "bytes=5000-"})
    assert await listenings(world) == [boss.id] * 3


async def test_the_waveform_is_no_listening(site: Site, world: World) -> None:
    boss, path = await recorded(site, world)
    assert (await site.get(path + "/peaks", by=boss)).body["peaks"] == [0, 128, 255]
    assert await listenings(world) == []


async def test_who_answered_the_call_may_not_listen_to_it(site: Site, world: World) -> None:
    ann = await world.hire("ann", extension="101")
    boss = await world.hire("boss", Role.SUPERVISOR)
    call = world.call().press()
    await call.answer("101").stored()
    path = f"/recordings/{await site.add_recording(call.id, audio=SOUND)}"
    for what in ("/audio", "/peaks"):
        refused = await site.get(path + what, by=ann)
        assert (refused.status, refused.problem) == (403, "conflict-of-interest")
    assert await listenings(world) == []
    refusals = (await site.get("/appeals/1", by=boss)).body["refused"]
    assert {(r["employee"]["id"], r["action"]) for r in refusals} == {(ann.id, "listen")}


async def test_others_recordings_are_not_there(site: Site, world: World) -> None:
    eve = await world.hire("eve", extension="109")
    _, path = await recorded(site, world)
    for what in ("/audio", "/peaks"):
        assert (await site.get(path + what, by=eve)).problem == "not-found"
    assert (await site.get("/recordings/4040/audio", by=eve)).problem == "not-found"


async def test_what_cannot_be_played_says_why(site: Site, world: World) -> None:
    boss, path = await recorded(site, world)
    (site.data_dir / "recordings" / "a.mp3").unlink()
    assert (await site.get(path + "/audio", by=boss)).problem == "not-playable"
    other = await world.pressed("+79160000001")
    number = await site.add_recording(other.id, state="unreachable", audio_path=None)
    refused = await site.get(f"/recordings/{number}/audio", by=boss)
    assert (refused.status, refused.problem) == (409, "not-playable")
    assert refused.body["state"] == "unreachable"
    assert await listenings(world) == []
