"""The bodies of answers, for OpenAPI and for the contract tests: every field, and no other.

The values come from `appeals.card.view` and are sent as they are; these models describe them.
"""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from appeals.case.model import Kind, Phase
from appeals.case.rights import Action, AnsweredBy
from people.audit import AuditKind
from people.model import Role
from people.signin import Duty
from recordings.model import RecordingState

__all__ = [
    "Appeal",
    "AppealList",
    "AppealWithCalls",
    "AuditList",
    "BlindWindowList",
    "CallList",
    "ConflictRule",
    "Dictionaries",
    "History",
    "LinkList",
    "ListeningLog",
    "OneAppeal",
    "Peaks",
    "ProblemDocument",
    "PushTicket",
    "Reconciliation",
    "SecondFactor",
    "SessionList",
    "SignedIn",
    "WhoAmI",
]


class Told(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Named(Told):
    id: int
    name: str | None


class Caller(Told):
    """`kind`: `anonymous` is a withheld number, `other` a SIP name; null when nobody knows."""

    raw: str
    e164: str | None
    name: str | None
    kind: Literal["internal", "public", "anonymous", "other"] | None


class StageTime(Told):
    stage: str
    s: float | None


class Times(Told):
    """Seconds, or null while there is nothing to measure."""

    queue_wait_s: float | None = Field(description="queue entered → left")
    wait_s: float | None = Field(description="pressed → first human contact")
    abandoned_after_s: float | None = Field(description="pressed → hang-up without contact")
    ring_s: float | None = Field(description="first ring → answer")
    first_contact_s: float | None = Field(description="opened → first human contact, any call")
    take_s: float | None = Field(description="opened → in work")
    stages: list[StageTime]
    resolution_s: float | None = Field(description="opened → phase responded")


class Target(Told):
    limit_s: float
    met: bool | None


class Appeal(Told):
    number: int
    version: int
    kind: Kind
    type: str
    category: str | None
    source: str
    verified: Literal["verified", "verified_live", "unverified"]
    phase: Phase
    stage: str = Field(description="name of the stage, as in the dictionary `stages`")
    state: str
    missing: list[str]
    caller: Caller
    customer: Named | None
    department: Named | None
    call: str | None
    gist: str | None
    result: str | None
    opened_at: datetime
    registered_at: datetime
    deadline_at: datetime | None
    responsible: Named | None
    accused: Named | None
    times: Times
    times_business: Times | None
    targets: dict[str, Target] | None


class Leg(Told):
    """`extension` of an employee's telephone, or `number` of an outside one that rang for the company.

    `forwarded`: the telephone sent the call on, and another rang.
    """

    extension: str | None
    number: str | None
    employee: Named | None
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: (
        Literal["answered", "elsewhere", "no_answer", "rejected", "busy", "failed", "forwarded"]
        | None
    )


class Transfer(Told):
    at: datetime
    kind: Literal["blind", "attended"]
    from_: str = Field(alias="from")
    to: str


class CallRecording(Told):
    """`reason`: a code that says why it is `missing`, `unreachable`, or `linked` and can't be played.

    `guessed`: nothing but number and time says that it is of this call.
    """

    id: int
    state: RecordingState
    duration_s: float | None
    started_at: datetime | None
    reason: str | None
    guessed: bool


class Call(Told):
    """`closed`: the PBX ended the call and nobody had answered. `ended_by`: the customer (`caller`), an
    employee (`operator`) or the PBX; null while the call goes on, and when nobody saw its end."""

    id: str
    pbx: str
    direction: Literal["in", "out"]
    from_: Caller = Field(alias="from")
    to: Caller
    queue: str | None
    started_at: datetime
    pressed_at: datetime | None
    queue_entered_at: datetime | None
    queue_left_at: datetime | None
    first_ring_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: Literal[
        "answered", "abandoned", "no_answer", "busy", "failed", "closed", "in_progress"
    ]
    ended_by: Literal["caller", "operator", "pbx"] | None
    appeal: int | None
    legs: list[Leg]
    transfers: list[Transfer]
    recordings: list[CallRecording]
    recovered: bool


class RefusedAttempt(Told):
    at: datetime
    employee: Named
    action: str
    reason: str


class AppealWithCalls(Appeal):
    """`may`: what the rights let you do; `note` is gist and category while they are empty, `retype` another kind.
    `refused`: attempts refused to others, for those who oversee."""

    calls: list[Call]
    may: list[Action]
    refused: list[RefusedAttempt] | None


class Explanation(Told):
    """What the accused was asked to say. `text` null: not yet said."""

    asked_at: datetime
    due_at: datetime | None
    text: str | None


class OwnCase(Told):
    """An appeal as the employee sees it whom it accuses. `handled_by`: the department that decides.

    `explanation` is null while none was asked for.
    """

    number: int
    opened_at: datetime
    phase: Phase
    handled_by: Named
    explanation: Explanation | None
    hidden: Literal[True]


class OneAppeal(RootModel[AppealWithCalls | OwnCase]):
    """The appeal, or `OwnCase` (`hidden` is true) for the employee whom it accuses."""


class AppealList(Told):
    items: list[Appeal]
    next: str | None


class CallList(Told):
    items: list[Call]
    next: str | None


class SettingChange(Told):
    """`old` null: the first value of this database."""

    at: datetime
    old: AnsweredBy | None
    new: AnsweredBy


class ConflictRule(Told):
    """What is left to the employee who answered the call of a complaint that the machine opened.

    `notes`: gist and category while empty, the accused the first time; `barred`: reading only; `none`:
    as any colleague.
    """

    answered_by: AnsweredBy
    changes: list[SettingChange]


class HiddenEntry(Told):
    """A refused attempt, for a reader who does not oversee: the chain goes on without a gap."""

    n: int
    hash: str
    hidden: Literal[True]


class HistoryEntry(Told):
    n: int
    at: datetime
    author: Named | None
    action: str
    data: dict[str, Any]
    erased: bool
    hash: str


class History(Told):
    items: list[HistoryEntry | HiddenEntry]


class BlindWindow(Told):
    id: int
    pbx: str
    from_: datetime = Field(alias="from")
    to: datetime | None
    reason: str
    calls_recovered: int
    appeals_recovered: int


class BlindWindowList(Told):
    items: list[BlindWindow]
    next: str | None


class Source(Told):
    name: str
    complete: bool


class Difference(Told):
    kind: Literal["not_registered", "not_on_pbx", "no_recording", "orphan_recording"]
    call: str | None
    appeal: int | None
    recording: int | None
    mend: str


class Reconciliation(Told):
    day: date
    pressed: int
    registered: int
    recorded: int
    sources: list[Source]
    differences: list[Difference]


class Link(Told):
    pbx: str
    state: Literal["starting", "connecting", "up", "refused", "down", "closed", "standby", "stuck"]
    since: datetime
    reason: str


class LinkList(Told):
    items: list[Link]


class Person(Told):
    id: int
    login: str
    name: str
    role: Role
    extension: str | None
    department: Named | None


class WhoAmI(Told):
    """`duty`: what must be done before anything else. `second_factor` `off`: the service asks for none."""

    employee: Person
    duty: Duty | None
    second_factor: Literal["off", "none", "on"]


class SignedIn(WhoAmI):
    token: str


class SecondFactor(Told):
    """`secret` is for typing, `uri` for a picture (`otpauth://`)."""

    secret: str
    uri: str


class OpenSession(Told):
    id: str
    current: bool
    created_at: datetime
    seen_at: datetime | None
    expires_at: datetime
    address: str | None
    agent: str | None


class SessionList(Told):
    items: list[OpenSession]
    next: None


class AuditEntry(Told):
    """`actor` null: nobody signed in, or the command line (`data.how`). `subject`: whom it is about."""

    id: int
    at: datetime
    kind: AuditKind
    actor: Named | None
    subject: Named | None
    address: str | None
    agent: str | None
    data: dict[str, Any]


class AuditList(Told):
    items: list[AuditEntry]
    next: str | None


class ListenedTo(Told):
    id: int
    at: datetime
    employee: Named
    recording: int
    call: str | None
    address: str | None
    agent: str | None


class ListeningLog(Told):
    items: list[ListenedTo]
    next: str | None


class PushTicket(Told):
    """`ticket` is good once, within 30 seconds."""

    ticket: str
    url: str


class Peaks(Told):
    """`rate` peaks a second, each 0…`scale`."""

    rate: float
    scale: int
    peaks: list[int]


class RecordTypeEntry(Told):
    code: str
    name: str
    kind: Kind


class CategoryEntry(Told):
    code: str
    name: str


class StageEntry(Told):
    code: str
    name: str
    phase: Phase
    shown_state: str


class EmployeeEntry(Told):
    id: int
    name: str


class Dictionaries(Told):
    """`timezone`: the IANA name of the zone whose days and office hours count."""

    timezone: str
    types: list[RecordTypeEntry]
    categories: list[CategoryEntry]
    stages: list[StageEntry]
    employees: list[EmployeeEntry]


class ProblemDocument(BaseModel):
    """RFC 9457. `todo` says what to do; `instance` finds the case in the log."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    todo: str
    instance: str
