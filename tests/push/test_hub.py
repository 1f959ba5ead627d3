"""Who of the connected screens is told what, and what happens to one that does not read."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from people.access.audience import Audience, Viewer
from people.model import Role
from push.errors import PushError, SlowReader, TooManyConnections
from push.hub import Hub, Screen
from store.outbox import Message

AT = datetime(2026, 11, 21, tzinfo=UTC)


class Tap:
    """A wire that keeps what it is given; `unread` is what the other side has not taken."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.unread = 0
        self.cut_for: list[PushError] = []

    def write(self, frame: bytes) -> None:
        self.frames.append(frame)

    def backlog_bytes(self) -> int:
        return self.unread

    def cut(self, error: PushError) -> None:
        self.cut_for.append(error)


def screen(person: int, role: Role = Role.OPERATOR, department: int | None = 1) -> Screen:
    return Screen(Viewer(person, role, department), Tap(), session_hash=b"")


def message(seq: int, audience: Audience) -> Message:
    return Message(type="t", at=AT, audience=audience.to_json(), data={}, seq=seq)


def hub(**limits: int) -> Hub:
    made = Hub(frame=lambda m: b"%d" % m.seq, **limits)
    made.begin(0)
    return made


def frames(of: Screen) -> list[bytes]:
    assert isinstance(of.wire, Tap)
    return of.wire.frames


def test_a_pop_goes_to_all_screens_of_one_person_only() -> None:
    h, one, tab, other = hub(), screen(1), screen(1), screen(2)
    with h.joined(one), h.joined(tab), h.joined(other):
        h.deliver([message(1, Audience(employees=(1,)))])
    assert (frames(one), frames(tab), frames(other)) == ([b"1"], [b"1"], [])


def test_who_changes_role_or_department_is_told_as_what_he_is_then() -> None:
    h, changing, left = hub(), screen(1, department=2), screen(3)
    of_one = Audience(roles=(Role.SUPERVISOR,), departments=(1,))
    with h.joined(changing), h.joined(screen(2)):
        h.deliver([message(1, of_one)])
        h.see_as(changing, Viewer(1, Role.SUPERVISOR, 1))
        h.deliver([message(2, of_one)])
        h.see_as(changing, Viewer(1, Role.SUPERVISOR, 2))
        h.deliver([message(3, of_one)])
        h.see_as(left, Viewer(3, Role.SUPERVISOR, 1))  # gone while its session was looked up
        h.deliver([message(4, replace(of_one, employees=(1,)))])
    h.deliver([message(5, of_one)])
    assert (frames(changing), frames(left)) == ([b"2", b"4"], [])


def test_roles_are_told_in_their_departments() -> None:
    h = hub()
    mine, above, beside = (screen(n, Role.SUPERVISOR, d) for n, d in ((1, 5), (2, None), (3, 6)))
    with h.joined(mine), h.joined(above), h.joined(beside):
        h.deliver([message(1, Audience(roles=(Role.SUPERVISOR,), departments=(5, 1)))])
    assert [len(frames(s)) for s in (mine, above, beside)] == [1, 1, 0]


def test_who_is_left_out_is_told_by_no_way() -> None:
    h = hub()
    boss, accused, other = screen(1, Role.SUPERVISOR), screen(2, Role.SUPERVISOR), screen(3)
    audience = Audience(employees=(2, 3), roles=(Role.SUPERVISOR,), except_=(2,))
    with h.joined(boss), h.joined(accused), h.joined(other):
        h.deliver([message(1, audience)])
    assert [len(frames(each)) for each in (boss, accused, other)] == [1, 0, 1]


def test_one_frame_is_built_for_many_and_none_for_nobody() -> None:
    built: list[int] = []
    h = Hub(frame=lambda m: (built.append(m.seq), b"x")[1])
    h.begin(0)
    with h.joined(screen(1)), h.joined(screen(1)):
        h.deliver([message(1, Audience(employees=(1,))), message(2, Audience(employees=(9,)))])
    assert built == [1]
    assert h.position == 2


def test_a_screen_is_not_told_what_it_read_while_catching_up() -> None:
    h, ahead = hub(), screen(1)
    ahead.seq = 2
    assert h.is_level(ahead)
    with h.joined(ahead):
        h.deliver([message(n, Audience(employees=(1,))) for n in (1, 2, 3)])
    assert frames(ahead) == [b"3"]


def test_who_left_is_told_nothing() -> None:
    h, gone = hub(), screen(1)
    with h.joined(gone):
        pass
    h.deliver([message(1, Audience(employees=(1,)))])
    assert frames(gone) == []
    assert h.screens() == []


def test_a_slow_reader_is_cut_once_and_the_others_go_on() -> None:
    h, slow, quick = hub(backlog_limit_bytes=10), screen(1), screen(1)
    assert isinstance(slow.wire, Tap)
    with h.joined(slow), h.joined(quick):
        slow.wire.unread = 10
        h.deliver([message(1, Audience(employees=(1,)))])
        slow.wire.unread = 0  # what comes after a gap must not reach it
        h.deliver([message(2, Audience(employees=(1,)))])
    assert [type(error) for error in slow.wire.cut_for] == [SlowReader]
    assert frames(slow) == []
    assert frames(quick) == [b"1", b"2"]
    assert h.cut == 1


def test_one_person_holds_so_many_connections_and_no_more() -> None:
    h = hub(per_person_limit=2)
    with h.seat(1), h.seat(1), h.seat(2), pytest.raises(TooManyConnections), h.seat(1):
        pass
    with h.seat(1):
        pass
