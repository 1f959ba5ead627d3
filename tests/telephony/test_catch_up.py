"""Gaps of the link: read to the end whatever comes between, told in the blind window, never forgotten."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from ami import spool
from ami.connection import LinkState
from ami.errors import AmiError
from appeals.case.model import Appeal
from calls import storage
from calls.model import BlindWindow, Call, PbxState
from recordings.model import Recording
from store.lease import Lease
from store.writer import Writer
from telephony.catch_up import SETTLED, CatchUp
from tests.fakes.ami_peer import Action
from tests.telephony.gaps import (
    BACK,
    IN_THE_GAP,
    PBX,
    SEEN_LAST,
    Fails,
    Served,
    channel_of,
    incoming,
    press,
)
from tests.waiting import until

pytestmark = pytest.mark.timing


async def test_a_gap_that_can_not_be_read_at_the_login_is_read_by_the_sweep(
    served: Served, writer: Writer
) -> None:
    fails = Fails(served.peer, "CoreShowChannels", 2)  # at the login, and when the gap is read
    await served.start(writer)
    await until(lambda: fails.left == 0, what="the first reading has failed")
    call = incoming(served.peer, BACK + timedelta(seconds=30))
    await until(lambda: served.has_open(call), what="events are taken all the same")
    assert not await served.rows(Appeal)
    window = await served.window()
    assert (window.started_at, window.ended_at) == (SEEN_LAST, None)
    assert await served.last_contact() > BACK

    served.peer.clock = f"{(BACK + timedelta(seconds=60)).timestamp():.6f}"
    served.peer.channels = [{"Channel": "PJSIP/trunk-00000009", "Uniqueid": call[5:]}]
    await served.catch_up.sweep(served.pipeline)

    (appeal,) = await served.rows(Appeal)
    assert appeal.pressed_at == IN_THE_GAP
    window = await served.window()
    assert (window.started_at, window.ended_at) == (SEEN_LAST, BACK)
    assert await served.brought() == (1, 1)
    assert await served.told() == ["link.lost", "link.restored"], "once, and in a pair"
    assert [story.id for story in served.recorder.open_stories] == [call]


async def test_a_pbx_that_is_away_when_press3_starts_has_an_open_window_from_the_start(
    served: Served, writer: Writer
) -> None:
    served.peer.login_error = "Authentication failed"
    served.create(await Lease(writer, PBX).acquire(), writer)
    served.run()
    (window,) = await until(lambda: served.rows(BlindWindow), what="the window is open")
    assert (window.started_at, window.ended_at) == (SEEN_LAST, None)
    assert await served.told() == ["link.lost"]


async def test_a_pbx_never_reached_has_an_open_window_that_the_first_login_ends(
    served: Served, writer: Writer
) -> None:
    """Our clock is slow: the window still begins before all that the PBX keeps."""

    async def forget(session: AsyncSession) -> None:
        await session.execute(delete(PbxState))

    await writer.run(forget)
    await served.peer.stop()
    served.create(await Lease(writer, PBX).acquire(), writer)
    served.run()
    (window,) = await until(lambda: served.rows(BlindWindow), what="the window is open")
    assert (window.ended_at, window.reason) == (None, storage.FIRST_START)
    assert window.started_at <= SEEN_LAST
    await served.peer.start()
    await served.peer.logged_in()

    async def is_read() -> bool:
        return (await served.window()).ended_at is not None

    await until(is_read, what="the gap is read after the first login")
    window = await served.window()
    assert window.started_at <= BACK - spool.KEPT
    assert await served.brought() == (1, 1)
    assert await served.told() == ["link.restored"]


async def test_what_a_gap_brought_counts_in_full_when_press3_ends_before_its_window_does(
    served: Served, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> None:
        raise AmiError("press3 is killed")

    with monkeypatch.context() as first_life:
        first_life.setattr(CatchUp, "_close_window", dies)
        await served.start(writer)

        async def is_stored() -> bool:
            return len(await served.rows(Appeal)) == 1

        await until(is_stored, what="the press of the gap is stored")
        await served.stop()
    press(served.peer, IN_THE_GAP + timedelta(minutes=1))
    await served.start(writer)  # its memory is gone

    async def is_read() -> bool:
        return (await served.window()).ended_at is not None

    await until(is_read, what="the gap is read after the restart")
    assert await served.brought() == (2, 2)


async def test_a_link_that_breaks_while_the_gap_is_read_does_not_shorten_the_gap(
    served: Served, writer: Writer
) -> None:
    served.peer.on("CoreShowChannels", lambda action: [])
    await served.start(writer)
    await until(lambda: served.peer.received("CoreShowChannels"), what="the reading has begun")
    call = incoming(served.peer, BACK + timedelta(seconds=30))
    await until(lambda: served.has_open(call), what="events of the session are taken")
    peer = served.peer
    peer.on("CoreShowChannels", lambda action: action.listed("CoreShowChannelsComplete", []))
    peer.clock = f"{(BACK + timedelta(hours=1)).timestamp():.6f}"
    peer.reset()

    async def is_read() -> bool:
        return (await served.window()).ended_at is not None

    await until(is_read, what="the gap is read after the second login")
    (appeal,) = await served.rows(Appeal)
    assert appeal.pressed_at == IN_THE_GAP
    window = await served.window()
    assert window.started_at == SEEN_LAST
    assert await served.brought() == (2, 1), "the call of between ended unseen"
    assert await served.told() == ["link.lost", "link.restored"], "once, and in a pair"


async def test_a_recording_that_began_at_the_very_login_is_known_seconds_later(
    served: Served, writer: Writer
) -> None:
    """Its event came before the login; its mark, written behind it, is left to the events."""
    peer, mark = served.peer, BACK + timedelta(milliseconds=20)
    peer.astdb.clear()
    press(peer, BACK - timedelta(seconds=1))
    key, ended = peer.astdb
    del peer.astdb[ended]
    peer.astdb[f"{key}/recording"] = f"{mark.timestamp():.3f}|/monitor/press3-7.wav"
    peer.channels = [channel_of(key.rpartition("/")[2].removesuffix("-1"))]
    await served.start(writer)
    await until(lambda: served.pipeline.doubtful(0), what="the spool is to be read again")
    assert [call.ended_at for call in await served.rows(Call)] == [None]
    assert not await served.rows(Recording)

    peer.clock = f"{(mark + SETTLED + timedelta(seconds=1)).timestamp():.6f}"
    await served.catch_up.sweep(served.pipeline)

    (recording,) = await served.rows(Recording)
    assert recording.remote_path == "/monitor/press3-7.wav"


async def test_a_minute_that_can_not_be_read_hides_no_other_and_is_told(
    served: Served, writer: Writer
) -> None:
    peer, damaged = served.peer, IN_THE_GAP + timedelta(minutes=3)
    for minutes in (3, 4, 70):
        press(peer, IN_THE_GAP + timedelta(minutes=minutes))
    read = peer._handlers["dbgettree"]

    def broken(action: Action) -> Any:
        """The list of one minute, and of every pattern that takes it in, is shorter than its count."""
        answer = list(read(action))
        if any(f"{damaged:%Y%m%d%H%M}".encode() in row for row in answer):
            return [answer[0], *answer[2:]]
        return answer

    peer.on("DBGetTree", broken)
    await served.start(writer)

    async def closed_windows() -> list[BlindWindow]:
        return [window for window in await served.rows(BlindWindow) if window.ended_at]

    (closed,) = await until(closed_windows, what="the gap is read")
    assert f"{damaged:%Y%m%d%H%M} (UTC minutes) could not be read" in closed.reason
    told = {appeal.pressed_at - IN_THE_GAP for appeal in await served.rows(Appeal)}
    assert told == {timedelta(minutes=minutes) for minutes in (0, 4, 70)}


async def test_a_clean_stop_keeps_how_long_the_pbx_was_heard(
    served: Served, writer: Writer
) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    await served.start(writer)

    async def is_read() -> bool:
        return await served.last_contact() == BACK

    await until(is_read, what="caught up")
    await asyncio.sleep(0.3)  # nothing is said meanwhile
    await served.stop()
    heard_s = (await served.last_contact() - BACK).total_seconds()
    assert 0.3 <= heard_s <= clock() - began


async def test_a_sweep_before_the_login_is_taken_in_does_not_hide_the_gap(
    served: Served, writer: Writer
) -> None:
    served.create(await Lease(writer, PBX).acquire(), writer)
    async with served.pipeline.turn:
        sweep = asyncio.create_task(served.catch_up.sweep(served.pipeline))
        await asyncio.sleep(0)  # it waits for its turn, before the login does
        served.run()
        await until(lambda: served.pipeline._has_batch, what="the login waits to be taken in")
    await sweep

    async def appeals() -> list[Any]:
        return await served.rows(Appeal)

    (appeal,) = await until(appeals, what="the press in the gap")
    assert appeal.pressed_at == IN_THE_GAP


async def test_the_sweep_leaves_to_waiting_events_what_they_will_tell(
    served: Served, writer: Writer
) -> None:
    await served.start(writer)

    async def is_read() -> bool:
        return await served.last_contact() == BACK

    pipeline, an_hour_later = served.pipeline, BACK + timedelta(hours=1)
    await until(is_read, what="caught up")
    await until(lambda: not pipeline._has_batch, what="and done with")
    async with pipeline.turn:  # the database is busy: events wait
        call = incoming(served.peer, an_hour_later)
        await until(lambda: pipeline._has_batch, what="a batch waits")
        assert pipeline.taken_until(an_hour_later) == BACK
    await until(lambda: served.has_open(call), what="the batch is taken")
    await until(lambda: not pipeline._has_batch, what="and done with")
    assert pipeline.taken_until(an_hour_later) == an_hour_later


async def test_who_hung_up_between_the_login_and_its_reading_ended_when_he_hung_up(
    served: Served, writer: Writer
) -> None:
    """The reader is busy: when it comes to the login, the call is over and its end waits behind it."""
    peer = served.peer
    await served.start(writer)
    call = incoming(peer, BACK)
    await until(lambda: served.has_open(call), what="a call")
    uniqueid, later = call[5:], BACK + timedelta(seconds=20)
    peer.channels = [{"Channel": "PJSIP/trunk-00000009", "Uniqueid": uniqueid}]
    peer.clock = f"{(BACK + timedelta(seconds=10)).timestamp():.6f}"
    async with served.pipeline.turn:
        connections = peer.connections
        peer.reset()
        await until(lambda: peer.connections > connections, what="the link is tried again")
        await peer.logged_in()
        await until(lambda: served.link.state is LinkState.UP, what="the link is up again")
        peer.channels = []
        peer.event("Hangup", {**channel_of(uniqueid), "Timestamp": f"{later.timestamp():.6f}"})
        await until(lambda: served.link.waiting, what="the end waits")

    async def ended() -> list[Any]:
        return [
            each.ended_at for each in await served.rows(Call) if each.id == call and each.ended_at
        ]

    assert await until(ended, what="the call is over") == [later]


async def test_calls_of_a_restarted_pbx_end_and_its_new_ones_stay(
    served: Served, writer: Writer
) -> None:
    await served.start(writer)
    old = incoming(served.peer, BACK + timedelta(seconds=1))
    await until(lambda: served.has_open(old), what="a call before the restart")
    await served.peer.stop()
    served.peer.startup = ("2026-11-21", "23:00:00")
    served.peer.clock = f"{(BACK + timedelta(minutes=2)).timestamp():.6f}"
    fails = Fails(served.peer, "CoreShowChannels", 2)  # at the login, and when the gap is read
    await served.peer.start()
    await until(lambda: fails.left == 0, what="the first reading has failed")
    new = incoming(served.peer, BACK + timedelta(minutes=3))
    await until(lambda: served.has_open(new), what="a call after the restart")
    served.peer.clock = f"{(BACK + timedelta(minutes=4)).timestamp():.6f}"
    served.peer.channels = [{"Channel": "PJSIP/trunk-00000009", "Uniqueid": new[5:]}]
    await served.catch_up.sweep(served.pipeline)

    outcomes = {call.id: call.outcome for call in await served.rows(Call)}
    assert outcomes[old] == "failed"
    assert outcomes[new] is None
    assert served.pipeline.tracker.open_calls() == {new}


async def test_who_called_a_restarted_pbx_in_the_second_of_the_last_contact_is_on_the_line(
    served: Served, writer: Writer
) -> None:
    """A uniqueid tells the second only: he seems to have come before the PBX was last heard."""
    uniqueid, pressed_at = f"{SEEN_LAST.timestamp():.0f}.0", SEEN_LAST + timedelta(seconds=1.7)
    row = f"2|{uniqueid}|{uniqueid}|{pressed_at.timestamp():.3f}|+79110000002|Anna|7495|press3|q"
    served.peer.astdb[f"press3/{pressed_at:%Y%m%d%H%M}/{uniqueid}-1"] = row
    served.peer.channels = [{"Channel": "PJSIP/trunk-00000000", "Uniqueid": uniqueid}]
    served.peer.startup = (f"{SEEN_LAST:%F}", f"{SEEN_LAST:%T}")
    await served.start(writer)
    call = f"{PBX}-{uniqueid}"
    await until(lambda: served.has_open(call), what="his press is read")

    async def caught_up() -> bool:
        return bool((await served.window()).ended_at)

    await until(caught_up, what="the gap is read")
    (stored,) = [each for each in await served.rows(Call) if each.id == call]
    assert (stored.pressed_at, stored.ended_at, stored.outcome) == (pressed_at, None, None)


async def test_what_the_sweep_learns_of_a_call_heard_all_along_is_not_recovered(
    served: Served, writer: Writer
) -> None:
    """Its press was cut off before the dialplan could tell of it; only AstDB has it."""
    await served.start(writer)
    at = BACK + timedelta(seconds=30)
    heard = incoming(served.peer, at)
    await until(lambda: served.has_open(heard), what="the call is heard")
    uniqueid, key = heard.removeprefix(f"{PBX}-"), f"press3/{at:%Y%m%d%H%M}/x-1"
    row = f"2|{uniqueid}|{uniqueid}|{at.timestamp():.3f}|+79110000002|Anna|74951234567|press3|q"
    served.peer.astdb |= {key: row, f"{key}/enter": f"{at.timestamp() + 2:.3f}|q"}
    served.peer.clock = f"{(BACK + timedelta(seconds=60)).timestamp():.6f}"
    served.peer.channels = [{"Channel": "PJSIP/trunk-00000009", "Uniqueid": uniqueid}]
    await served.catch_up.sweep(served.pipeline)

    calls = {call.id: call for call in await served.rows(Call)}
    assert calls[heard].pressed_at == at
    assert calls[heard].queue_entered_at == at + timedelta(seconds=2)
    assert calls[heard].recovered is False
    assert sum(call.recovered for call in calls.values()) == 1, "the one of the gap"
