"""The spool: rows to presses, damage told, and reading it from a PBX without holding AstDB."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami.connection import AmiLink, LinkUp
from ami.spool import (
    PRESSES_AT_ONCE,
    SpoolAnswer,
    SpoolDamage,
    SpoolPress,
    SpoolRecording,
    parse_tree,
    read_families,
    read_press,
)
from tests.ami.test_connection import Reading, new_link, running
from tests.fakes.ami_peer import Action, AmiPeer

pytestmark = pytest.mark.timing

PRESSED = datetime(2026, 11, 21, 18, 33, 43, 657000, UTC)
KEY = "press3/202611211833/lab-1795286023.0-660084"
ROW = (
    "2|lab-1795286023.0|lab-1795286000.9|1795286023.657|+79111234567"
    "|%D0%98%D0%B2%D0%B0%D0%BD%7C%D0%9F|74951234567|main|complaints"
)
PRESS = SpoolPress(
    key=KEY,
    uniqueid="lab-1795286023.0",
    linkedid="lab-1795286000.9",
    pressed_at=PRESSED,
    number="+79111234567",
    name="Иван|П",
    did="74951234567",
    menu="main",
    queue="complaints",
)
MARKS = {
    "again/1795286030.100": "lab-1795286023.0",
    "again/1795286029.100": "lab-1795286023.0",
    "enter": "1795286026.657|complaints",
    "answered": "1795286031.657|PJSIP/101-00000003",
    "queue": "1795286041.657|CONTINUE",
    "recording": "1795286023.700|/var/spool/asterisk/monitor/2026/a.wav",
    "ended": "1795286042.657",
}


def after(seconds: float) -> datetime:
    return PRESSED + timedelta(seconds=seconds)


def rows(**changes: str) -> list[tuple[str, str]]:
    return [(f"/{KEY}", ROW)] + [
        (f"/{KEY}/{mark}", value) for mark, value in (MARKS | changes).items()
    ]


def test_a_press_with_all_its_marks() -> None:
    presses, damage = parse_tree(reversed(rows()))
    assert damage == []
    assert presses == [
        SpoolPress(
            key=KEY,
            uniqueid=PRESS.uniqueid,
            linkedid=PRESS.linkedid,
            pressed_at=PRESSED,
            number=PRESS.number,
            name=PRESS.name,
            did=PRESS.did,
            menu=PRESS.menu,
            queue=PRESS.queue,
            again=(
                datetime(2026, 11, 21, 18, 33, 49, 100000, UTC),
                datetime(2026, 11, 21, 18, 33, 50, 100000, UTC),
            ),
            entered_at=after(3),
            answered=(SpoolAnswer(at=after(8), channel="PJSIP/101-00000003"),),
            queue_left=(after(18), "CONTINUE"),
            recordings=(
                SpoolRecording(
                    at=datetime(2026, 11, 21, 18, 33, 43, 700000, UTC),
                    path="/var/spool/asterisk/monitor/2026/a.wav",
                ),
            ),
            ended_at=after(19),
        )
    ]


def test_a_press_alone_and_the_marks_of_later_parts() -> None:
    assert parse_tree([(KEY, ROW), (f"{KEY}/survey", "5"), (f"{KEY}/message", "x")]) == (
        [PRESS],
        [],
    )


def test_a_name_in_cp1251_and_one_in_no_encoding() -> None:
    for name, read in (("%C8%E2%E0%ED", "Иван"), ("%98%FF", "\udc98\udcff"), ("", "")):
        (press,), _ = parse_tree([(KEY, ROW.replace("%D0%98%D0%B2%D0%B0%D0%BD%7C%D0%9F", name))])
        assert press.name == read


def test_a_recording_without_its_time_began_at_the_press() -> None:
    (press,), damage = parse_tree([(KEY, ROW), (f"{KEY}/recording", "2026/11/21/a.wav")])
    assert damage == []
    assert press.recordings == (SpoolRecording(at=PRESSED, path="2026/11/21/a.wav"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (KEY, ROW.replace("2|", "3|", 1)),
        (KEY, ROW + "|more"),
        (KEY, ROW.replace("1795286023.657", "soon")),
        (KEY, "2||x|1795286023.657|||||"),
        (KEY, ""),
        ("press3/20261121/x", ROW),
        ("press3-state/pruned", "1"),
        (f"{KEY}/nobody-knows", "1"),
        (f"{KEY}/ended", "1795286042.657"),
    ],
)
def test_a_row_that_can_not_be_read_is_told(key: str, value: str) -> None:
    presses, damage = parse_tree([(key, value)])
    assert presses == []
    assert [(each.key, each.value) for each in damage] == [(key, value)]
    assert damage[0].problem


@pytest.mark.parametrize("mark", sorted(MARKS))
def test_a_damaged_mark_leaves_its_press_whole(mark: str) -> None:
    bad = "again/soon" if mark.startswith("again") else mark
    presses, damage = parse_tree([(KEY, ROW), (f"{KEY}/{bad}", "|")])
    assert presses == [PRESS]
    assert [each.key for each in damage] == [f"{KEY}/{bad}"]


some_key = st.one_of(st.just(KEY), st.sampled_from(sorted(MARKS)).map(lambda m: f"{KEY}/{m}"))
some_rows = st.tuples(
    st.one_of(some_key, st.text(max_size=30), st.text(max_size=9).map(lambda t: KEY + t)),
    st.one_of(st.just(ROW), st.sampled_from(sorted(MARKS.values())), st.text(max_size=30)),
)


@given(st.lists(some_rows, max_size=8, unique_by=lambda row: row[0]))
def test_any_rows_are_read_or_told_and_never_raise(given_rows: list[tuple[str, str]]) -> None:
    presses, damage = parse_tree(given_rows)
    told = {each.key for each in damage}
    for key, value in given_rows:
        if key.lstrip("/") == KEY and value == ROW:
            assert KEY in {press.key for press in presses}
        elif not key.lstrip("/").startswith(KEY):
            assert key in told


@pytest.fixture
async def peer() -> AsyncIterator[AmiPeer]:
    async with AmiPeer() as peer:
        yield peer


@pytest.fixture
async def link(peer: AmiPeer) -> AsyncIterator[AmiLink]:
    async with running(new_link(peer, action_timeout_s=5)) as link:
        await Reading(link).to(LinkUp)
        yield link


def spooled(peer: AmiPeer, at: datetime, number: int = 0) -> str:
    uniqueid = f"{at.timestamp():.0f}.{number}"
    key = f"press3/{at:%Y%m%d%H%M}/{uniqueid}-100000"
    peer.astdb[key] = f"2|{uniqueid}|{uniqueid}|{at.timestamp():.3f}|1||2|main|q"
    peer.astdb[f"{key}/ended"] = f"{at.timestamp() + 60:.3f}"
    return key


async def read(link: AmiLink, since: datetime, until: datetime) -> list[str]:
    return [press.key async for presses in read_families(link, since, until) for press in presses]


async def test_a_press_is_read_by_its_key(peer: AmiPeer, link: AmiLink) -> None:
    peer.astdb |= {key.lstrip("/"): value for key, value in rows()}
    peer.astdb["press3/202611211833/lab-1795286023x0-660084"] = ROW
    press = await read_press(link, KEY)
    assert press is not None
    assert (press.key, press.ended_at) == (KEY, after(19))
    assert await read_press(link, KEY + "9") is None


@pytest.mark.parametrize(
    "key", ["", "press3", "press3/%/%", "AMPUSER/101", f"{KEY}/ended", "x\r\ny"]
)
async def test_a_key_that_is_none_of_ours_is_not_asked_for(
    peer: AmiPeer, link: AmiLink, key: str
) -> None:
    assert await read_press(link, key) is None
    assert not peer.received("DBGetTree")


async def test_a_wildcard_in_a_key_finds_no_neighbour(peer: AmiPeer, link: AmiLink) -> None:
    """`_` may stand in a systemname, and AstDB takes it as any character."""
    peer.astdb[KEY.replace("lab-", "labX")] = ROW
    assert await read_press(link, KEY.replace("lab-", "lab_")) is None


async def test_an_empty_database_is_read_at_once(peer: AmiPeer, link: AmiLink) -> None:
    assert await read(link, PRESSED - timedelta(days=8), PRESSED) == []
    assert len(peer.received("Getvar")) + len(peer.received("DBGetTree")) <= 3


async def test_the_span_is_kept_to_the_minute_both_included(peer: AmiPeer, link: AmiLink) -> None:
    minute = PRESSED.replace(second=0, microsecond=0)
    keys = [spooled(peer, minute + timedelta(minutes=each)) for each in range(-3, 3)]
    assert (
        await read(link, minute - timedelta(minutes=2), minute + timedelta(minutes=1)) == keys[1:5]
    )
    long_ago = minute - timedelta(days=3)
    assert await read(link, long_ago, minute + timedelta(minutes=1)) == keys[:5]
    assert await read(link, minute, minute + timedelta(days=3)) == keys[3:]


@pytest.mark.parametrize("counts", [True, False])
async def test_no_press_is_missed_however_many_there_are_and_lists_stay_short(
    peer: AmiPeer, link: AmiLink, counts: bool
) -> None:
    if not counts:  # an Asterisk without DB_KEYCOUNT
        peer.on("Getvar", lambda action: [action.ok(Variable="x", Value="")])
    crowd = PRESSED - timedelta(days=1)
    keys = [spooled(peer, PRESSED - timedelta(hours=3 * each)) for each in range(10)]
    keys += [spooled(peer, crowd + timedelta(minutes=n // 50), n) for n in range(1, 701)]
    longest = 0

    def watched(action: Action) -> list[bytes]:
        nonlocal longest
        answer = peer._db_get_tree(action)
        longest = max(longest, len(answer) - 2)
        return answer

    peer.on("DBGetTree", watched)
    found = await read(link, PRESSED - timedelta(hours=30), PRESSED)
    assert sorted(found) == sorted(keys)
    assert found == sorted(found, key=lambda key: key.split("/")[1])
    assert longest <= 2 * PRESSES_AT_ONCE


async def test_an_astdb_without_wildcards_is_read_minute_by_minute(
    peer: AmiPeer, link: AmiLink
) -> None:
    key = spooled(peer, PRESSED)

    def literal(action: Action) -> list[bytes]:
        if "_" in action.get("Variable") + action.get("Family"):
            return [action.ok(Variable=action.get("Variable"), Value="0")]
        return peer._getvar(action)

    peer.on("Getvar", lambda a: literal(a) if "____" in a.get("Variable") else peer._getvar(a))
    assert await read(link, PRESSED - timedelta(minutes=100), PRESSED) == [key]
    assert len(peer.received("DBGetTree")) == 101


async def test_the_next_family_is_asked_for_only_when_the_previous_is_complete(
    peer: AmiPeer, link: AmiLink
) -> None:
    for minutes in range(5):
        spooled(peer, PRESSED + timedelta(minutes=minutes))
    seen = []
    async for presses in read_families(link, PRESSED, PRESSED + timedelta(minutes=4)):
        seen.append((len(presses), len(peer.received("DBGetTree"))))
    assert seen == [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]


async def test_an_error_not_found_is_an_empty_family(peer: AmiPeer, link: AmiLink) -> None:
    peer.on("DBGetTree", lambda action: [action.error("Database entry not found")])
    assert await read(link, PRESSED, PRESSED + timedelta(minutes=3)) == []


async def test_damage_is_handed_on(peer: AmiPeer, link: AmiLink) -> None:
    key = spooled(peer, PRESSED)
    peer.astdb[f"{key}/answered"] = "nonsense"
    told: list[SpoolDamage] = []
    async for presses in read_families(link, PRESSED, PRESSED, on_damage=told.append):
        assert [press.key for press in presses] == [key]
    assert [each.key for each in told] == [f"/{key}/answered"]
    await read_press(link, key, on_damage=told.append)
    assert len(told) == 2
