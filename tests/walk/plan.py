"""Who calls in a walk, and how each telephone takes the call: decided by a seed, told by the number.

A caller's token `912abcdnnn` is his number (`+7912…`), or stands in his name when he hides it. The
digits a, b, c, d are the moods of the telephones 101, 102, 103 and 99101 for this call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.lab.scenarios import Bye, Key, Speak, Step, TelephoneHabit, Wait, WaitBye

__all__ = ["HANDED", "HANDING", "KINDS", "MOODS", "TELEPHONES", "Caller", "mood_pattern", "plan"]

TELEPHONES = ("101", "102", "103", "99101")
HANDING = "102"
TOKEN = "(912[0-9]{7})"
# The first is the habit of a call without a token.
MOODS: Mapping[str, TelephoneHabit] = {
    "0": TelephoneHabit(then="noanswer"),
    "1": TelephoneHabit(ring_s=0.4, talk_s=3.5),
    "2": TelephoneHabit(ring_s=1.2, talk_s=1.5),
    "3": TelephoneHabit(ring_s=0.3, then="reject"),
    "4": TelephoneHabit(ring_s=0.1, then="busy"),
    "5": TelephoneHabit(ring_s=0.5, talk_s=1.0, hold_after_s=0.4, hold_s=0.5),
    "6": TelephoneHabit(ring_s=0.8, talk_s=2.5),
    "7": TelephoneHabit(ring_s=0.4),  # what comes then is told by tests.walk.hands
    "8": TelephoneHabit(ring_s=0.4, talk_s=1.5, hold_after_s=0.5, hold_s=0.7),
}
_MOOD_WEIGHTS = (30, 10, 20, 12, 10, 8, 10, 0, 0)

_WAIT: list[Step] = [Speak(), Wait(0.4)]
_PRESS = Key("3")
_STAYS: list[Step] = [*_WAIT, _PRESS, WaitBye(60)]
# kind -> (weight, what the caller does)
KINDS: Mapping[str, tuple[int, list[Step]]] = {
    "hangs up in the menu": (8, [Speak(), Wait(1.0), Bye()]),
    "presses nothing": (8, [Speak(), WaitBye(60)]),
    "presses and hangs up": (10, [*_WAIT, _PRESS, Wait(0.3), Bye()]),
    "hangs up while it rings": (14, [*_WAIT, _PRESS, Wait(2.1), Bye()]),
    "talks and hangs up": (22, [*_WAIT, _PRESS, Wait(4.5), Bye()]),
    "stays to the end": (26, [*_WAIT, _PRESS, WaitBye(60)]),
    "presses twice at once": (6, [*_WAIT, _PRESS, Wait(0.3), _PRESS, Wait(3.5), Bye()]),
    "presses again after the queue": (3, [*_WAIT, _PRESS, Wait(10), _PRESS, Wait(4), Bye()]),
    "presses another key first": (3, [*_WAIT, Key("7"), Wait(1.5), _PRESS, Wait(4), Bye()]),
    "is sent on": (5, _STAYS),
    "is sent on in vain": (3, [*_WAIT, _PRESS, Wait(9), Bye()]),
    "is handed over": (5, _STAYS),
    "is asked about in vain": (3, _STAYS),
    "is asked about and kept": (4, _STAYS),
    "is parked and fetched": (3, _STAYS),
    "is picked up": (3, _STAYS),
    "is put on hold": (4, _STAYS),
}
# Of these only 102 answers, or nobody: kind -> the mood of 102.
HANDED: Mapping[str, str] = {
    "is sent on": "7",
    "is sent on in vain": "7",
    "is handed over": "7",
    "is asked about in vain": "7",
    "is asked about and kept": "7",
    "is parked and fetched": "7",
    "is picked up": "0",
    "is put on hold": "8",
}
NAMES = ("Иван Ёлкин", "O'Neil|1,<b>%0d${X}", "Ivan Petrov", "ООО «Ромашка»", "a" * 60, "")
HIDDEN = ("anonymous", "sip-bob")


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`did` is what he dials: no two callers dial the same, so that it tells his call."""

    kind: str
    token: str
    number: str
    name: str
    did: str

    @property
    def steps(self) -> Sequence[Step]:
        return KINDS[self.kind][1]


def mood_pattern(telephone: str) -> str:
    """Return the regular expression that finds this telephone's mood in From."""
    return f"912[0-9]{{{TELEPHONES.index(telephone)}}}([0-9])"


def plan(seed: int, calls: int) -> list[Caller]:
    """Return the callers of a walk, in the order in which they call; at most 1000 have tokens."""
    if not 0 < calls <= 1000:
        raise ValueError(f"a walk has 1 to 1000 calls, not {calls}")
    rng = Random(seed)
    return [_caller(rng, n) for n in range(calls)]


def _caller(rng: Random, n: int) -> Caller:
    kind = rng.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
    moods = rng.choices(list(MOODS), _MOOD_WEIGHTS, k=len(TELEPHONES))
    if kind == "presses again after the queue":
        moods = ["0"] * len(TELEPHONES)
    if kind in HANDED:
        moods = [HANDED[kind] if phone == HANDING else "0" for phone in TELEPHONES]
    token = f"912{''.join(moods)}{n:03d}"
    hidden = rng.random() < 0.08
    return Caller(
        kind=kind,
        token=token,
        number=rng.choice(HIDDEN) if hidden else f"+7{token}",
        name=f"Nobody {token}" if hidden else rng.choice(NAMES),
        did=f"7495{n:07d}",
    )
