"""Who holds a connection, who is cut for whom: strangers by address, people by person, all by descriptors."""

from hypothesis import given
from hypothesis import strategies as st

from people.door import Door, DoorLimits, Guest

LIMITS = DoorLimits(strangers=3, crowd=6, per_person=2, descriptors=16, patience_s=1)


class House:
    """A door, and the names of those who were cut, in order."""

    def __init__(self, limits: DoorLimits = LIMITS) -> None:
        self.door = Door(limits)
        self.cut: list[str] = []

    def enter(self, name: str, address: str = "a", now_s: float = 0.0) -> Guest:
        return self.door.enter(address, lambda: self.cut.append(name), now_s=now_s)


def test_the_newest_stays_and_who_waits_longest_goes() -> None:
    house = House()
    for n in range(5):
        house.enter(f"g{n}", now_s=n * 2.0)
    assert house.cut == ["g0", "g1"]
    assert house.door.strangers("a") == 3


def test_who_has_just_come_is_given_a_moment_until_the_sweep() -> None:
    house = House()
    for n in range(5):
        house.enter(f"g{n}")
    assert house.cut == []
    house.door.sweep(0.5)
    assert house.cut == []
    house.door.sweep(1.5)
    assert house.cut == ["g0", "g1"]


def test_a_crowd_is_cut_at_once() -> None:
    house = House()
    for n in range(8):
        house.enter(f"g{n}")
    assert house.cut == ["g0", "g1"]


def test_who_is_being_served_is_not_cut() -> None:
    house = House()
    served = house.enter("served")
    served.busy()
    for n in range(3):
        house.enter(f"g{n}", now_s=5)
    house.door.sweep(60)
    assert house.cut == ["g0"]
    served.waits(61)
    house.enter("g3", now_s=70)
    assert house.cut == ["g0", "g1"], "served began to wait later"


def test_addresses_do_not_touch_each_other() -> None:
    house = House()
    for n in range(3):
        house.enter(f"a{n}")
        house.enter(f"b{n}", "b")
    house.door.sweep(60)
    assert house.cut == []


def test_a_person_is_no_stranger_and_has_a_limit_of_their_own() -> None:
    house = House()
    first, second, third = (house.enter(f"p{n}") for n in range(3))
    assert first.known(7)
    first.busy()
    assert second.known(7)
    second.busy()
    assert not third.known(7), "both others are being served"
    second.waits(5)
    assert third.known(7)
    assert house.cut == ["p1"]
    for n in range(3):
        house.enter(f"g{n}", now_s=5)
    house.door.sweep(60)
    assert house.cut == ["p1"], "strangers of the same address have their own limit"
    assert first.known(None), "a session that ended makes a stranger again"
    assert house.door.strangers("a") == 4


def test_descriptors_are_taken_from_strangers_first_and_never_from_screens() -> None:
    house = House()
    screen = house.enter("screen")
    assert screen.weighs(3)
    screen.is_screen()
    idle = house.enter("idle", "i")
    assert idle.known(1)
    for n in range(14):
        house.enter(f"g{n}", address=f"s{n}")
    assert house.cut == ["g0", "g1"]
    assert house.door.descriptors == 16


def test_signed_in_people_leave_room_for_signing_in() -> None:
    house = House()
    known = [house.enter(f"p{n}", address=f"s{n}").known(n) for n in range(16)]
    assert (known.count(True), known.count(False)) == (14, 2)


def test_it_is_full_only_when_nobody_could_go() -> None:
    house = House(DoorLimits(strangers=3, descriptors=8))
    guests = [house.enter(f"p{n}", address=f"s{n}") for n in range(8)]
    for guest in guests:
        guest.busy()
    assert house.door.is_full
    guests[3].waits(1)
    assert not house.door.is_full
    house.enter("new", "n", now_s=2)
    assert house.cut == ["p3"]


def test_a_proxy_is_not_counted_but_its_clients_are() -> None:
    house = House()
    for n in range(9):
        line = house.enter(f"line{n}", "proxy")
        line.is_proxy()
        line.beside("far", lambda n=n: house.cut.append(f"far{n}"), now_s=0)  # type: ignore[misc]
    assert house.door.strangers("proxy") == 0
    house.door.sweep(5)
    assert house.door.strangers("far") == 3
    assert all(name.startswith("far") for name in house.cut)


def test_a_name_is_good_once_and_no_longer_than_the_guest() -> None:
    house = House()
    guest = house.enter("g")
    name = guest.named()
    assert house.door.claim(name) is guest
    assert house.door.claim(name) is None
    gone = guest.named()
    guest.leave()
    assert house.door.claim(gone) is None


def test_what_is_cut_is_closing_until_it_has_left() -> None:
    house = House(DoorLimits(descriptors=8))
    guests = [house.enter(f"g{n}", address=f"s{n}") for n in range(9)]
    assert (house.cut, house.door.closing) == (["g0"], 1)
    guests[0].leave()
    assert (house.door.descriptors, house.door.closing) == (8, 0)


def test_a_heavier_one_makes_room_or_stays_as_it_was() -> None:
    house = House(DoorLimits(descriptors=8))
    guests = [house.enter(f"g{n}", address=f"s{n}") for n in range(8)]
    guests[7].busy()
    assert guests[7].weighs(3)
    assert (house.cut, house.door.descriptors) == (["g0", "g1"], 8)
    for guest in guests[2:7]:
        guest.busy()
    assert not guests[6].weighs(3)
    assert (guests[6].weight, house.door.descriptors) == (1, 8)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("enter", "busy", "waits", "known", "none", "screen", "proxy", "leave")),
        st.integers(0, 30),
        st.integers(0, 3),
    ),
    max_size=120,
)


@given(STEPS)
def test_it_counts_right_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    house, guests = House(), list[Guest]()
    for now_s, (what, which, who) in enumerate(steps):
        if what == "enter" or not guests:
            guests.append(house.enter("g", address=f"s{who}", now_s=now_s))
            continue
        guest = guests[which % len(guests)]
        {
            "busy": guest.busy,
            "waits": lambda g=guest, t=now_s: g.waits(t),
            "known": lambda g=guest, p=who: g.known(p),
            "none": lambda g=guest: g.known(None),
            "screen": guest.is_screen,
            "proxy": guest.is_proxy,
            "leave": guest.leave,
        }[what]()  # type: ignore[operator]
    here = [guest for guest in guests if not guest.is_gone]
    door = house.door
    assert door.descriptors == len(here)
    for address in ("s0", "s1", "s2", "s3"):
        mine = [g for g in here if g.person is None and g.address == address]
        assert door.strangers(address) == len(mine)
    assert door.signed_in == sum(g.person not in (None, -1) for g in here)
    waiting = {g for g in here if g.since_s is not None}
    assert {*door._all_waiting, *door._all_idle} == waiting
    for guest in here:
        guest.leave()
    assert not door._strangers
    assert not door._persons
    assert not door._waiting
    assert not door._idle
