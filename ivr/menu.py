"""The telephone menu as data: what config.toml says, checked before a word of it reaches Asterisk."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

__all__ = [
    "RENDERED_QUEUE",
    "Action",
    "AmiAccount",
    "CantRender",
    "Menu",
    "ObservedMenu",
    "Prompts",
]

# The queue that press3 renders when the configuration names no existing one.
RENDERED_QUEUE = "press3"
COMPLAINT_KEY = "3"

NAME = re.compile(r"[\w.-]+")
QUEUE = re.compile(r"[\w.@-]+")
EXTENSION = re.compile(r"[\w*#+.-]+")
INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9]*/[\w@.:*#+/-]+")
SOUND = re.compile(r"(?!.*\.\.)[\w/-]+(?:\.[\w/-]+)*")
QUEUE_OPTIONS = re.compile(r"[A-Za-z]*")
SECRET = re.compile(r"[!-:<-~]+")
ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(?:/[0-9A-Fa-f:.]+)?")


class CantRender(ValueError):
    """A value can't be written to Asterisk's files. `key` is whose, as config.toml names it in its
    section: `("keys", "1")`, `("members",)`.
    """

    def __init__(self, key: tuple[str, ...], problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{'.'.join(key)}: {problem}")


def _check(key: str | tuple[str, ...], value: str, allowed: re.Pattern[str]) -> None:
    """Raise CantRender unless `value` can stand in a conf file without becoming something else there."""
    if not allowed.fullmatch(value):
        where = (key,) if isinstance(key, str) else key
        raise CantRender(where, f"{value!r} can't be written to Asterisk's configuration")


def _check_seconds(key: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise CantRender((key,), f"{value} is not between {least} and {most} seconds")


@dataclass(frozen=True, kw_only=True)
class Action:
    """What the menu does next.

    `kind`: `complaint` (register and go to the queue), `menu` (play it again from the start),
    `hangup` (say good-bye), `goto` (`target` is `context,exten,priority` of the PBX's own dialplan),
    `queue` (`target` is another queue, no complaint).
    """

    kind: Literal["complaint", "menu", "hangup", "goto", "queue"]
    target: str = ""

    @classmethod
    def parse(cls, text: str, *key: str) -> "Action":
        """Read `complaint`, `menu`, `hangup`, `queue:NAME` or `goto:CONTEXT,EXTEN,PRIORITY`.

        Raises CantRender, which names `key` as the one that holds `text`.
        """
        try:
            return cls._parse(text)
        except ValueError as fault:
            raise CantRender(key or ("action",), str(fault)) from None

    @classmethod
    def _parse(cls, text: str) -> "Action":
        kind, _, target = text.partition(":")
        if kind == "complaint" and not target:
            return cls(kind="complaint")
        if kind == "menu" and not target:
            return cls(kind="menu")
        if kind == "hangup" and not target:
            return cls(kind="hangup")
        if kind == "queue":
            return cls(kind="queue", target=target)
        if kind == "goto":
            return cls(kind="goto", target=target)
        raise ValueError(
            f"{text!r} is no action: complaint, menu, hangup, queue:NAME or goto:CONTEXT,EXTEN,PRIORITY"
        )

    def __post_init__(self) -> None:
        if self.kind == "queue":
            _check("queue", self.target, QUEUE)
        if self.kind == "goto":
            parts = self.target.split(",")
            if len(parts) != 3:
                raise CantRender(("goto",), f"{self.target!r} is not CONTEXT,EXTEN,PRIORITY")
            _check("goto context", parts[0], NAME)
            _check("goto extension", parts[1], EXTENSION)
            _check("goto priority", parts[2], NAME)


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Sound files by Asterisk's own names, played one after the other; present in the ru and en sets.

    `registering` is played before the press is checked, `accepted` after: only who hears `accepted`
    has a promise.
    """

    greeting: tuple[str, ...] = ("hello", "vm-press", "digits/3")
    invalid: tuple[str, ...] = ("pbx-invalid",)
    registering: tuple[str, ...] = ("one-moment-please",)
    accepted: tuple[str, ...] = ("auth-thankyou",)
    nobody: tuple[str, ...] = ("vm-nobodyavail",)
    goodbye: tuple[str, ...] = ("vm-goodbye",)

    def __post_init__(self) -> None:
        for field_ in fields(self):
            for sound in getattr(self, field_.name):
                _check(("prompts", field_.name), sound, SOUND)


@dataclass(frozen=True, kw_only=True)
class Menu:
    """One menu and the queue behind key 3. Raises CantRender when a value can't be rendered safely.

    `queue` names an existing queue; empty means that press3 renders one with `members`.
    `rounds` is how often the greeting is played before `no_choice`. `keys` are further keys; 3 is
    always the complaint. `queue_options` are options of Queue(); `t` lets the operator transfer,
    `x` lets him stop the recording of the complaint (his one-touch code ends what runs on the line).
    `queue_empty` follows when the queue takes nobody or lost its members, `queue_timeout` after
    `queue_timeout_s`, or when a program takes the caller out of the queue. `ring_s` is how long the
    rendered queue rings a telephone in one round.
    """

    name: str = "main"
    language: Literal["ru", "en"] = "ru"
    queue: str = ""
    members: tuple[str, ...] = ()
    menu_timeout_s: int = 5
    queue_timeout_s: int = 300
    ring_s: int = 15
    rounds: int = 3
    queue_options: str = "t"
    keys: Mapping[str, Action] = field(default_factory=dict)
    no_choice: Action = Action(kind="hangup")
    queue_empty: Action = Action(kind="hangup")
    queue_timeout: Action = Action(kind="hangup")
    prompts: Prompts = Prompts()
    recording_format: Literal["wav", "WAV", "wav16", "gsm", "ulaw", "alaw", "sln"] = "wav"

    def __post_init__(self) -> None:
        _check("name", self.name, NAME)
        _check("queue_options", self.queue_options, QUEUE_OPTIONS)
        if self.queue:
            _check("queue", self.queue, QUEUE)
        for member in self.members:
            if member.isdecimal():
                raise CantRender(
                    ("members",),
                    f"{member!r} can't be written to Asterisk's configuration: write PJSIP/{member}",
                )
            _check("members", member, INTERFACE)
        _check_seconds("menu_timeout_s", self.menu_timeout_s, 1, 60)
        _check_seconds("queue_timeout_s", self.queue_timeout_s, 1, 7200)
        _check_seconds("ring_s", self.ring_s, 1, 300)
        if not 1 <= self.rounds <= 10:
            raise CantRender(("rounds",), f"{self.rounds} is not between 1 and 10")
        self._check_keys()

    def _check_keys(self) -> None:
        for key, action in self.keys.items():
            if not re.fullmatch(r"[0-9*#]", key):
                raise CantRender(("keys", key), f"{key!r} is not one key of a telephone")
            if key == COMPLAINT_KEY and action.kind != "complaint":
                raise CantRender(("keys", key), "3 always opens a complaint")

    @property
    def queue_name(self) -> str:
        return self.queue or RENDERED_QUEUE


@dataclass(frozen=True, kw_only=True)
class AmiAccount:
    """press3's own AMI user. `permit` are the addresses it may come from, besides none."""

    username: str
    secret: str
    permit: tuple[str, ...] = ("127.0.0.1",)

    def __post_init__(self) -> None:
        _check("username", self.username, NAME)
        if not SECRET.fullmatch(self.secret):
            raise CantRender(
                ("secret",), "an AMI secret is only printable ASCII without blanks and without ';'"
            )
        if not self.permit:
            raise CantRender(("permit",), "at least one address")
        for address in self.permit:
            _check("permit", address, ADDRESS)


@dataclass(frozen=True, kw_only=True)
class ObservedMenu:
    """An existing menu that press3 only watches: its Newexten events must come through the filter."""

    context: str

    def __post_init__(self) -> None:
        _check("context", self.context, NAME)
