"""What push publishes: pops, and that an operator is out of a call."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from store.typed import Typed

__all__ = [
    "CallLeft",
    "Caller",
    "Named",
    "PopAcked",
    "PopShown",
    "PopUnseen",
    "PopWithdrawn",
    "WithdrawReason",
]

WithdrawReason = Literal[
    "answered_here",
    "answered_elsewhere",
    "abandoned",
    "timeout",
    "rejected",
    "transferred",
    "unknown",
]


@dataclass(frozen=True, kw_only=True)
class Named:
    id: int
    name: str | None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`raw` is what the telephone system said; `e164` is null when it is no public number.
    `anonymous`: the number is withheld; `other`: a SIP name."""

    raw: str
    e164: str | None
    name: str | None
    kind: Literal["internal", "public", "anonymous", "other"]


@dataclass(frozen=True, kw_only=True)
class PopShown(Typed):
    """Your telephone rings, or you came to talk without a ringing (then `answered_here` follows at once).
    The same `pop_id` with a higher `round` is the next ringing of the same call; with the same `round`
    it is a correction, to be shown without a sound. `acked`: you have seen it."""

    TYPE: ClassVar = "pop.shown"

    pop_id: str
    round: int
    call: str
    caller: Caller
    customer: Named | None
    appeal: int | None
    open_appeals: list[int]
    acked: bool

    def to_data(self) -> dict[str, Any]:
        """Return the JSON of all fields, also of the parts."""
        customer = None if self.customer is None else {**self.customer.__dict__}
        return {**super().to_data(), "caller": {**self.caller.__dict__}, "customer": customer}


@dataclass(frozen=True, kw_only=True)
class PopAcked(Typed):
    """You have seen this pop, on this screen or another of yours."""

    TYPE: ClassVar = "pop.acked"

    pop_id: str


@dataclass(frozen=True, kw_only=True)
class PopWithdrawn(Typed):
    """Your telephone stopped ringing. After `answered_here` the card becomes the current call."""

    TYPE: ClassVar = "pop.withdrawn"

    pop_id: str
    reason: WithdrawReason


@dataclass(frozen=True, kw_only=True)
class CallLeft(Typed):
    """You are out of a call that goes on without you: its card is no longer the current call."""

    TYPE: ClassVar = "call.left"

    call: str
    pop_id: str


@dataclass(frozen=True, kw_only=True)
class PopUnseen(Typed):
    """Nobody has acknowledged a pop of this pressed-3 call or answered it in 30 seconds."""

    TYPE: ClassVar = "pop.unseen"

    call: str
    appeal: int | None
