"""What callers and operators do, on `tests.walk.switch`: calls come in, telephones ring, somebody answers."""

from ami import events as ami
from tests.walk.cases import OPERATORS, REFUSALS, Case, Member, Phone, Story, Where
from tests.walk.switch import QUEUE, Line, Switch

__all__ = ["Callers"]


class Callers:
    """The people and their telephones. Each verb needs the case in the right state; `tests.walk.machine` sees to that."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.cases: list[Case] = []
        self.others: list[Line] = []

    # -- who is where ---------------------------------------------------------------------------

    def at(self, *places: Where) -> list[Case]:
        return [case for case in self.cases if case.where in places]

    def talking(self) -> list[Case]:
        return [case for case in self.at("talk") if case.second is None]

    def ringing(self) -> list[Case]:
        return [case for case in self.cases if case.where in ("queue", "dialling") and case.phones]

    def consulting(self, *, up: bool) -> list[Case]:
        return [
            case
            for case in self.at("talk")
            if case.second is not None and case.consulted and (case.consulted in case.phones) != up
        ]

    def free(self) -> list[str]:
        taken = {phone.extension for case in self.cases for phone in case.phones}
        taken |= {case.talker.extension for case in self.cases if case.talker}
        return [extension for extension in OPERATORS if extension not in taken]

    # -- calls come in --------------------------------------------------------------------------

    def calls_in(self, number: str, name: str, *, to_menu: bool) -> Case:
        line = self.switch.line(
            "PJSIP/trunk", state="Ring", number=number, caller_name=name,
            context="incoming", exten="74951234567",
        )  # fmt: skip
        case = Case(line=line, story=Story())
        self.cases.append(case)
        if to_menu:
            line.goes_to("press3-menu", "s")
            line.becomes("Up")
        else:
            case.where = "dialling"
        return case

    def presses(self, case: Case) -> None:
        """3 in the menu: written, told, recorded. Once more in the same call: the same key."""
        line, switch = case.line, self.switch
        line.say(ami.DtmfEnd, digit="3", direction="Received")
        line.goes_to("press3-complaint", "s")
        case.story.presses.append(switch.stamped)
        again = case.key != ""
        if again:
            switch.spool[f"{case.key}/again/{switch.stamp}"] = line.uniqueid
        else:
            case.key = switch.write_press(line, case.did)
        line.say(ami.Press3Pressed, key=case.key.lstrip("/"), pressed_at=case.story.presses[-1])
        if not again:
            self.records(case)
        case.where = "registering"

    def records(self, case: Case) -> None:
        path = f"/var/spool/asterisk/monitor/{case.line.uniqueid}-{len(case.story.files)}.wav"
        case.line.say(ami.VarSet, variable="MIXMONITOR_FILENAME", value=path)
        case.line.recording = True
        case.story.files.append(path)
        if case.key:
            self.switch.mark(case.key, "recording", path)

    def joins(self, case: Case) -> None:
        if case.key and f"{case.key}/enter" not in self.switch.spool:
            self.switch.mark(case.key, "enter", QUEUE)
        case.line.say(ami.QueueCallerJoin, queue=QUEUE, position=1)
        case.where, case.in_queue = "queue", True

    # -- telephones ring ------------------------------------------------------------------------

    def rings(self, case: Case, extensions: list[str], member: Member) -> None:
        """A round of the queue, or the dialplan dials."""
        for extension in extensions:
            phone = self._phone(case.line, extension, member, queue=case.where == "queue")
            case.phones.append(phone)
        for phone in case.phones:
            for device in phone.devices:
                if device.state == "Down":
                    device.becomes("Ringing")

    def _phone(self, caller: Line, extension: str, member: Member, *, queue: bool) -> Phone:
        switch = self.switch
        if member == "plain":
            line = switch.line(f"PJSIP/{extension}", of=caller, number=extension)
            phone = Phone(extension=extension, line=line, devices=[line])
        else:
            one, two = switch.local(extension, "from-queue", caller)
            phone = Phone(extension=extension, line=one, half=two)
        if queue:
            caller.say(
                ami.AgentCalled, queue=QUEUE, dest=phone.line.shown,
                interface=phone.line.name.rpartition("-")[0],
            )  # fmt: skip
        switch.dial(caller, phone.line)
        if phone.half is not None:
            names = ("PJSIP/", "PJSIP/99") if member == "two_devices" else ("PJSIP/",)
            for name in names:
                device = switch.line(f"{name}{extension}", of=phone.half, number=extension)
                phone.devices.append(device)
            for device in phone.devices:
                switch.dial(phone.half, device)
        return phone

    def refuses(self, case: Case, phone: Phone, how: str) -> None:
        """He declines, is busy, or is not plugged in."""
        status, cause = REFUSALS[how]
        for device in phone.devices:
            source = phone.half or case.line
            device.say(ami.HangupRequested)
            self.switch.dialled(
                source, device, status if phone.half is None else _of_dial(status, cause)
            )
            device.is_gone(cause)
        if phone.half is not None:
            self.switch.dialled(case.line, phone.line, status)
            phone.line.is_gone(cause)
            phone.half.is_gone(cause)
        case.phones.remove(phone)
        case.story.rings.append((phone.extension, how))

    def cancels(self, case: Case, phone: Phone, reason: str, cause: int, status: str = "") -> None:
        """The PBX takes a ringing back: DialEnd twice, as Queue() does, then the hang-up."""
        for _ in range(2):
            self.switch.dialled(case.line, phone.line, status or "CANCEL")
            status = ""
        if phone.half is not None:
            phone.half.say(ami.HangupRequested)
            phone.line.is_gone(cause)
            for device in phone.devices:
                self.switch.dialled(phone.half, device, "CANCEL")
            phone.half.is_gone(cause)
        for device in phone.devices:
            device.is_gone(cause)
        case.phones.remove(phone)
        case.story.rings.append((phone.extension, reason))

    def round_over(self, case: Case) -> None:
        for phone in tuple(case.phones):
            self.cancels(case, phone, "no_answer", 0, "NOANSWER")
        if not case.in_queue:  # Dial() is over, and so is the dialplan
            self._ends(case)

    def accepts(self, case: Case, phone: Phone, device: Line) -> None:
        """He lifts the receiver: the others stop, the two talk."""
        switch = self.switch
        device.becomes("Up")
        if phone.half is not None:
            for other in [each for each in phone.devices if each is not device]:
                switch.dialled(phone.half, other, "CANCEL")
                other.is_gone(26)
            phone.devices = [device]
            switch.dialled(phone.half, device, "ANSWER")
            phone.half.becomes("Up")
            switch.bridge(device, phone.half)
            phone.line.becomes("Up")
        switch.dialled(case.line, phone.line, "ANSWER")
        case.phones.remove(phone)
        case.story.rings.append((phone.extension, "answered"))
        for other_phone in tuple(case.phones):
            self.cancels(case, other_phone, "elsewhere", 26)
        self.connected(case, phone)

    def connected(self, case: Case, phone: Phone) -> None:
        """The queue is done with the caller, if he was in one, and the two talk."""
        if case.in_queue:
            self._leaves_queue(case, "answered")
            case.line.say(
                ami.AgentConnect, queue=QUEUE, dest=phone.line.shown,
                interface=phone.line.name.rpartition("-")[0],
            )  # fmt: skip
            if case.key and f"{case.key}/answered" not in self.switch.spool:
                self.switch.mark(case.key, "answered", phone.line.name)
        self.talks(case, phone)

    def talks(self, case: Case, phone: Phone) -> None:
        self.switch.bridge(phone.line, case.line)
        case.talker, case.where = phone, "talk"
        case.story.talks.append(phone.extension)
        case.story.first_talk_at = case.story.first_talk_at or self.switch.now

    # -- the queue is left ----------------------------------------------------------------------

    def _leaves_queue(self, case: Case, why: str) -> None:
        if why != "answered":
            case.line.say(ami.QueueCallerAbandon, queue=QUEUE)
        case.line.say(ami.QueueCallerLeave, queue=QUEUE)
        case.story.queue.append(why)
        case.in_queue = False

    def queue_over(self, case: Case, status: str, *, to_menu: bool) -> None:
        """The queue's time is over, or it lost its members."""
        for phone in tuple(case.phones):
            self.cancels(case, phone, "no_answer", 0, "NOANSWER")
        self._leaves_queue(case, "timeout" if status == "TIMEOUT" else "empty")
        case.line.say(ami.VarSet, variable="QUEUESTATUS", value=status)
        if case.key:
            self.switch.mark(case.key, "queue", status)
        case.line.goes_to("press3-complaint", "timeout")
        if to_menu:
            case.line.goes_to("press3-menu", "s")
            case.where = "menu"
        else:
            self._ends(case)

    # -- the end --------------------------------------------------------------------------------

    def gives_up(self, case: Case) -> None:
        """The caller hangs up, wherever he is."""
        case.line.say(ami.HangupRequested)
        reason = "abandoned"
        for phone in tuple(case.phones):
            if phone is not case.consulted:
                self.cancels(case, phone, reason, 0)
        if case.in_queue:
            self._leaves_queue(case, "abandoned")
        self._ends(case, hung_up=True)

    def operator_hangs_up(self, case: Case) -> None:
        """The talk is over; nothing follows in the dialplan."""
        assert case.talker is not None
        case.talker.devices[0].say(ami.HangupRequested)
        self.clears(case.talker)
        case.talker = None
        self._ends(case)

    def clears(self, phone: Phone) -> None:
        for line in phone.all:
            if line.alive:
                line.is_gone()

    def _ends(self, case: Case, *, hung_up: bool = False) -> None:
        """The customer's channel ends, and with it whoever hangs on it."""
        story = case.story
        case.line.leaves()
        if case.consulted is not None:
            self.consultation_ends(case)
        if case.key:
            self.switch.mark(case.key, "ended")
        if case.talker is not None:
            self.clears(case.talker)
        for phone in tuple(case.phones):
            self.cancels(case, phone, "abandoned", 0)
        case.line.is_gone(16)
        case.talker, case.where = None, "gone"
        story.ended_at = self.switch.now
        story.outcome = self._outcome(case, hung_up)

    def consultation_ends(self, case: Case) -> None:
        assert case.consulted is not None
        assert case.second is not None
        for line in (case.second, case.consulted.half, case.consulted.line):
            if line is not None and line.alive:
                line.is_gone()
        if case.consulted in case.phones:
            case.phones.remove(case.consulted)
        case.story.certain = False
        case.second = case.consulted = None

    def _outcome(self, case: Case, hung_up: bool) -> str:
        story = case.story
        if story.talks:
            return "answered"
        if story.queue:
            return "no_answer" if story.queue[-1] in ("timeout", "empty") else "abandoned"
        if hung_up or not story.rings:
            return "abandoned"
        by_ring = {"busy": "busy", "rejected": "busy", "failed": "failed", "no_answer": "no_answer"}
        return by_ring.get(story.rings[-1][1], "abandoned")


def _of_dial(status: str, cause: int) -> str:
    """What Dial() says where Queue() says NOANSWER."""
    return "BUSY" if cause == 17 else status
