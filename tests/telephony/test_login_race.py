"""What happens while a session is being opened: a call that ends, answers or begins between two of its questions.

The PBX is asked Login, then one thing after the other; events come from Login on, some of them after an
answer that is younger than they are. At whatever point it happened, it is told once and at its own time.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

import pytest

from calls.model import BlindWindow, Call, Leg
from store.writer import Writer
from tests.fakes.ami_peer import Action, AmiPeer, message
from tests.telephony.gaps import BACK, PBX, Served
from tests.waiting import until

Act: TypeAlias = Callable[[datetime], bytes]

pytestmark = [
    pytest.mark.timing,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

QUESTIONS = ("Login", "Ping", "CoreShowChannels", "CoreStatus", "CoreSettings")
LOGIN = BACK + timedelta(seconds=10)
BORN = BACK + timedelta(seconds=1)
MOMENT = timedelta(milliseconds=200)
TALK = "b-1"
at_each_point = pytest.mark.parametrize(
    ("question", "before"),
    [(question, before) for question in QUESTIONS for before in (True, False)],
    ids=lambda each: {True: "before", False: "after"}.get(each, each),
)


class Line:
    """A channel of the played PBX: what its events and its row in the list look like."""

    def __init__(self, name: str, born: datetime, n: int, of: "Line | None" = None) -> None:
        self.name = name
        self.uniqueid = f"{born.timestamp():.0f}.{n}"
        self.linkedid = of.linkedid if of else self.uniqueid
        self.state, self.bridge = "Ring" if of is None else "Down", ""

    @property
    def is_customer(self) -> bool:
        return self.uniqueid == self.linkedid

    def headers(self, prefix: str = "") -> dict[str, str]:
        number = "+79110000002" if self.is_customer else "101"
        block = {
            "Channel": self.name, "ChannelStateDesc": self.state, "CallerIDNum": number,
            "Context": "from-trunk", "Exten": "74951234567" if self.is_customer else "",
            "Uniqueid": self.uniqueid, "Linkedid": self.linkedid,
        }  # fmt: skip
        return {f"{prefix}{name}": value for name, value in block.items()}

    def row(self) -> dict[str, str]:
        return {**self.headers(), "BridgeId": self.bridge}


class Story:
    """One caller and the operator who rings: their events, as bytes, and who is on the line."""

    def __init__(self, peer: AmiPeer, born: datetime = BORN) -> None:
        self.peer = peer
        self.caller = Line("PJSIP/trunk-00000009", born, 9)
        self.phone = Line("PJSIP/101-0000000a", born, 10, self.caller)
        self.call = f"{PBX}-{self.caller.uniqueid}"
        self.moments: list[datetime] = []  # of what happened since the caller rang

    @staticmethod
    def _say(event: str, at: datetime, headers: dict[str, str]) -> bytes:
        return message(("Event", event), ("Timestamp", f"{at.timestamp():.6f}"), *headers.items())

    def _shown(self) -> None:
        lines = (self.caller, self.phone)
        self.peer.channels = [line.row() for line in lines if line.state != "gone"]

    def _dial(self, event: str, at: datetime, status: str = "") -> bytes:
        more = {"DialStatus": status} if status else {}
        return self._say(event, at, {**self.caller.headers(), **self.phone.headers("Dest"), **more})

    def begins(self, at: datetime) -> bytes:
        return self.comes(at) + self.rings(at)

    def comes(self, at: datetime) -> bytes:
        """The channels are there; nobody is dialled yet."""
        self._shown()
        born = [self._say("Newchannel", at, line.headers()) for line in (self.caller, self.phone)]
        return b"".join(born)

    def rings(self, at: datetime) -> bytes:
        if at > BORN:
            self.moments.append(at)
        self.phone.state = "Ringing"
        self._shown()
        return self._dial("DialBegin", at)

    def answers(self, at: datetime) -> bytes:
        self.moments.append(at)
        self.caller.state = self.phone.state = "Up"
        self.caller.bridge = self.phone.bridge = TALK
        self._shown()
        bridge = {"BridgeUniqueid": TALK, "BridgeType": "basic", "BridgeTechnology": "simple"}
        enters = [
            self._say("BridgeEnter", at, {**line.headers(), **bridge})
            for line in (self.phone, self.caller)
        ]
        return b"".join([self._dial("DialEnd", at, "ANSWER"), *enters])

    def ends(self, at: datetime) -> bytes:
        self.moments.append(at)
        gone = [
            self._say("Hangup", at, {**line.headers(), "Cause": "16"})
            for line in (self.phone, self.caller)
        ]
        self.caller.state = self.phone.state = "gone"
        self._shown()
        return b"".join([self._say("HangupRequest", at, self.caller.headers()), *gone])


class Login:
    """The second login of the service, in slow motion: a second passes with each question."""

    def __init__(self, served: Served, story: Story) -> None:
        self.served, self.story = served, story
        self._asked = -1
        self._acts: dict[tuple[str, bool], list[Act]] = {}
        for name in QUESTIONS:
            self._slow_down(name)

    @property
    def now(self) -> datetime:
        return LOGIN + timedelta(seconds=max(self._asked, 0))

    def at(self, question: str, before: bool, *acts: Act) -> None:
        """Let `acts` happen just before (or after) `question` is answered; their events follow the answer."""
        self._acts[question, before] = list(acts)

    def _slow_down(self, name: str) -> None:
        peer = self.served.peer
        answer = peer._handlers[name.lower()]

        def slowly(action: Action) -> Iterable[bytes]:
            self._asked += 1
            peer.clock = f"{self.now.timestamp():.6f}"
            said = self._happen(name, before=True)
            replies = list(answer(action))
            return [*replies, *said, *self._happen(name, before=False)]

        peer.on(name, slowly)

    def _happen(self, name: str, *, before: bool) -> list[bytes]:
        acts = self._acts.pop((name, before), [])
        since = self.now - len(acts) * MOMENT if before else self.now
        return [act(since + (n + 1) * MOMENT) for n, act in enumerate(acts)]

    async def again(self) -> None:
        """Cut the link and log in once more, until all that was told then is stored."""
        peer, served = self.served.peer, self.served
        peer.reset()
        await until(lambda: self._asked >= len(QUESTIONS) - 1, what="logged in again")
        await taken_in(served, logins=2)

    async def told(self) -> Call:
        (call,) = [each for each in await self.served.rows(Call) if each.id == self.story.call]
        assert isinstance(call, Call)
        return call

    async def legs(self) -> list[tuple[str, str | None, datetime | None, datetime | None]]:
        legs = await self.served.rows(Leg)
        return [(leg.extension, leg.outcome, leg.answered_at, leg.ended_at) for leg in legs]


async def taken_in(served: Served, *, logins: int) -> None:
    """Wait until each login has closed its blind window and all that came is stored."""

    async def taken() -> bool:
        quiet = not served.link.waiting and not served.pipeline._has_batch
        windows = await served.rows(BlindWindow)
        return quiet and len(windows) == logins and all(each.ended_at for each in windows)

    await until(taken, what="all is taken in")


@pytest.fixture
async def login(served: Served, writer: Writer) -> Login:
    """The service has logged in once and knows of no call."""
    served.peer.astdb.clear()
    await served.start(writer)
    await taken_in(served, logins=1)
    return Login(served, Story(served.peer))


async def rings(login: Login) -> None:
    """He calls and operator 101 rings, as the service hears."""
    story, served = login.story, login.served
    served.peer.send(story.begins(BORN))
    await until(lambda: served.has_open(story.call), what="he rings")


@at_each_point
async def test_who_was_answered_and_ended_meanwhile(
    login: Login, question: str, before: bool
) -> None:
    await rings(login)
    login.at(question, before, login.story.answers, login.story.ends)
    await login.again()
    call, story = await login.told(), login.story
    assert (call.outcome, call.answered_at, call.ended_at) == ("answered", *story.moments)
    assert await login.legs() == [("101", "answered", *story.moments)]
    assert not call.recovered, "it was told by its events"
    assert login.served.pipeline.tracker.open_calls() == set()


@at_each_point
async def test_who_gave_up_meanwhile(login: Login, question: str, before: bool) -> None:
    await rings(login)
    login.at(question, before, login.story.ends)
    await login.again()
    call, (ended_at,) = await login.told(), login.story.moments
    assert (call.outcome, call.answered_at, call.ended_at) == ("abandoned", None, ended_at)
    assert await login.legs() == [("101", "abandoned", None, ended_at)]
    assert login.served.pipeline.tracker.open_calls() == set()


@at_each_point
async def test_who_was_answered_meanwhile_and_talks_on(
    login: Login, question: str, before: bool
) -> None:
    await rings(login)
    login.at(question, before, login.story.answers)
    await login.again()
    call, (answered_at,) = await login.told(), login.story.moments
    assert (call.outcome, call.answered_at, call.ended_at) == (None, answered_at, None)
    over = LOGIN + timedelta(minutes=1)
    login.served.peer.send(login.story.ends(over))
    await until(lambda: not login.served.pipeline.tracker.open_calls(), what="it is over")

    async def ended() -> bool:
        return (await login.told()).ended_at is not None

    await until(ended, what="and stored")
    assert await login.legs() == [("101", "answered", answered_at, over)]


@at_each_point
async def test_who_began_and_ended_meanwhile(login: Login, question: str, before: bool) -> None:
    story = login.story = Story(login.served.peer, LOGIN + timedelta(seconds=1))
    login.at(question, before, story.begins, story.answers, story.ends)
    await login.again()
    call, (_, answered_at, ended_at) = await login.told(), story.moments
    assert (call.outcome, call.answered_at, call.ended_at) == ("answered", answered_at, ended_at)
    assert await login.legs() == [("101", "answered", answered_at, ended_at)]
    assert login.served.pipeline.tracker.open_calls() == set()


@at_each_point
async def test_who_began_in_the_gap_and_ended_meanwhile(
    login: Login, question: str, before: bool
) -> None:
    """Nobody heard him come; whether the list has him or not, he is no ghost."""
    login.story.begins(BORN)
    login.at(question, before, login.story.ends)
    await login.again()
    assert login.served.pipeline.tracker.open_calls() == set()
    assert not login.served.recorder.open_stories
    calls = await login.served.rows(Call)
    assert [call.ended_at for call in calls] == [login.story.moments[-1] for _ in calls]


async def test_who_began_to_ring_in_the_gap_and_rings_still(login: Login) -> None:
    """That he rings is known, since when is not; how long it took him to answer neither."""
    login.story.begins(BORN)
    await login.again()
    assert await login.legs() == [("101", None, None, None)]
    answered_at = LOGIN + timedelta(minutes=1)
    login.served.peer.send(login.story.answers(answered_at))

    async def answered() -> bool:
        return (await login.told()).answered_at is not None

    await until(answered, what="he answers")
    assert await login.legs() == [("101", "answered", answered_at, None)]
    (leg,), call = await login.served.rows(Leg), await login.told()
    assert (leg.rang_at, call.first_ring_at, call.recovered) == (None, None, True)


@pytest.mark.parametrize("before_s", [0.1, 0.9, 1.4])
async def test_who_began_to_ring_just_before_the_login_has_his_card(
    login: Login, before_s: float
) -> None:
    """Nothing of it will be told any more, however young it is."""
    born = LOGIN - timedelta(seconds=before_s)
    story = login.story = Story(login.served.peer, born)
    story.begins(born)
    await login.again()
    assert await login.legs() == [("101", None, None, None)]


@at_each_point
async def test_who_is_dialled_meanwhile_rings_since_then(
    login: Login, question: str, before: bool
) -> None:
    """He and his caller were there, unheard, and are taken up as of the Ping; the dialling is heard."""
    login.story.comes(BORN)
    login.at(question, before, login.story.rings)
    await login.again()
    (leg,), (moment,) = await login.served.rows(Leg), login.story.moments
    assert leg.rang_at == max(moment, LOGIN + timedelta(seconds=1))


@at_each_point
async def test_who_begins_to_ring_meanwhile_rings_since_then(
    login: Login, question: str, before: bool
) -> None:
    """He is in the list perhaps, but his events come too: they know the time."""
    story = login.story = Story(login.served.peer, LOGIN)
    login.at(question, before, story.begins)
    await login.again()
    (leg,), call = await login.served.rows(Leg), await login.told()
    assert [leg.rang_at] == story.moments
    assert not call.recovered


async def test_who_ended_before_the_login_was_not_heard_to(login: Login) -> None:
    await rings(login)
    login.story.ends(LOGIN - timedelta(seconds=3))
    await login.again()
    call = await login.told()
    assert (call.outcome, call.answered_at, call.recovered) == ("abandoned", None, True)
    assert call.ended_at is not None
    assert BORN <= call.ended_at <= login.now
    assert login.served.pipeline.tracker.open_calls() == set()


async def test_who_was_answered_and_ended_while_the_sweep_asked(login: Login) -> None:
    """The sweep calls the roll for a call that it knows from the spool alone; others talk on meanwhile."""
    story, served, at = login.story, login.served, LOGIN - timedelta(minutes=1)
    unseen = f"{at.timestamp():.0f}.5"
    key = f"press3/{at:%Y%m%d%H%M}/{unseen}-1"
    row = f"2|{unseen}|{unseen}|{at.timestamp():.3f}|+79110000003|Ivan|74951234567|press3|q"
    await rings(login)
    served.peer.astdb[key] = row
    login.at("CoreShowChannels", True, story.answers, story.ends)
    await served.catch_up.sweep(served.pipeline)
    await until(lambda: not served.pipeline.tracker.open_calls(), what="his end is taken in")

    async def ended() -> bool:
        return (await login.told()).ended_at is not None

    await until(ended, what="and stored")
    call = await login.told()
    assert (call.outcome, call.answered_at, call.ended_at) == ("answered", *story.moments)
    assert not call.recovered
    (other,) = [each for each in await served.rows(Call) if each.uniqueid == unseen]
    assert other.ended_at is not None, "it was called in vain"
