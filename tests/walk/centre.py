"""What people do within a talk, and the calls beside it: hold, transfers, parking, pickup, calls out."""

from ami import events as ami
from tests.walk.cases import Case, Phone, Story
from tests.walk.people import Callers
from tests.walk.switch import Line

__all__ = ["Centre"]

# A story takes two answers of one operator, or two equal transfers, within two seconds for one told twice.
_TALKED_S = 2


class Centre(Callers):
    """The whole call centre. Each verb needs the case in the right state, as for `Callers`."""

    # -- within a talk --------------------------------------------------------------------------

    def holds(self, case: Case) -> None:
        assert case.talker is not None
        case.held = not case.held
        case.talker.devices[0].say(ami.Hold if case.held else ami.Unhold)
        case.story.holds += case.held

    def sends_on(self, case: Case, exten: str) -> None:
        """Blind transfer: the operator is out, the dialplan goes on at `exten`."""
        assert case.talker is not None
        self.switch.wait(_TALKED_S)
        switch, talker = self.switch, case.talker
        by = talker.line
        switch.say(
            ami.BlindTransfer, transferer=by.shown, transferee=case.line.shown,
            context="from-internal", exten=exten, result="Success",
        )  # fmt: skip
        case.line.goes_to("from-internal", exten)
        case.line.leaves()
        self.clears(talker)
        case.talker, case.held, case.where = None, False, "dialling"
        case.story.transfers.append(("blind", talker.extension, exten))

    def parks(self, case: Case) -> None:
        assert case.talker is not None
        self.switch.wait(_TALKED_S)
        case.line.leaves()
        self.switch.bridge(case.line, waiting_room=True)
        self.clears(case.talker)
        case.talker, case.held, case.where = None, False, "parked"

    def fetches(self, case: Case, extension: str) -> None:
        """An operator dials the space."""
        line = self.switch.line(f"PJSIP/{extension}", state="Ring", number=extension, exten="701")
        line.becomes("Up")
        self.switch.say(ami.UnparkedCall, parkee=case.line.shown, retriever=line.shown)
        case.line.leaves()
        phone = Phone(extension=extension, line=line, devices=[line])
        bridge = self.switch.bridge(case.line)
        line.enters(bridge)
        case.talker, case.where = phone, "talk"
        case.story.talks.append(extension)

    def picks_up(self, case: Case, phone: Phone, extension: str, *, told_late: bool) -> None:
        """A colleague takes the ringing of `phone` to his own telephone (*8); the others may stop before it is told."""
        line = self.switch.line(f"PJSIP/{extension}", state="Ring", number=extension, exten="*8")
        line.becomes("Up")
        if not told_late:
            line.say(ami.Pickup, target=phone.line.shown)
        for other in tuple(case.phones):
            if other is not phone:
                self.cancels(case, other, "elsewhere", 26)
        if told_late:
            line.say(ami.Pickup, target=phone.line.shown)
        phone.line.is_gone(26 if case.in_queue else 16)
        case.phones.remove(phone)
        case.story.rings.append((phone.extension, "elsewhere"))
        if not case.in_queue:
            self.switch.dialled(case.line, line, "ANSWER")
        self.connected(case, Phone(extension=extension, line=line, devices=[line]))

    # -- attended transfer ----------------------------------------------------------------------

    def consults(self, case: Case, extension: str, *, own_line: bool) -> None:
        """The operator calls a colleague about it: by feature code (a Local), or by his second line."""
        assert case.talker is not None
        switch, by = self.switch, case.talker.devices[0]
        by.say(ami.Hold)
        case.story.holds += 1
        if own_line:
            second = switch.line(
                f"PJSIP/{case.talker.extension}", state="Ring",
                number=case.talker.extension, exten=extension,
            )  # fmt: skip
            source, half = second, None
        else:
            second, half = switch.local(extension, "from-internal", by)
            second.enters(f"consult-{second.uniqueid}")
            by.enters(second.bridge)
            source = half
        device = switch.line(f"PJSIP/{extension}", of=source, number=extension)
        switch.dial(source, device)
        device.becomes("Ringing")
        case.second = second
        case.consulted = Phone(extension=extension, line=device, half=half, devices=[device])
        case.phones.append(case.consulted)

    def colleague_answers(self, case: Case) -> None:
        assert case.second is not None
        assert case.consulted is not None
        phone, switch = case.consulted, self.switch
        phone.line.becomes("Up")
        switch.dialled(phone.half or case.second, phone.line, "ANSWER")
        if phone.half is not None:
            phone.half.becomes("Up")
            switch.bridge(phone.line, phone.half)
            case.second.becomes("Up")
            switch.dialled(None, case.second, "ANSWER")
        else:
            case.second.becomes("Up")
            switch.bridge(phone.line, case.second)
        case.phones.remove(phone)
        case.story.certain = False

    def colleague_refuses(self, case: Case) -> None:
        """Busy: customer and operator are together again."""
        assert case.consulted is not None
        phone = case.consulted
        phone.line.say(ami.HangupRequested)
        self.switch.dialled(phone.half or case.second, phone.line, "BUSY")
        phone.line.is_gone(17)
        case.story.certain = False
        self._back_together(case)

    def _back_together(self, case: Case) -> None:
        assert case.talker is not None
        self.consultation_ends(case)
        by = case.talker.devices[0]
        if by.bridge != case.line.bridge:
            by.enters(case.line.bridge)
        by.say(ami.Unhold)

    def takes_back(self, case: Case) -> None:
        """The operator ends the consultation."""
        self._back_together(case)

    def hands_over(self, case: Case) -> None:
        """The operator leaves the customer to the colleague."""
        assert case.talker is not None
        assert case.second is not None
        assert case.consulted is not None
        switch, talker, colleague = self.switch, case.talker, case.consulted
        by, second, meeting = talker.line, case.second, case.line.bridge
        own_line = colleague.half is None
        if own_line:
            colleague.line.enters(meeting)
        else:
            second.enters(meeting)
            talker.devices[0].leaves()
        target = colleague.line if own_line else second
        switch.say(
            ami.AttendedTransfer, original=by.shown, second=(second if own_line else by).shown,
            transferee=case.line.shown, target=target.shown, dest_type="Bridge", result="Success",
        )  # fmt: skip
        self.clears(talker)
        if own_line:
            second.is_gone()
        elif colleague.half is not None:  # the Local steps out of the way
            second.leaves()
            colleague.line.enters(meeting)
            second.is_gone()
            colleague.half.is_gone()
        case.story.transfers.append(("attended", talker.extension, colleague.extension))
        case.story.talks.append(colleague.extension)
        colleague.half = None
        case.talker, case.second, case.consulted = colleague, None, None
        case.held = False

    # -- other calls ----------------------------------------------------------------------------

    def calls_out(self, extension: str, number: str, *, by_click: bool) -> Case:
        """An operator calls a customer, by dialling or by Originate."""
        switch = self.switch
        if by_click:
            line = switch.line(f"PJSIP/{extension}", number=number, exten=number)
            switch.dial(None, line)
            line.becomes("Up")
            switch.dialled(None, line, "ANSWER")
        else:
            line = switch.line(f"PJSIP/{extension}", state="Ring", number=extension, exten=number)
        customer = switch.line("PJSIP/trunk", of=line, number=number)
        switch.dial(line, customer, f"{number}@trunk")
        case = Case(line=customer, story=Story(direction="out", certain=False), where="leaving")
        case.talker = Phone(extension=extension, line=line, devices=[line])
        self.cases.append(case)
        return case

    def customer_answers(self, case: Case) -> None:
        assert case.talker is not None
        case.line.becomes("Up")
        self.switch.dialled(case.talker.line, case.line, "ANSWER")
        self.talks(case, case.talker)

    def colleagues_talk(self, one: str, two: str) -> None:
        """A call between employees, kept by nobody."""
        a = self.switch.line(f"PJSIP/{one}", state="Ring", number=one, exten=two)
        b = self.switch.line(f"PJSIP/{two}", of=a, number=two)
        self.switch.dial(a, b)
        self.switch.dialled(a, b, "ANSWER")
        self.switch.bridge(a, b)
        self.others += [a, b]

    def colleagues_part(self) -> None:
        for line in self.others:
            if line.alive:
                line.is_gone()
        self.others.clear()

    def masquerade(self, line: Line) -> None:
        """The channel's inside is swapped, its name with it."""
        name = line.name
        for old, new in ((name, f"{name}<MASQ>"), (f"{name}<MASQ>", name)):
            self.switch.say(ami.Rename, uniqueid=line.uniqueid, old_name=old, new_name=new)

    def optimises(self, case: Case) -> None:
        """A Local without /n goes out of the way of a talk."""
        assert case.talker is not None
        phone = case.talker
        assert phone.half is not None
        device = phone.devices[0]
        phone.line.leaves()
        device.enters(case.line.bridge)
        phone.line.is_gone()
        phone.half.is_gone()
        phone.line, phone.half = device, None

    def power_cut(self) -> None:
        """The PBX is killed: every call is over, and nobody says so."""
        at = self.switch.now
        for case in self.cases:
            if case.where != "gone":
                case.where, case.talker, case.phones = "gone", None, []
                case.second = case.consulted = None
                case.story.ended_at, case.story.lost = at, True
        self.others.clear()
        self.switch.restarts()
