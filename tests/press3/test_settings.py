"""Configuration: every fault is said with its line, the nearest valid name and what to do."""

import os
from pathlib import Path

import pytest

from press3.errors import ConfigError
from press3.settings import Settings, load

ROOT = Path(__file__).parents[2]


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "config.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service]\nlangage = 'ru'\n", "line 2: unknown key 'service.langage'; did you mean 'language'?"),
        ("[httpp]\nport = 1\n", "line 1: unknown key 'httpp'; did you mean 'http'?"),
        ("[http]\n\nport = 99999\n", "line 3: http.port"),
        ("[[asterisk]]\nname = 'a'\n[[asterisk]]\nname = 'b'\nprot = 1\n", "line 5: unknown key 'asterisk.1.prot'; did you mean 'port'?"),
        ("[[asterisk]]\nname = 'a'\n[[asterisk]]\nname = 'a'\n", "same name"),
        ("[[asterisk]]\nname = 'a b'\n", "line 2: asterisk.0.name"),
        ("[service]\ntimezone = 'Mars/Base'\n", "no time zone 'Mars/Base'"),
        ("[database]\nurl = 'mysql://x'\n", "line 2: database.url: driver 'mysql' is not served"),
        ("[calls]\ninternal = '('\n", "is no regular expression"),
        ("[[ivr.observe]]\ncontext = 'ivr-7'\n", "give exten"),
        ("[[asterisk]]\ntls_ca = '/etc/pbx.pem'\n", "tls_ca and tls_name need tls = true"),
        ("[push]\nport = 65536\n", "line 2: push.port"),
        ("[push]\npublic_url = 'https://push.example.org'\n", "line 2: push.public_url"),
        ("[[ivr.observe]]\ncontext = 'c'\nexten = '3'\nasterisk = 'x'\n", "is none of"),
        ("[service\n", "not TOML"),
    ],
)  # fmt: skip
def test_a_fault_is_said_where_it_stands(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    assert said in str(error.value)
    assert error.value.exit_code == 2


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, "[http]\nport = -1\nprt = 2\n[service]\nlanguage = 'de'\n"))
    assert len(error.value.problems) == 3


def test_a_secret_others_may_read_is_refused(tmp_path: Path) -> None:
    text = "[[asterisk]]\nsecret = 'x'\n"
    with pytest.raises(ConfigError, match="chmod 600"):
        load(write(tmp_path, text, mode=0o640))
    assert load(write(tmp_path, text, mode=0o600)).asterisk[0].read_secret() == "x"


def test_a_secret_file_is_read_and_must_be_closed_too(tmp_path: Path) -> None:
    secret = tmp_path / "ami.secret"
    secret.write_text("hidden\n")
    secret.chmod(0o644)
    file = write(tmp_path, f"[[asterisk]]\nsecret_file = '{secret}'\n", mode=0o644)
    with pytest.raises(ConfigError, match=r"ami\.secret"):
        load(file)
    secret.chmod(0o600)
    assert load(file).asterisk[0].read_secret() == "hidden"


def test_a_secret_is_not_shown_when_settings_are_printed(tmp_path: Path) -> None:
    settings = load(write(tmp_path, "[[asterisk]]\nsecret = 'very-secret'\n"))
    assert "very-secret" not in repr(settings)


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESS3_HTTP__PORT", "8401")
    settings = load(write(tmp_path, "[http]\nhost = '127.0.0.2'\nport = 8400\n"))
    assert (settings.http.host, settings.http.port) == ("127.0.0.2", 8401)


def test_a_fault_of_the_environment_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESS3_ASTERISK", "not json")
    with pytest.raises(ConfigError, match="environment"):
        load(write(tmp_path, ""))


def test_the_default_database_is_sqlite_in_the_data_folder(tmp_path: Path) -> None:
    settings = load(write(tmp_path, f"[service]\ndata_dir = '{tmp_path}'\n"))
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/press3.db"


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path / "none.toml")


def test_the_commented_default_says_exactly_the_defaults() -> None:
    """Every key of config.toml exists, and its value there is the default."""
    shipped, default = load(ROOT / "config.toml"), Settings()
    assert shipped == default


def test_every_key_is_told_of_in_the_commented_default() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    missing = [name for name in _keys(Settings) if name not in text]
    assert not missing, f"config.toml does not tell of {missing}"


def _keys(model: type) -> list[str]:
    names: list[str] = []
    for name, field in getattr(model, "model_fields", {}).items():
        names.append(name)
        inner = getattr(field.annotation, "__args__", (field.annotation,))[0]
        names += _keys(inner) if isinstance(inner, type) else []
    return names


def test_the_shipped_file_holds_no_secret() -> None:
    assert os.stat(ROOT / "config.toml").st_mode & 0o044
    assert Settings().asterisk == []
