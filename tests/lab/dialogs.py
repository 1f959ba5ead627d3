"""What somebody does in an answered call: feature codes, REFER, hanging up when the test says so.

It is a scenario of its own, played by another SIPp: Asterisk knows a request by its dialog, not by the
socket it came from.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.scenarios import DIALOG_MARK, Bye, Wait, pause, scenario

__all__ = ["Dialog", "DialogStep", "Keys", "Refer", "within_xml"]


@dataclass(frozen=True)
class Keys:
    """Several keys one after the other, as feature codes want them: `*2103`."""

    digits: str
    between_s: float = 0.12


@dataclass(frozen=True, kw_only=True)
class Dialog:
    """One side's end of an answered call. `local` and `remote` are whole From and To values."""

    call_id: str
    contact: str
    local: str
    remote: str

    @classmethod
    def read(cls, text: str) -> "Dialog":
        """Read what a scenario wrote into its log."""
        _, call_id, contact, local, remote = (part.strip() for part in text.split(DIALOG_MARK))
        return cls(call_id=call_id, contact=contact, local=local, remote=remote)

    @property
    def replaces(self) -> str:
        """This call as the Replaces of a Refer-To (RFC 3891, as the other side knows it), escaped."""
        to_tag, from_tag = _tag(self.remote), _tag(self.local)
        call_id = self.call_id.replace("@", "%40")
        return f"Replaces={call_id}%3Bto-tag%3D{to_tag}%3Bfrom-tag%3D{from_tag}"


@dataclass(frozen=True)
class Refer:
    """Hand the other side over: to an extension, or to the other end of the call `consultation`."""

    to: str
    consultation: Dialog | None = None


DialogStep = Wait | Keys | Refer | Bye


def _tag(header: str) -> str:
    found = re.search(r";tag=([^;>\s]+)", header)
    assert found is not None, header
    return found.group(1)


def within_xml(dialog: Dialog, steps: Sequence[DialogStep], *, first_cseq: int) -> str:
    """What one side does in its answered call. SIPp must be told the call id: `-cid_str`.

    `first_cseq` is higher than that of any request this side has sent in the dialog.
    """
    parts: list[str] = []
    cseq = first_cseq
    for step in steps:
        match step:
            case Wait(seconds):
                parts.append(pause(seconds))
            case Keys(digits, between_s):
                for digit in digits:
                    body = f"Signal={digit}\nDuration=80"
                    info = _in_dialog(dialog, "INFO", cseq, body=body, kind=_DTMF)
                    parts += [info, '<recv response="200"/>', pause(between_s)]
                    cseq += 1
            case Refer(to, consultation):
                replaces = f"?{consultation.replaces}" if consultation else ""
                target = f"<sip:{to}@[remote_ip]:[remote_port]{replaces}>"
                refer = _in_dialog(dialog, "REFER", cseq, more=f"Refer-To: {target}\n")
                parts += [refer, '<recv response="202"/>']
                cseq += 1
            case Bye():
                parts += [_in_dialog(dialog, "BYE", cseq), '<recv response="200"/>']
                cseq += 1
    return scenario("\n".join(parts))


_DTMF = "application/dtmf-relay"


def _in_dialog(
    dialog: Dialog, method: str, cseq: int, *, body: str = "", kind: str = "", more: str = ""
) -> str:
    content = f"Content-Type: {kind}\n" if kind else ""
    return f"""<send retrans="500"><![CDATA[
{method} sip:asterisk@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: {dialog.local}
To: {dialog.remote}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <{dialog.contact}>
Max-Forwards: 70
{more}{content}Content-Length: [len]

{body}
]]></send>"""
