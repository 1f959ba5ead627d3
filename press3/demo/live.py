"""One line on the console for each thing that happens in the demo's calls."""

from collections.abc import Callable
from datetime import tzinfo

from calls.facts import (
    CallArrived,
    CallEnded,
    ComplaintRequested,
    Fact,
    OperatorAnswered,
    OperatorRang,
    OperatorStoppedRinging,
    QueueLeft,
    RecordingStarted,
    Transferred,
)
from telephony.recorder import Stored

__all__ = ["say_stored", "sentence"]

_SAYS: dict[type[Fact], Callable[..., str]] = {
    CallArrived: lambda f: f"{f.caller.raw or 'anonymous'} calls {f.to.raw}",
    ComplaintRequested: lambda f: f"PRESSED 3 → complaint opened ({f.evidence})",
    OperatorRang: lambda f: f"{f.telephone} rings → pop",
    OperatorStoppedRinging: lambda f: f"{f.telephone} stops ringing: {f.reason}",
    OperatorAnswered: lambda f: f"{f.telephone} talks with the customer",
    QueueLeft: lambda f: f"left the queue: {f.reason}",
    RecordingStarted: lambda f: "is being recorded",
    Transferred: lambda f: f"{f.kind} transfer from {f.from_extension} to {f.to}",
    CallEnded: lambda f: f"over: {f.outcome}",
}


def sentence(fact: Fact) -> str | None:
    """Return what happened in words, None for what nobody watches for."""
    say = _SAYS.get(type(fact))
    return say(fact) if say else None


def say_stored(zone: tzinfo, stored: Stored) -> None:
    """Print what a commit held, with times in `zone`."""
    for change in stored.changes:
        for fact in change.facts:
            if (words := sentence(fact)) is not None:
                print(
                    f"  {fact.at.astimezone(zone):%H:%M:%S.%f}"[:-3],
                    f"{fact.call:<26} {words}",
                    flush=True,
                )
