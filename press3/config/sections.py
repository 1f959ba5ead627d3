"""The sections of the configuration: each key with its default and its check. Pure."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from calls.numbers import DEFAULT_INTERFACES, DEFAULT_INTERNAL

__all__ = [
    "AsteriskSettings",
    "AuthSettings",
    "CallsSettings",
    "ConflictSettings",
    "DatabaseSettings",
    "DeadlinesSettings",
    "HttpSettings",
    "IvrSettings",
    "MetricsSettings",
    "ObserveSettings",
    "PromptSettings",
    "PushSettings",
    "QueueSettings",
    "RecordingsMapSettings",
    "RecordingsSettings",
    "Section",
    "ServiceSettings",
]

_MOST = 1_000_000


# `description` is what is allowed: it follows "must be" when something else is given.
def _whole(least: int, most: int = _MOST) -> Any:
    return Field(ge=least, le=most, description=f"a whole number from {least} to {most}")


Port = Annotated[int, _whole(0, 65535)]
Positive = Annotated[float, Field(gt=0, le=_MOST, description=f"a number above 0, at most {_MOST}")]


class Section(BaseModel):
    """A section of the file: no unknown keys, frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(Section):
    """The service itself. `log_personal`: names and numbers are logged."""

    data_dir: Path = Path("var")
    language: Literal["ru", "en"] = "ru"
    timezone: str = "Europe/Moscow"
    log_personal: bool = False

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no time zone {value!r}; use a name like 'Europe/Moscow'") from error
        return value


class AsteriskSettings(Section):
    """One PBX. `name` is for ever: every call and appeal id carries it."""

    name: str = Field(
        default="main",
        pattern=r"^[A-Za-z0-9_]{1,32}$",
        description="1 to 32 Latin letters, digits and _",
    )
    host: str = "127.0.0.1"
    port: Port = 5038
    username: str = "press3"
    secret: SecretStr | None = None
    secret_file: Path | None = None
    tls: bool = False
    tls_ca: Path | None = None
    tls_name: str = ""
    permit: list[str] = ["127.0.0.1"]
    queue_log: Path | None = None
    cdr: Path | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "AsteriskSettings":
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("give either secret or secret_file, not both")
        if not self.tls and (self.tls_ca is not None or self.tls_name):
            raise ValueError("tls_ca and tls_name need tls = true")
        return self

    def read_secret(self) -> str:
        """Return the AMI secret.

        Raises:
            ValueError: none is configured.
            OSError: its file can't be read.
        """
        if self.secret_file is not None:
            return self.secret_file.read_text(encoding="utf-8").strip()
        if self.secret is None:
            raise ValueError(f"[[asterisk]] {self.name}: neither secret nor secret_file is set")
        return self.secret.get_secret_value()


class QueueSettings(Section):
    """Which department a queue of the PBX belongs to."""

    name: str
    department: str


class DatabaseSettings(Section):
    """`url` empty: SQLite in `data_dir`."""

    url: str = ""

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if not value:
            return value
        try:
            driver = make_url(value).drivername
        except ArgumentError as error:
            raise ValueError(
                "not a database URL; use sqlite+aiosqlite:////path/press3.db"
            ) from error
        if driver not in {"sqlite+aiosqlite", "postgresql+psycopg"}:
            raise ValueError(
                f"driver {driver!r} is not served; use sqlite+aiosqlite or postgresql+psycopg"
            )
        return value


class HttpSettings(Section):
    """Where the screen is served, and how it is reached from outside."""

    host: str = "127.0.0.1"
    port: Port = 8300
    secure_cookie: bool | None = None
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s]+)?$",
        description="an address without a path, such as 'https://desk.example.org', or empty",
    )
    trusted_proxies: list[str] = []

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for text in value:
            try:
                ip_network(text)
            except ValueError as error:
                raise ValueError(
                    f"{text!r} is no address or network; use '127.0.0.1', '10.0.0.0/8' or '::1'"
                ) from error
        return value

    @property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_proxies`, read."""
        return tuple(ip_network(text) for text in self.trusted_proxies)

    @property
    def is_secure(self) -> bool:
        """Whether the screen is reached by https only: `secure_cookie`, else by `public_url`."""
        if self.secure_cookie is not None:
            return self.secure_cookie
        return self.public_url.startswith("https://")


class AuthSettings(Section):
    """How people sign in. `totp`: everybody needs a second factor."""

    totp: bool = False
    idle_h: Positive = 12
    session_h: Positive = 12


class MetricsSettings(Section):
    """`port` set: the metrics are served there (0: any free port); None: nowhere."""

    host: str = "127.0.0.1"
    port: Annotated[int | None, _whole(0, 65535)] = None


class PushSettings(Section):
    """Where push listens.

    `port` set: there (0: any free port); None: it is reached through `/ws` of the web server.
    """

    host: str = "127.0.0.1"
    port: Annotated[int | None, _whole(0, 65535)] = None
    public_url: str = Field(
        default="",
        pattern=r"^(wss?://[^/\s]+)?$",
        description="an address without a path, such as 'wss://push.example.org', or empty",
    )
    connections_per_user: Annotated[int, _whole(1)] = 10
    backlog_kib: Annotated[int, _whole(16)] = 1024
    keep_days: Annotated[int, _whole(1)] = 14
    origins: list[str] = []


class CallsSettings(Section):
    """How numbers, telephones and lines are known; patterns are regular expressions."""

    country: str = Field(
        default="RU", pattern=r"^[A-Z]{2}$", description="two capital letters, such as 'RU'"
    )
    internal: str = DEFAULT_INTERNAL
    interface: list[str] = list(DEFAULT_INTERFACES)
    trunks: list[str] = []
    trunk_contexts: list[str] = []
    phone_contexts: list[str] = []
    withheld: list[str] = []
    keep: Literal["external", "all"] = "external"
    ignore: str = ""

    @field_validator("internal", "interface", "trunks", "ignore")
    @classmethod
    def _compiles(cls, value: str | list[str]) -> str | list[str]:
        for pattern in [value] if isinstance(value, str) else value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return value

    @field_validator("interface")
    @classmethod
    def _names_an_extension(cls, value: list[str]) -> list[str]:
        for pattern in value:
            if "ext" not in re.compile(pattern).groupindex:
                raise ValueError(
                    f"{pattern!r} has no group ext; write (?P<ext>[0-9]+) around the extension"
                )
        return value


class ObserveSettings(Section):
    """An existing menu that press3 only watches: `context` and either `exten` or `digit`.

    `leads_to` names the queue that this key alone leads to: then the PBX's logs show missed
    presses.
    """

    asterisk: str | None = None
    context: str
    exten: str | None = None
    digit: str | None = Field(
        default=None, pattern=r"^[0-9*#A-D]$", description="one key: 0 to 9, *, # or A to D"
    )
    leads_to: str = ""

    @model_validator(mode="after")
    def _one_rule(self) -> "ObserveSettings":
        if (self.exten is None) == (self.digit is None):
            raise ValueError("give exten (the step reached) or digit (the key heard), one of them")
        return self


class PromptSettings(Section):
    """Sound files by Asterisk's own names; left out: those of `ivr.menu.Prompts`."""

    greeting: list[str] | None = None
    invalid: list[str] | None = None
    registering: list[str] | None = None
    accepted: list[str] | None = None
    nobody: list[str] | None = None
    goodbye: list[str] | None = None


class IvrSettings(Section):
    """The menu that `press3 render` writes; checked in full by `ivr.menu.Menu`."""

    name: str = "main"
    queue: str = ""
    members: list[str] = []
    menu_timeout_s: int = 5
    queue_timeout_s: int = 300
    ring_s: int = 15
    rounds: int = 3
    queue_options: str = "t"
    keys: dict[str, str] = {}
    no_choice: str = "hangup"
    queue_empty: str = "hangup"
    queue_timeout: str = "hangup"
    recording_format: Literal["wav", "WAV", "wav16", "gsm", "ulaw", "alaw", "sln"] = "wav"
    prompts: PromptSettings = PromptSettings()
    observe: list[ObserveSettings] = []


class RecordingsMapSettings(Section):
    """A folder of a PBX (`remote`) and where this machine has it (`local`)."""

    asterisk: str
    remote: Path
    local: Path


class RecordingsSettings(Section):
    """Where recordings are found, and how they are converted."""

    roots: list[Path] = [Path("/var/spool/asterisk/monitor")]
    format: Literal["mp3", "opus"] = "mp3"
    missing_after_s: Positive = 50
    map: list[RecordingsMapSettings] = []


class ConflictSettings(Section):
    """What is left to the employee who answered the call of a machine-opened complaint."""

    answered_by: Literal["notes", "barred", "none"] = "notes"


class DeadlinesSettings(Section):
    """Hours from opening to the deadline, and before it to the warning."""

    resolve_h: Positive = 24
    due_soon_h: Positive = 4
