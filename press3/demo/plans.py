"""Who calls in the demo and what he does: people that do not exist, decided by a seeded random."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal

__all__ = ["DEMO_OPERATORS", "CallPlan", "Planner"]

DEMO_OPERATORS = {"101": "Анна Приветова", "102": "Борис Слухов", "103": "Вера Толкова"}

# Subscriber numbers never begin with 0 in Russia, so that nobody has these.
CUSTOMERS = (
    ("Иван Ёлкин", "+74950001001"),
    ("Мария Водопьянова", "+74950001002"),
    ("Пётр Скворцов", "+74950001003"),
    ("ООО «Ромашка»", "+78120001004"),
    ("Ольга Цветкова", "+74950001005"),
    ("Сергей Мостовой", "+73430001006"),
    ("Татьяна Щукина", "+78120001007"),
    ("Алексей Юрьев", "+74950001008"),
    ("Фёдор Объездчиков", "+73830001009"),
    ("Наталья Белая", "+78430001010"),
    ("Кирилл Жданов", "+74950001011"),
    ("Anonymous", "anonymous"),
)
CUSTOMER_VOICES = (
    "demo-congrats",
    "basic-pbx-ivr-main",
    "demo-moreinfo",
    "vm-options",
    "dir-intro",
)

Kind = Literal["answered", "gave_up", "transferred", "rejected", "silent", "outbound"]
WEIGHTS: Mapping[Kind, int] = {
    "answered": 50,
    "gave_up": 15,
    "transferred": 12,
    "rejected": 8,
    "silent": 7,
    "outbound": 8,
}


@dataclass(frozen=True, kw_only=True)
class CallPlan:
    """One call. `operators` says what each telephone does when it rings for this caller.

    Its values are `busy`, `never`, or `<ring s>-<talk s>-<extension to transfer to, or nothing>`.
    `patience_s` is when the caller hangs up whatever happens; `key` is empty when he presses nothing.
    For an outbound call `operator` is who calls.
    """

    kind: Kind
    name: str
    number: str
    voice: str
    key: str = ""
    before_key_s: int = 1
    patience_s: int = 120
    operators: Mapping[str, str] = field(default_factory=dict)
    operator: str = ""


class Planner:
    """Makes one plan after the other; the same seed makes the same call centre."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def pause_s(self, calls_a_minute: float) -> float:
        """Return the time to the next call; callers come independently of each other."""
        return self._random.expovariate(calls_a_minute / 60)

    def next(self) -> CallPlan:
        kind = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        name, number = self._random.choice(CUSTOMERS)
        if kind == "outbound" and number == "anonymous":
            name, number = CUSTOMERS[0]
        voice = self._random.choice(CUSTOMER_VOICES)
        first, second, third = self._random.sample(list(DEMO_OPERATORS), 3)
        before_key_s = self._random.randint(1, 3)
        patience_s = 120
        talk = f"{self._random.randint(2, 6)}-{self._random.randint(8, 20)}-"
        # the others would answer too, only later: should the first be talking to somebody else
        operators = {first: talk, second: "9-10-", third: "10-12-"}
        if kind == "gave_up":
            patience_s = before_key_s + self._random.randint(7, 18)
            operators = dict.fromkeys(DEMO_OPERATORS, "never")
        elif kind == "transferred":
            operators[first] = talk + second
        elif kind == "rejected":
            operators[second] = "busy"
        return CallPlan(
            kind=kind,
            name=name,
            number=number,
            voice=voice,
            key="" if kind == "silent" else "3",
            before_key_s=before_key_s,
            patience_s=patience_s,
            operators=operators,
            operator=first,
        )
