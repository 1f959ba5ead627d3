"""The whole configuration: where its values come from, and its loading.

Sources, later ones win: the defaults of the sections → the TOML file → the environment's
`PRESS3_SECTION__KEY`. A secret may stand in a file of its own (`secret_file`). A file that holds a
secret must be 0600.
"""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from sqlalchemy.engine import make_url

from press3.config.contradictions import contradictions
from press3.config.faults import PREFIX, Fault, Given, explain, ill_named, named, no_json
from press3.config.sections import (
    AsteriskSettings,
    AuthSettings,
    CallsSettings,
    ConflictSettings,
    DatabaseSettings,
    DeadlinesSettings,
    HttpSettings,
    IvrSettings,
    MetricsSettings,
    PushSettings,
    QueueSettings,
    RecordingsSettings,
    ServiceSettings,
)
from press3.config.toml_faults import in_words
from press3.errors import ConfigError

__all__ = ["Settings", "given", "load"]


class Settings(BaseSettings):
    """The whole configuration; frozen, handed out in parts."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__"
    )

    service: ServiceSettings = ServiceSettings()
    asterisk: list[AsteriskSettings] = []
    queues: list[QueueSettings] = []
    database: DatabaseSettings = DatabaseSettings()
    http: HttpSettings = HttpSettings()
    auth: AuthSettings = AuthSettings()
    push: PushSettings = PushSettings()
    metrics: MetricsSettings = MetricsSettings()
    calls: CallsSettings = CallsSettings()
    ivr: IvrSettings = IvrSettings()
    recordings: RecordingsSettings = RecordingsSettings()
    deadlines: DeadlinesSettings = DeadlinesSettings()
    conflict: ConflictSettings = ConflictSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file, whose values come as init arguments."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        names = [pbx.name for pbx in self.asterisk]
        for rule in self.ivr.observe:
            if rule.asterisk is not None and rule.asterisk not in names:
                raise ValueError(f"[[ivr.observe]] asterisk = {rule.asterisk!r} is none of {names}")
        return self

    @property
    def database_url(self) -> str:
        """The configured URL, or SQLite in `data_dir`."""
        return (
            self.database.url or f"sqlite+aiosqlite:///{self.service.data_dir.absolute()}/press3.db"
        )

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose days count."""
        return ZoneInfo(self.service.timezone)


def load(file: Path) -> Settings:
    """Read and check `file`.

    Raises:
        ConfigError: every fault with its place and what is allowed there.
    """
    text = _read(file)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), [f"not TOML: {in_words(str(error), text)}"]) from error
    origin = given(file, text)
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise origin.error(explain(Settings, error.errors())) from error
    if faults := list(contradictions(settings)):
        raise origin.error(faults)
    if faults := list(_absent_secrets(settings)):
        raise origin.error(faults)
    _check_mode(file, settings, values)
    return settings


def _absent_secrets(settings: Settings) -> Iterator[Fault]:
    for n, pbx in enumerate(settings.asterisk):
        if pbx.secret_file is not None and not pbx.secret_file.exists():
            yield named(
                ("asterisk", n, "secret_file"),
                f"{pbx.secret_file} does not exist; write the AMI user's secret there "
                "and close it: chmod 600",
            )


def _read(file: Path) -> str:
    """Return the text of `file` with Unix line ends and without a byte order mark."""
    try:
        data = file.read_bytes()
    except FileNotFoundError as error:
        advice = (
            "there is no such file; name yours with -c FILE, or copy config.toml of press3 there"
        )
        raise ConfigError(str(file), [f"can't be read: {advice}"]) from error
    except OSError as error:
        raise ConfigError(
            str(file),
            [f"can't be read by this user: {error.strerror}; name a file that can: -c FILE"],
        ) from error
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            str(file), [f"line {line}: can't be read as UTF-8; save the file in that encoding"]
        ) from error


def given(file: Path | None, text: str) -> Given:
    """Return where values come from: `file`, if any, which holds `text`, and the environment.

    Raises:
        ConfigError: a variable `PRESS3_…` is no JSON where it must be, or is named like no setting.
    """
    variables = {name: os.environ[name] for name in os.environ if name.upper().startswith(PREFIX)}
    if wrong := [*ill_named(Settings, variables), *no_json(Settings, variables)]:
        raise ConfigError("the environment", wrong)
    return Given(
        file=str(file) if file is not None else "the configuration",
        text=text,
        variables=variables,
        values=EnvSettingsSource(Settings)(),
    )


def _check_mode(file: Path, settings: Settings, values: dict[str, Any]) -> None:
    inline = any("secret" in pbx for pbx in values.get("asterisk", []))
    password = bool(settings.database.url and make_url(settings.database.url).password)
    guarded = [pbx.secret_file for pbx in settings.asterisk if pbx.secret_file]
    if inline or (password and "database" in values):
        guarded.insert(0, file)
    problems = []
    for path in guarded:
        if path.stat().st_mode & 0o077:
            problems.append(f"{path} holds a secret but others may read it; run: chmod 600 {path}")
    if problems:
        raise ConfigError(str(file), problems)
