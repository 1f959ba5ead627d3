"""What operators do with a caller they talk to, in a walk: send him on, consult, park him, pick him up.

Only people act here, at their telephones. What came of it is read from their logs and the PBX's.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.lab.dialogs import Dialog, DialogStep, Keys
from tests.lab.harness import Lab, SippCall
from tests.lab.scenarios import DIALOG_MARK, Bye, Speak, Step, TelephoneHabit, Wait
from tests.waiting import until
from tests.walk.plan import Caller

__all__ = ["COLLEAGUES", "DIALPLAN", "Handed", "Hands", "hands"]

COLLEAGUES: Mapping[str, TelephoneHabit] = {
    "104": TelephoneHabit(ring_s=0.5),
    "105": TelephoneHabit(ring_s=0.5),
    "106": TelephoneHabit(ring_s=0.3, then="busy"),
    "107": TelephoneHabit(then="noanswer"),
    "108": TelephoneHabit(then="noanswer"),  # he fetches and picks up
}
# 9 and the number that a caller dialled picks up what rings for him.
DIALPLAN = (
    "[from-internal](+)\nexten => _*9X.,1,Pickup(${EXTEN:2}@PICKUPMARK)\n"
    "[incoming](+)\nexten => _7495XXXXXXX,1,Set(CHANNEL(accountcode)=${EXTEN})\n"
    " same => n,Set(__PICKUPMARK=${EXTEN})\n same => n,Goto(press3-menu,s,1)\n"
)
_FETCHER, _PARKED_AT = "108", "701"


class _NotPutThrough(Exception):
    """The caller was gone before it came so far: the queue's time was over, or his patience."""


@dataclass(frozen=True, kw_only=True)
class Handed:
    """Which colleague had to do with a caller, and when: with no other then. `own`: a call he placed for it."""

    colleague: str
    since: datetime
    until: datetime
    own: SippCall | None


@dataclass
class Hands:
    """The operator who hands callers over, and his colleagues: each has to do with one caller at a time."""

    lab: Lab
    operator: SippCall
    phones: Mapping[str, SippCall]
    handed: dict[str, Handed] = field(default_factory=dict)
    done: int = 0  # so many were handed on to the end
    _busy: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _own: dict[str, SippCall] = field(default_factory=dict)
    _lines: dict[str, SippCall] = field(default_factory=dict)

    async def take_part(self, caller: Caller, line: SippCall) -> None:
        """Do what the caller's kind asks for; nothing for most kinds, and for who is not put through.

        `line` is the caller's own side.
        """
        answers = ("104", "105")[int(caller.token[-1]) % 2]
        act, colleague = {
            "is sent on": (self._sent_on, answers),
            "is sent on in vain": (self._sent_on_in_vain, "107"),
            "is handed over": (self._handed_over, answers),
            "is asked about in vain": (self._asked_in_vain, "106"),
            "is asked about and kept": (self._kept, answers),
            "is parked and fetched": (self._parked, _FETCHER),
            "is picked up": (self._picked_up, _FETCHER),
        }.get(caller.kind, (None, ""))
        if act is None:
            return
        async with self._busy[colleague]:
            since = datetime.now(UTC)
            self._lines[caller.did] = line
            with suppress(_NotPutThrough):
                await act(caller, colleague)
                self.done += 1
            self.handed[caller.did] = Handed(
                colleague=colleague,
                since=since,
                until=datetime.now(UTC),
                own=self._own.get(caller.did),
            )

    async def _sent_on(self, caller: Caller, to: str) -> None:
        lifted = len(self.phones[to].dialogs)
        await self._operator(caller, Keys("##"), Wait(0.8), Keys(to))
        await self._colleague(caller, to, lifted, Wait(0.8), Bye())

    async def _sent_on_in_vain(self, caller: Caller, to: str) -> None:
        rings = len(_calls(self.phones[to]))
        await self._operator(caller, Keys("##"), Wait(0.8), Keys(to))
        await self._over(caller, to, rings)

    async def _handed_over(self, caller: Caller, to: str) -> None:
        lifted = len(self.phones[to].dialogs)
        await self._operator(caller, Keys("*2"), Wait(0.8), Keys(to))
        await self._has_lifted(caller, to, lifted)
        await self._operator(caller, Wait(0.2), Bye())
        await self._colleague(caller, to, lifted, Wait(0.8), Bye())

    async def _asked_in_vain(self, caller: Caller, to: str) -> None:
        rings = len(_calls(self.phones[to]))
        await self._operator(caller, Keys("*2"), Wait(0.8), Keys(to))
        await self._over(caller, to, rings)
        await self._operator(caller, Keys("*1"), Wait(1), Bye())

    async def _kept(self, caller: Caller, to: str) -> None:
        lifted = len(self.phones[to].dialogs)
        await self._operator(caller, Keys("*2"), Wait(0.8), Keys(to))
        await self._colleague(caller, to, lifted, Wait(0.5), Bye())
        await self._operator(caller, Wait(0.5), Bye())

    async def _parked(self, caller: Caller, by: str) -> None:
        await self._operator(caller, Keys("*5"))
        talk = await self._talk(caller)
        await self._sees(caller, lambda: _said(self.operator, talk.call_id, "BYE"))
        await self._places(caller, by, _PARKED_AT)

    async def _picked_up(self, caller: Caller, by: str) -> None:
        """Never while one is parked: Asterisk 22.10 once answered SIP no more when they met."""
        await self._sees(caller, lambda: caller.token in _noted(self.operator))
        await self._places(caller, by, f"*9{caller.did}")

    # -- at the telephones ----------------------------------------------------------------------

    async def _operator(self, caller: Caller, *steps: DialogStep) -> None:
        """The operator does something in his talk with the caller, as soon as he has one."""
        doing = await self.lab.in_dialog(await self._talk(caller), Wait(0.3), *steps)
        await doing.done()

    async def _talk(self, caller: Caller) -> Dialog:
        await self._sees(caller, lambda: _talk_with(self.operator, caller.token))
        found = _talk_with(self.operator, caller.token)
        assert found is not None
        return found

    async def _sees(self, caller: Caller, condition: Callable[[], object]) -> None:
        """Wait for it as long as the caller is on the line."""
        line = self._lines[caller.did]
        await until(lambda: condition() or not line.running, deadline_s=90, what=caller.kind)
        if not condition():
            raise _NotPutThrough

    async def _has_lifted(self, caller: Caller, name: str, before: int) -> None:
        await self._sees(caller, lambda: len(self.phones[name].dialogs) > before)

    async def _colleague(self, caller: Caller, name: str, before: int, *steps: DialogStep) -> None:
        await self._has_lifted(caller, name, before)
        doing = await self.lab.in_dialog(self.phones[name].dialogs[before], *steps)
        await doing.done()

    async def _over(self, caller: Caller, name: str, before: int) -> None:
        """The colleague's telephone rang once more and rings no more."""
        phone = self.phones[name]

        def over() -> bool:
            calls = _calls(phone)
            return len(calls) > before and any(
                _said(phone, calls[before], f"SIP/2.0 {status}") for status in ("486", "487")
            )

        await self._sees(caller, over)

    async def _places(self, caller: Caller, by: str, to: str) -> None:
        steps: list[Step] = [Speak(), Wait(1.5), Bye()]
        self._own[caller.did] = own = await self.lab.call(number=by, name="", to=to, steps=steps)
        await own.done()


@asynccontextmanager
async def hands(lab: Lab, operator: SippCall) -> AsyncIterator[Hands]:
    """Plug in the colleagues' telephones."""
    async with AsyncExitStack() as stack:
        phones = {
            name: await stack.enter_async_context(lab.telephone(name, habit))
            for name, habit in COLLEAGUES.items()
        }
        yield Hands(lab, operator, phones)


def _noted(phone: SippCall) -> str:
    return phone.notes.read_text(errors="replace") if phone.notes.exists() else ""


def _talk_with(operator: SippCall, token: str) -> Dialog | None:
    lines = _noted(operator).splitlines()
    calls = {line.split(" ")[1] for line in lines if line.startswith("token ") and token in line}
    dialogs = [Dialog.read(line) for line in lines if DIALOG_MARK in line]
    return next((dialog for dialog in dialogs if dialog.call_id in calls), None)


def _rows(phone: SippCall) -> list[list[str]]:
    lines = phone.log.read_text(errors="replace").splitlines() if phone.log.exists() else []
    return [row for row in (line.split("\t") for line in lines) if len(row) >= 7]


def _calls(phone: SippCall) -> list[str]:
    """The Call-IDs that reached a telephone, in order."""
    return list(dict.fromkeys(row[4] for row in _rows(phone)))


def _said(phone: SippCall, call: str, what: str) -> bool:
    """Whether such a message was heard or said in that call."""
    return any(row[4] == call and row[6].startswith(what) for row in _rows(phone))
