"""A private real Asterisk with the rendered files, and real SIP callers and telephones around it.

A test asks for the fixture `asterisk` (see `fixtures.py`), and reads like a telephone call:

    lab = await asterisk("22")
    async with lab.tap() as ami, lab.telephone("101", TelephoneHabit(ring_s=1)):
        caller = await lab.call(steps=[Wait(0.5), Key("3"), Speak(), Wait(5), Bye()])
        await caller.done()
        assert caller.truth.at("BYE") …
"""

import math
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ivr.menu import AmiAccount, Menu, ObservedMenu
from ivr.render import render
from press3.demo.asterisk import PrivateAsterisk, dying_with_parent
from press3.demo.pbx_files import Endpoint, PbxPorts, pbx_files
from press3.demo.tree import AsteriskTree
from tests.lab.ami_tap import AmiTap, ami_tap
from tests.lab.dialogs import Dialog, DialogStep, within_xml
from tests.lab.ports import held_pbx_ports, held_ports
from tests.lab.scenarios import DIALOG_MARK, Step, TelephoneHabit, caller_xml, telephone_xml
from tests.waiting import until

__all__ = ["DID", "EXTENSIONS", "QUICK", "Lab", "LabMenu", "SippCall", "Truth", "start_lab"]

EXTENSIONS = ("101", "102", "103")
DID = "74951234567"
CONTROL = AmiAccount(username="lab", secret="lab-secret")
PRESS3 = AmiAccount(username="press3", secret="press3-secret")
QUICK = Menu(
    members=tuple(f"PJSIP/{ext}" for ext in EXTENSIONS),
    menu_timeout_s=1,
    queue_timeout_s=20,
    ring_s=4,
)
_STARTED = (None, 0, 1)  # SIPp's exit code: it runs, all calls went well, one failed
# A second device of operator 101, as FreePBX names it.
SECOND_DEVICE = "99101"

# Calls enter here: 100 and any long number get the menu, 9 and an operator's number rings him.
DIALPLAN = """\
[incoming]
exten => 100,1,Goto(press3-menu,s,1)
exten => _X.,1,Goto(press3-menu,s,1)
exten => _9XXX,1,Dial(PJSIP/${EXTEN:1},20,t)
exten => complaint,1,Goto(press3-complaint,s,1)
[from-internal]
exten => _1XX,1,Dial(PJSIP/${EXTEN},20,tT)
exten => _8X.,1,Dial(PJSIP/${EXTEN}@customer,30,tT)
exten => *8,1,Pickup()
include => parkedcalls
[from-queue]
; as FreePBX rings its members: Local/101@from-queue/n
exten => _1XX,1,Dial(PJSIP/${EXTEN},20,tT)
[both-devices]
exten => 101,1,Dial(PJSIP/101&PJSIP/99101,20,tT)
#include "extensions_press3.conf"
#tryinclude "extensions_more.conf"
"""


@dataclass(frozen=True, kw_only=True)
class LabMenu:
    """What a test's PBX is made of. `files` add or replace configuration files by name.

    `phones` are telephones besides the usual ones, with the pickup group of each; `system_name` is
    Asterisk's `systemname`, which begins every uniqueid. `sip_conf` makes chan_sip's file of the ports
    of the PBX and of the telephones (see `tests.lab.chan_sip`).
    """

    menu: Menu = QUICK
    account: AmiAccount = PRESS3
    observed: tuple[ObservedMenu, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    phones: tuple[tuple[str, int], ...] = ()
    system_name: str = ""
    sip_conf: Callable[[PbxPorts, dict[str, int]], str] | None = None

    @property
    def telephones(self) -> dict[str, int]:
        """Every telephone with its pickup group."""
        usual = dict.fromkeys((*EXTENSIONS, SECOND_DEVICE, "customer"), 1)
        return {**usual, **dict(self.phones)}


@dataclass(frozen=True)
class Truth:
    """What the caller's own side saw: (time, `S` sent or `R` received, first line of the message)."""

    messages: tuple[tuple[datetime, str, str], ...]
    picked_up: tuple[datetime, ...] = ()  # our 200 to each INVITE; a late CANCEL gets a 200 too

    def at(self, what: str, direction: str = "S") -> datetime:
        """Time of the first message whose first line begins with, or whose status is, `what`."""
        for at, way, line in self.messages:
            if way == direction and line.removeprefix("SIP/2.0 ").startswith(what):
                return at
        raise AssertionError(f"no {what} ({direction}) among {[m[2] for m in self.messages]}")

    def all(self, what: str, direction: str = "S") -> list[datetime]:
        """Times of all messages whose first line begins with `what`."""
        return [at for at, way, line in self.messages if way == direction and line.startswith(what)]

    def taken(self, what: str, n: int = 0) -> tuple[datetime, datetime]:
        """When this side sent its `n`-th request of this kind, and when the other had answered it."""
        sent = self.all(what)[n]
        return sent, next(at for at in self.all("SIP/2.0 200", "R") if at >= sent)

    def said(self, what: str) -> bool:
        """Whether this side sent a message whose first line begins with `what`."""
        return any(way == "S" and line.startswith(what) for _, way, line in self.messages)

    @classmethod
    def read(cls, file: Path, call_id: str = "") -> "Truth":
        """Read SIPp's short message log: date, time, epoch, S/R, call id, CSeq, first line.

        `call_id`: of this call alone.
        """
        if not file.exists():
            return cls(())
        lines = file.read_text(errors="replace").splitlines()
        rows = [row for row in (line.split("\t") for line in lines) if len(row) >= 7]
        once: dict[tuple[str, ...], list[str]] = {}  # what is sent again counts once
        for row in rows:
            once.setdefault(tuple(row[3:]), row)
        rows = [row for row in once.values() if call_id in ("", row[4])]
        at = [datetime.fromtimestamp(float(row[2]), UTC) for row in rows]
        answer = ("S", "INVITE", "SIP/2.0 200")
        answers: dict[str, datetime] = {}  # a call's first: it may be sent again
        for when, row in zip(at, rows, strict=True):
            if (row[3], row[5].rpartition(" ")[2], row[6][:11]) == answer:
                answers.setdefault(row[4], when)
        return cls(
            tuple((when, row[3], row[6].strip()) for when, row in zip(at, rows, strict=True)),
            tuple(answers.values()),
        )


@dataclass
class SippCall:
    """One SIPp process placing one call (or `calls` of them)."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def truth(self) -> Truth:
        return Truth.read(self.log)

    def truth_in(self, dialog: Dialog) -> Truth:
        """What this side saw in one of its calls."""
        return Truth.read(self.log, dialog.call_id)

    @property
    def dialogs(self) -> list[Dialog]:
        """The calls that were answered so far, oldest first."""
        lines = self.notes.read_text(errors="replace").splitlines() if self.notes.exists() else []
        return [Dialog.read(line) for line in lines if DIALOG_MARK in line]

    @property
    def notes(self) -> Path:
        """What the scenario's `<log>` actions wrote."""
        return self.log.with_suffix(".dialogs")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    async def done(self, *, deadline_s: float = 60) -> None:
        """Wait until the scenario is over."""
        await until(lambda: not self.running, deadline_s=deadline_s, what="the caller is done")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Lab:
    """A running private Asterisk with its telephones. Made by `start_lab`."""

    def __init__(
        self,
        pbx: PrivateAsterisk,
        ports: PbxPorts,
        config: LabMenu,
        phones: int,
        held: ExitStack,
    ) -> None:
        self.pbx = pbx
        self.ports = ports
        self.config = config
        self.phones = {name: phones + 10 * n for n, name in enumerate(config.telephones)}
        self.speech = pbx.directory / "speech.al"
        self.speech.write_bytes(_speech())
        self._calls: list[SippCall] = []
        self._files = 0
        self._cseq = 100
        self._held = held

    @property
    def directory(self) -> Path:
        return self.pbx.directory

    @property
    def monitor(self) -> Path:
        return self.pbx.monitor

    @property
    def calling(self) -> bool:
        """Whether a caller's scenario is not over yet."""
        return any(call.running for call in self._calls)

    def tap(self) -> AbstractAsyncContextManager[AmiTap]:
        """An AMI session with press3's own rights and filters: exactly what press3 sees."""
        account = self.config.account
        return ami_tap(self.ports.ami, account.username, account.secret)

    def control(self) -> AbstractAsyncContextManager[AmiTap]:
        """An AMI session with every right, for what people at telephones and admins do."""
        return ami_tap(self.ports.ami, CONTROL.username, CONTROL.secret)

    async def call(
        self,
        *,
        steps: Sequence[Step],
        number: str = "+79110000001",
        name: str = "Ivan Petrov",
        to: str = DID,
        calls: int = 1,
        per_second: int = 1,
        headers: Sequence[str] = (),
        rtp_port: int | None = None,
    ) -> SippCall:
        """Start a caller. Several calls: `[call_number]` in `number` or `name` tells them apart.

        `headers`, `rtp_port`: see `caller_xml`. Bytes that are no UTF-8 are surrogates in the strings.
        """
        xml = caller_xml(
            number=number,
            name=name,
            to=to,
            steps=steps,
            speech=self.speech,
            headers=headers,
            rtp_port=rtp_port,
        )
        many = ("-m", str(calls), "-l", str(calls), "-r", str(per_second))
        return await self._caller(f"caller-{number}", xml, *many)

    def telephone(self, name: str, habit: TelephoneHabit) -> AbstractAsyncContextManager[SippCall]:
        """Plug in a telephone (a key of `phones`) for the length of the block."""
        return self.plugged_in(name, telephone_xml(habit, self.speech))

    @asynccontextmanager
    async def plugged_in(self, name: str, xml: str) -> AsyncIterator[SippCall]:
        """Plug in a telephone that follows a scenario of its own; what it notes is in `SippCall.notes`."""
        port = self.phones[name]
        call = self._sipp(f"phone-{name}", xml, port)
        try:
            await _started(call, port)
            yield call
        finally:
            call.kill()

    async def within(self, call: SippCall, *steps: DialogStep, n: int = -1) -> SippCall:
        """Start doing something in the `n`-th answered call (the last one) of a caller or telephone."""
        await until(lambda: call.dialogs, what="the call is answered")
        return await self.in_dialog(call.dialogs[n], *steps)

    async def in_dialog(self, dialog: Dialog, *steps: DialogStep) -> SippCall:
        """Start doing something in an answered call, of which one side's end is given."""
        self._cseq += 100
        xml = within_xml(dialog, steps, first_cseq=self._cseq)
        once = ("-m", "1", "-cid_str", dialog.call_id.replace("%", "%%"))
        return await self._caller("within", xml, *once)

    async def _caller(self, name: str, xml: str, *more: str) -> SippCall:
        """Start a SIPp that calls, on ports that nobody else is given until it has taken them."""
        with held_ports(8) as port:
            call = self._sipp(name, xml, port, *more, f"127.0.0.1:{self.ports.sip}")
            await _started(call, port)
        return call

    def _sipp(self, name: str, xml: str, port: int, *more: str) -> SippCall:
        self._files += 1
        stem = self.directory / f"{self._files:03d}-{''.join(c for c in name if c.isalnum())[:40]}"
        scenario, log = stem.with_suffix(".xml"), stem.with_suffix(".log")
        scenario.write_text(xml, encoding="utf-8", errors="surrogateescape")
        command = [*dying_with_parent(), "sipp", "-sf", str(scenario), "-i", "127.0.0.1"]
        command += ["-p", str(port), "-mp", str(port + 2), "-nostdin", "-trace_shortmsg"]
        command += ["-shortmessage_file", str(log), "-trace_err", "-aa"]
        command += ["-trace_logs", "-log_file", str(log.with_suffix(".dialogs"))]
        command += ["-error_file", str(stem.with_suffix(".err")), *more]
        with stem.with_suffix(".out").open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=self.directory
            )
        call = SippCall(process, log)
        self._calls.append(call)
        return call

    async def spool(self) -> dict[str, str]:
        """Every press and mark in AstDB: key (without the leading `/`) → value."""
        listing = await self.pbx.rx("database show press3")
        rows = (line.partition(":") for line in listing.splitlines() if line.startswith("/press3"))
        return {key.strip().lstrip("/"): value.strip() for key, _, value in rows}

    async def quiet(self) -> None:
        """Wait until no channel is left."""

        async def no_channels() -> bool:
            return "0 active channels" in await self.pbx.rx("core show channels count")

        await until(no_channels, deadline_s=15, what="all channels gone")

    async def hang_up_all(self) -> None:
        """End every call, so that the next test finds the PBX idle."""
        self._kill_calls()
        if self.pbx.running:
            await self.pbx.rx("channel request hangup all")
            await self.quiet()

    def close(self) -> None:
        """Stop everything. Blocks a moment; safe from any event loop or none."""
        self._kill_calls()
        self.pbx.kill9()
        self._held.close()

    def _kill_calls(self) -> None:
        for call in self._calls:
            call.kill()
        self._calls.clear()


async def start_lab(tree: AsteriskTree, directory: Path, config: LabMenu | None = None) -> Lab:
    """Write the files, start the PBX, wait until it is up."""
    config = config or LabMenu()
    with ExitStack() as held:  # for as long as the lab is there, whatever is killed in it
        phones = held.enter_context(held_ports(10 * len(config.telephones)))
        ports = held.enter_context(held_pbx_ports())
        etc = _files(config, ports, phones)
        pbx = PrivateAsterisk(tree, directory, etc=etc, system_name=config.system_name)
        await pbx.start()
        return Lab(pbx, ports, config, phones, held.pop_all())


def _files(config: LabMenu, ports: PbxPorts, phones: int) -> dict[str, str]:
    endpoints = [
        Endpoint(
            name=name,
            port=phones + 10 * n,
            context="from-internal",
            caller_number=_extension(name),
            caller_name=_extension(name) and f"Operator {_extension(name)}",
            group=group,
        )
        for n, (name, group) in enumerate(config.telephones.items())
    ]
    sip_conf = config.sip_conf
    ours = {name: phones + 10 * n for n, name in enumerate(config.telephones)}
    return {
        **pbx_files(ports, endpoints, anonymous_context="incoming"),
        **({} if sip_conf is None else {"sip.conf": sip_conf(ports, ours)}),
        "extensions.conf": DIALPLAN,
        "queues.conf": '[general]\nshared_lastcall = yes\n#include "queues_press3.conf"\n'
        '#tryinclude "queues_more.conf"\n',
        "manager_more.conf": f"[{CONTROL.username}]\nsecret = {CONTROL.secret}\n"
        "read = all\nwrite = all\n",
        **render(config.menu, config.account, observed=config.observed),
        **config.files,
    }


def _extension(phone: str) -> str:
    """Whose telephone it is; nobody's for the customer's."""
    return "" if phone == "customer" else phone.removeprefix("99")


async def _started(call: SippCall, port: int) -> None:
    """Wait until a SIPp has its port. One that can't start says so here: nobody waits for its call."""
    await until(
        lambda: not call.running or _udp_ports_taken(port, port + 2),
        deadline_s=30,
        what=f"{call.log.stem} has its ports",
    )
    said = call.log.with_suffix(".out").read_text(errors="replace")
    assert call.process.poll() in _STARTED, f"{call.log.stem} could not start: {said}"


def _udp_ports_taken(*ports: int) -> bool:
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    taken = {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
    return taken.issuperset(ports)


def _speech() -> bytes:
    """Two seconds of A-law that sounds like talking: a tone that comes and goes four times a second."""
    samples = (
        int(
            9000
            * math.sin(2 * math.pi * 300 * n / 8000)
            * abs(math.sin(2 * math.pi * 2 * n / 8000))
        )
        for n in range(16_000)
    )
    return bytes(_alaw(sample) for sample in samples)


def _alaw(sample: int) -> int:
    """Encode one 16-bit sample by G.711."""
    mask, magnitude = (0xD5, sample >> 3) if sample >= 0 else (0x55, -(sample >> 3) - 1)
    segment = max(magnitude.bit_length() - 5, 0)
    return ((segment << 4) | ((magnitude >> max(segment, 1)) & 0x0F)) ^ mask
