"""SIPp scenarios written from steps: a caller that presses, speaks and hangs up; a telephone.

When a call is answered the scenario writes its dialog into SIPp's log, so that `tests.lab.dialogs` can
do something in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "DIALOG_MARK",
    "RANG_MARK",
    "Bye",
    "Key",
    "Speak",
    "Step",
    "TelephoneHabit",
    "Wait",
    "WaitBye",
    "caller_xml",
    "moody_telephone_xml",
    "pause",
    "scenario",
    "telephone_xml",
]


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Key:
    """One key as SIP INFO (`application/dtmf-relay`)."""

    digit: str


@dataclass(frozen=True)
class Speak:
    """Start to speak, without end. First of all: like a real telephone, which always sends sound."""


@dataclass(frozen=True)
class Bye:
    """Hang up."""


@dataclass(frozen=True)
class WaitBye:
    """Let the other side hang up; give up after `seconds`."""

    seconds: float = 30


# A telephone's own BYE comes after whatever was done within its call by `dialogs.within_xml`.
LAST_CSEQ = 9_000
Step = Wait | Key | Speak | Bye | WaitBye

OK = """<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>"""
SDP = """v=0
o=user1 53655765 2353687637 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8
a=rtpmap:8 PCMA/8000"""
EVENTS = """
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16"""


def caller_xml(
    *,
    number: str,
    name: str,
    to: str,
    steps: Sequence[Step],
    speech: Path,
    headers: Sequence[str] = (),
    rtp_port: int | None = None,
) -> str:
    """A caller. `name` is put into From's display part as it is; empty leaves it out.

    `headers` are further lines of the INVITE. With `rtp_port` somebody else makes the sound there,
    and keys may come as RFC 4733 events (see `tests.lab.rtp`).
    """
    caller = _Caller(number, name, to, tuple(headers), rtp_port)
    parts = [caller.invite(), caller.request("ACK", 1), _log_dialog("1", "2")]
    cseq = 1
    for step in steps:
        match step:
            case Wait(seconds):
                parts.append(pause(seconds))
            case Speak():
                parts.append(_speak(speech))
            case Key(digit):
                cseq += 1
                parts.append(caller.key(digit, cseq))
            case Bye():
                parts += [caller.request("BYE", cseq + 1), '<recv response="200"/>']
            case WaitBye(seconds):
                parts += [f'<recv request="BYE" timeout="{int(seconds * 1000)}"/>', OK]
    return scenario("\n".join(parts))


@dataclass(frozen=True)
class _Caller:
    number: str
    name: str
    to: str
    headers: tuple[str, ...] = ()
    rtp_port: int | None = None

    def invite(self) -> str:
        sdp = SDP
        if self.rtp_port is not None:
            sdp = SDP.replace("[media_port] RTP/AVP 8", f"{self.rtp_port} RTP/AVP 8 101") + EVENTS
        return (
            self.request("INVITE", 1, body=sdp, kind="application/sdp")
            + '<recv response="100" optional="true"/><recv response="180" optional="true"/>'
            '<recv response="181" optional="true"/><recv response="183" optional="true"/><recv response="200" rrs="true"><action>'
            '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="1"/>'
            '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="2"/>'
            "</action></recv>"
        )

    def key(self, digit: str, cseq: int) -> str:
        body = f"Signal={digit}\nDuration=80"
        return (
            self.request("INFO", cseq, body=body, kind="application/dtmf-relay")
            + '<recv response="200"/>'
        )

    def request(self, method: str, cseq: int, *, body: str = "", kind: str = "") -> str:
        tag = "" if method == "INVITE" else "[peer_tag_param]"
        display = f'"{self.name}" ' if self.name else ""
        content = f"Content-Type: {kind}\n" if kind else ""
        if method == "INVITE":
            content = "".join(f"{line}\n" for line in self.headers) + content
        retrans = "" if method == "ACK" else ' retrans="500"'
        return f"""<send{retrans}><![CDATA[
{method} sip:{self.to}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: {display}<sip:{self.number}@[local_ip]:[local_port]>;tag=[pid]c[call_number]
To: <sip:{self.to}@[remote_ip]:[remote_port]>{tag}
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:{self.number}@[local_ip]:[local_port]>
Max-Forwards: 70
{content}Content-Length: [len]

{body}
]]></send>"""


DIALOG_MARK = " ~~ "
RANG_MARK = "rang "


def _log_dialog(local: str, remote: str, tag: str = "") -> str:
    """Write the dialog down for `dialogs.within_xml`. `local`, `remote`: the variables that hold the headers."""
    parts = (
        "dialog",
        "[call_id]",
        "sip:[local_ip]:[local_port]",
        f"[${local}]{tag}",
        f"[${remote}]",
    )
    text = DIALOG_MARK.join(parts)
    return f'<nop><action><log message="{text}"/></action></nop>'


def scenario(parts: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="lab">\n{parts}\n</scenario>\n'


def pause(seconds: float) -> str:
    return f'<pause milliseconds="{int(seconds * 1000)}"/>'


def _speak(speech: Path) -> str:
    return f'<nop><action><exec rtp_stream="{speech},-1,8"/></action></nop>'


@dataclass(frozen=True, kw_only=True)
class TelephoneHabit:
    """How a telephone behaves on a call: rings `ring_s`, then does `then`.

    `answer` speaks and hangs up after `talk_s` (None: never by itself); `noanswer` rings until it is
    cancelled; `reject` says 603, `busy` 486, `forward` 302 to 103 (after `ring_s`). `hold_after_s` after the answer it puts
    the other side on hold for `hold_s` by re-INVITE.
    """

    ring_s: float = 0.5
    then: Literal["answer", "noanswer", "reject", "busy", "forward"] = "answer"
    talk_s: float | None = None
    hold_after_s: float | None = None
    hold_s: float = 1


def telephone_xml(habit: TelephoneHabit, speech: Path) -> str:
    """A telephone that takes calls one after the other, and notes who rings: `rang <Call-ID> <From>`."""
    return scenario(
        f"""<recv request="INVITE" rrs="true"><action>
{_INVITE}
<log message="{RANG_MARK}[call_id] [$2]"/></action></recv>
<Reference variables="1,2,3"/>
{_reaction(habit, speech)}
<label id="9"/>"""
    )


def moody_telephone_xml(
    habits: Mapping[str, TelephoneHabit], mood: str, token: str, speech: Path
) -> str:
    """A telephone that takes many calls at once, each by the habit that the caller's From asks for.

    `mood` and `token` are regular expressions with one group: what it finds in From is a key of
    `habits` (none: the first), and what tells the caller. SIPp's own log (`-trace_logs`) gets a line
    `token <Call-ID> <token>` for each call.
    """
    branches, parts = [], []
    for n, (key, habit) in enumerate(habits.items(), 1):
        branches.append(
            f"""<nop next="{10 * n}" test="8"><action><strcmp assign_to="7" variable="6" value="{key}"/>
<test assign_to="8" variable="7" compare="equal" value="0"/></action></nop>"""
        )
        parts.append(
            f'<label id="{10 * n}"/>\n{_reaction(habit, speech, label=10 * n)}\n<nop next="9"/>'
        )
    first, *others = parts
    return scenario(
        f"""<recv request="INVITE" rrs="true"><action>
{_INVITE}
<ereg regexp="{mood}" search_in="hdr" header="From:" assign_to="5,6"/>
<ereg regexp="{token}" search_in="hdr" header="From:" assign_to="10,11"/>
<log message="token [call_id] [$11]"/></action></recv>
<Reference variables="1,2,3,5,10"/>
{chr(10).join(branches)}
{first}
{chr(10).join(others)}
<label id="9"/>"""
    )


_INVITE = """<ereg regexp="[0-9]+" search_in="hdr" header="CSeq:" assign_to="1"/>
<ereg regexp=".*" search_in="hdr" header="From:" assign_to="2"/>
<ereg regexp=".*" search_in="hdr" header="To:" assign_to="3"/>"""


def _reaction(habit: TelephoneHabit, speech: Path, *, label: int = 0) -> str:
    """Ring, then do what the habit says; the labels are `label` + 2 and + 3, the end is 9."""
    ring_ms = int(habit.ring_s * 1000) if habit.then != "noanswer" else 600_000
    after = {"answer": _answer(habit, speech, label), "noanswer": ""}
    refusal = {
        "reject": "603 Decline",
        "busy": "486 Busy Here",
        "forward": "302 Moved Temporarily",
    }
    reaction = after.get(habit.then) or _refuse(refusal.get(habit.then, "480 Unavailable"))
    if habit.then == "forward":
        own = "<sip:[local_ip]:[local_port];transport=[transport]>"
        reaction = reaction.replace(own, "<sip:103@[local_ip]>")
    return f"""{_respond("180 Ringing")}
<recv request="CANCEL" timeout="{max(ring_ms, 1)}" ontimeout="{label + 2}"/>
{OK}
{_refuse("487 Request Terminated")}
<nop next="9"/>
<label id="{label + 2}"/>
{reaction}"""


def _respond(
    status: str, *, body: str = "", cseq: str = "[last_CSeq:]", retrans: bool = False
) -> str:
    kind = "Content-Type: application/sdp\n" if body else ""
    return f"""<send{' retrans="500"' if retrans else ""}><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]t[call_number]
[last_Call-ID:]
{cseq}
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
{kind}Content-Length: [len]

{body}
]]></send>"""


def _refuse(status: str) -> str:
    return _respond(status, cseq="CSeq: [$1] INVITE", retrans=True) + '<recv request="ACK"/>'


def _answer(habit: TelephoneHabit, speech: Path, label: int) -> str:
    talk_ms = int(habit.talk_s * 1000) if habit.talk_s is not None else 3_600_000
    return f"""{_respond("200 OK", body=SDP, retrans=True)}
<recv request="ACK"/>
{_log_dialog("3", "2", ";tag=[pid]t[call_number]")}
{_speak(speech)}
{_hold(habit)}
<recv request="BYE" timeout="{talk_ms}" ontimeout="{label + 3}"/>
{OK}
<nop next="9"/>
<label id="{label + 3}"/>
{_own_request("BYE", LAST_CSEQ)}
<recv response="200"/>"""


def _hold(habit: TelephoneHabit) -> str:
    if habit.hold_after_s is None:
        return ""
    parts = []
    for cseq, direction, pause_s in (
        (1, "sendonly", habit.hold_after_s),
        (2, "sendrecv", habit.hold_s),
    ):
        parts += [
            pause(pause_s),
            _own_request("INVITE", cseq, body=f"{SDP}\na={direction}"),
            '<recv response="100" optional="true"/><recv response="200"/>',
            _own_request("ACK", cseq),
        ]
    return "\n".join(parts)


def _own_request(method: str, cseq: int, *, body: str = "") -> str:
    """A request of the called side within the call."""
    content = "Content-Type: application/sdp\n" if body else ""
    retrans = "" if method == "ACK" else ' retrans="500"'
    return f"""<send{retrans}><![CDATA[
{method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: [$3];tag=[pid]t[call_number]
To: [$2]
Call-ID: [call_id]
CSeq: {cseq} {method}
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
{content}Content-Length: [len]

{body}
]]></send>"""
