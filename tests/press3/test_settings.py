"""Configuration: every fault is said with its line, the nearest valid name and what to do."""

import os
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from press3.config.ami_secret import require_secrets
from press3.config.faults import explain
from press3.config.settings import Settings, load
from press3.errors import ConfigError
from press3.menu_files import render_files

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
        ("[[asterisk]]\nname = 'a'\n[[asterisk]]\nname = 'b'\nprot = 1\n", "line 5: unknown key 'prot' in the second [[asterisk]]; did you mean 'port'?"),
        ("[[asterisk]]\nname = 'a'\n[[asterisk]]\nname = 'a'\n", "line 4: name of the second [[asterisk]]: two [[asterisk]] have the same name, 'a'"),
        ("[[asterisk]]\nname = 'a b'\n", "line 2: name of the first [[asterisk]]: must be 1 to 32"),
        ("[[asterisk]]\npassword = 'x'\n", "line 2: unknown key 'password' in the first [[asterisk]]; did you mean 'secret'?"),
        ("[service]\ntimezone = 'Mars/Base'\n", "no time zone 'Mars/Base'"),
        ("[database]\nurl = 'mysql://x'\n", "line 2: database.url: driver 'mysql' is not served"),
        ("[calls]\ninternal = '('\n", "is no regular expression"),
        ("[[ivr.observe]]\ncontext = 'ivr-7'\n", "give exten"),
        ("[[asterisk]]\ntls_ca = '/etc/pbx.pem'\n", "tls_ca and tls_name need tls = true"),
        ("[push]\nport = 65536\n", "line 2: push.port: must be a whole number from 0 to 65535, not 65536"),
        ("[push]\nbacklog_kib = 15\n", "line 2: push.backlog_kib: must be a whole number from 16 to 1000000, not 15"),
        ("[push]\npublic_url = 'https://push.example.org'\n", "line 2: push.public_url"),
        ("[[ivr.observe]]\ncontext = 'c'\nexten = '3'\nasterisk = 'x'\n", "is none of"),
        ("[service\n", "not TOML"),
        ("[http]\nport = 'abc'\n", "line 2: http.port: must be a whole number from 0 to 65535, not 'abc'"),
        ("[http]\nsecure_cookie = 'ja'\n", "line 2: http.secure_cookie: must be true or false, not 'ja'"),
        ("[service]\nlanguage = 'de'\n", "line 2: service.language: must be 'ru' or 'en', not 'de'"),
        ("[[queues]]\nname = 'a'\n", "line 1: department of the first [[queues]]: must be given"),
        ("[deadlines]\nresolve_h = inf\n", "line 2: deadlines.resolve_h: must be a number above 0, at most 1000000"),
        ("[asterisk]\nname = 'a'\n", "line 1: asterisk: must be a section that may repeat, [[asterisk]], not a section"),
        ("[ivr]\nmembers = 'PJSIP/101'\n", "line 2: ivr.members: must be a list"),
    ],
)  # fmt: skip
def test_a_fault_is_said_where_it_stands(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    assert said in str(error.value)
    assert error.value.exit_code == 2


MAP = "[[asterisk]]\nname = 'main'\n[[recordings.map]]\nasterisk = '{}'\nremote = '{}'\nlocal = '/mnt'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MAP.format("mian", "/var"), "line 4: asterisk of the first [[recordings.map]]: no [[asterisk]] has the name 'mian'; there is: 'main'"),
        (MAP.format("main", "var"), "line 5: remote of the first [[recordings.map]]: 'var' must be a whole path"),
        ("[[asterisk]]\nhost = 'http://10.0.0.1:5038'\n", "line 2: host of the first [[asterisk]]: must be a host's name or address"),
        ("[[asterisk]]\nhost = 'press3:hunter2@10.0.0.1'\n", "line 2: host of the first [[asterisk]]: must be a host's name or address"),
        ("[[asterisk]]\nhost = '10.0.0.1:5038'\n", "line 2: host of the first [[asterisk]]: must be a host's name or address"),
        ("[http]\nhost = '127.0.0.1 '\n", "line 2: http.host: must be a host's name or address"),
        ("[http]\nport = 8301\n[push]\nport = 8301\n", "line 4: push.port: 8301 is [http] port too"),
        ("[http]\nhost = '0.0.0.0'\n[push]\nport = 8300\n", "line 4: push.port: 8300 is [http] port too"),
        ("[recordings]\nroots = ['/a', 'monitor']\n", "line 2: recordings.roots: 'monitor' must be a whole path"),
        ("[deadlines]\nresolve_h = 2\ndue_soon_h = 2\n", "line 3: deadlines.due_soon_h: 2 must be less than resolve_h, which is 2"),
    ],
)  # fmt: skip
def test_what_can_not_work_together_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    assert said in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "[[asterisk]]\nhost = 'fe80::1'\n",
        "[[asterisk]]\nhost = 'pbx-1.example.org'\n",
        "[http]\nport = 0\n[push]\nport = 0\n",
        "[http]\nhost = '127.0.0.2'\n[push]\nport = 8300\n",
        "[deadlines]\nresolve_h = 2\n",  # due_soon_h, left out, gives way
        MAP.format("main", "/var"),
    ],
)
def test_what_does_go_together_is_accepted(tmp_path: Path, text: str) -> None:
    load(write(tmp_path, text))


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


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"HTTP__PORT": "abc"}, "PRESS3_HTTP__PORT: http.port: must be a whole number from 0 to 65535, not 'abc'"),
        ({"http__port": "70000"}, "PRESS3_http__port: http.port: must be a whole number from 0 to 65535, not '70000'"),
        ({"PUSH__PRT": "1"}, "PRESS3_PUSH__PRT: unknown key 'push.prt'; did you mean 'port'?"),
        ({"HTTP": '{"port": "x"}'}, "PRESS3_HTTP: http.port: must be a whole number"),
        ({"HTTP": '{"host": "a"}', "HTTP__PORT": "x"}, "PRESS3_HTTP__PORT: http.port: must be"),
        ({"ASTERISK": '[{"name": "a", "port": "x"}]'}, "PRESS3_ASTERISK: port of the first [[asterisk]]: must be a whole number"),
        ({"QUEUES": '[{"name": "a"}]'}, "PRESS3_QUEUES: department of the first [[queues]]: must be given"),
        ({"ASTERISK": "not json"}, 'PRESS3_ASTERISK: must be JSON, such as ["one", "two"]'),
        ({"IVR__MEMBERS": "PJSIP/101"}, 'PRESS3_IVR__MEMBERS: must be JSON, such as ["one", "two"]'),
        ({"IVR__KEYS": "1"}, "PRESS3_IVR__KEYS: ivr.keys: must be a section of its own, [ivr.keys]"),
        ({"HTTP": "8300"}, "PRESS3_HTTP: http: must be a section of its own, [http]"),
        ({"HTPP__PORT": "1"}, "PRESS3_HTPP__PORT: unknown section 'htpp'; did you mean 'http'?"),
        ({"HTTP_PORT": "1"}, "PRESS3_HTTP_PORT: section and key have two _ between them: PRESS3_HTTP__PORT"),
    ],
)  # fmt: skip
def test_a_fault_of_the_environment_names_its_variable_and_not_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PRESS3_{name}", value)
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, "[http]\nhost = '127.0.0.1'\n"))
    assert str(error.value).startswith("the environment can't be used:\n  ")
    assert said in str(error.value)


def test_a_fault_of_the_file_beside_one_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESS3_HTTP__PORT", "abc")
    file = write(tmp_path, "[http]\nsecure_cookie = 'perhaps'\n")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(file) in str(error.value)
    assert [problem.split(": ")[0] for problem in error.value.problems] == [
        "PRESS3_HTTP__PORT",
        "line 2",
    ]


def test_a_menu_from_the_environment_that_can_not_be_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESS3_IVR__MEMBERS", '["101"]')
    file = write(tmp_path, "[[asterisk]]\nsecret = 'x'\n[ivr]\nrounds = 2\n")
    with pytest.raises(ConfigError) as error:
        render_files(load(file), file)
    assert str(error.value).startswith("the environment can't be used:")
    assert "PRESS3_IVR__MEMBERS: ivr.members: '101' can't be written" in str(error.value)


def test_variables_of_other_purposes_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRESS3_ASTERISK_BINARY", "path")
    monkeypatch.setenv("PRESS3_CACHE", "/nowhere")
    assert load(write(tmp_path, "")) == Settings()


@pytest.mark.parametrize("value", ["'x y'", "-1", "0", "1.5", "true", "[]", "[[]]", "{ a = 1 }", "1e99", "nan"])  # fmt: skip
def test_every_wrong_value_is_explained_in_plain_words(tmp_path: Path, value: str) -> None:
    """Whatever stands in any key: either it is accepted, or what must be there is said."""
    said: list[str] = []
    for place in _places(Settings):
        section, key = place.rsplit(".", 1)
        try:
            load(write(tmp_path, f"{section}\n{key} = {value}\n"))
        except ConfigError as error:
            said += error.problems
    assert said
    for problem in said:
        assert not re.search(r"Input|valid [a-z]|instance|Field|pattern|pydantic", problem), problem


def test_a_secret_of_the_wrong_kind_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, "[[asterisk]]\nsecret = 4242\n"))
    assert "line 2: secret of the first [[asterisk]]: must be a text in quotes" in str(error.value)
    assert "4242" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('database = "postgresql+psycopg://press3:hunter2@db/press3"', "line 1: database: must be a section of its own, [database]"),
        ('asterisk = "hunter2"', "line 1: asterisk: must be a section that may repeat, [[asterisk]]"),
        ('asterisk = ["hunter2"]', "line 1: asterisk.0: must be a section of its own, [[asterisk]]"),
        ('[database]\nurl = { postgres = "hunter2" }', "line 2: database.url: must be a text in quotes"),
    ],
)  # fmt: skip
def test_a_secret_in_the_wrong_place_is_not_shown(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    assert error.value.problems == [said]


def test_a_fault_of_a_kind_that_has_no_words_of_its_own() -> None:
    class Section(BaseModel):
        day: date

    with pytest.raises(ValidationError) as error:
        Section.model_validate({"day": "soon"})
    assert explain(Section, error.value.errors()) == [
        (("day",), "day: must be another value, not 'soon'")
    ]


def test_the_default_database_is_sqlite_in_the_data_folder(tmp_path: Path) -> None:
    settings = load(write(tmp_path, f"[service]\ndata_dir = '{tmp_path}'\n"))
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/press3.db"


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="can't be read: there is no such file; name yours with -c"
    ):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[service]\nlanguage = ru\n", 'at line 2, column 12): a text stands in straight quotes, as in key = "value"; only numbers'),
        ("[asterisk]\nhost = 10.0.0.1\n", "at line 2, column 12): a text stands in straight quotes"),
        ("[http]\nhost = «x»\n", "at line 2, column 8): a text stands in straight quotes, as in key = \"value\", not in « »"),
        ("[http]\nsecure_cookie = True\n", "true and false are written small"),
        ('[http]\nhost = "x\nport = 1\n', "at line 2, column 10): the closing quote is missing"),
        ("[http]\nhost = 'x\n", "at end of document): the closing quote is missing"),
        ('[http]\nhost = "x', "at end of document): the closing quote is missing"),
        ("[http]\nport = 1\nport = 2\n", "at line 3, column 9): this key is given twice"),
        ("[http]\nport = 1\n[http]\n", "at line 3, column 6): this section is there twice"),
        ("[http\nport = 1\n", "a section is written [name]"),
        ("[http]\nport 8300\n", "a line is key = value"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_said_in_plain_words(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, text))
    assert said in str(error.value)


def test_another_encoding_is_said_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes("[service]\ndata_dir = '/var/f\xfcr'\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="line 2: can't be read as UTF-8; save the file"):
        load(file)


def test_the_mark_and_line_ends_of_windows_are_accepted(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbf[http]\r\nport = 8400\r\n")
    assert load(file).http.port == 8400


def test_a_secret_file_that_is_not_there_is_said_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"line 2: secret_file of the first .* does not exist; write"
    ):
        load(write(tmp_path, "[[asterisk]]\nsecret_file = '/nowhere/ami.secret'\n"))


@pytest.mark.parametrize(
    ("line", "said"),
    [("port = 5038", "neither secret nor secret_file is set"), ("secret = ''", "it is empty")],
)
def test_a_secret_that_can_be_none_is_said_with_its_line(
    tmp_path: Path, line: str, said: str
) -> None:
    file = write(tmp_path, f"\n[[asterisk]]\n{line}\n")
    with pytest.raises(ConfigError) as error:
        require_secrets(load(file), file)
    assert str(error.value).startswith(f"{file} can't be used:\n  line 2: [[asterisk]] main")
    assert said in str(error.value)
    assert "chmod 600" in str(error.value)


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


def _places(model: type, name: str = "") -> Iterator[str]:
    """`[section].key` for each key, `[[section]].key` where a section may repeat."""
    for key, field in getattr(model, "model_fields", {}).items():
        inner = getattr(field.annotation, "__args__", (field.annotation,))[0]
        full = f"{name}.{key}" if name else key
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from (
                place.replace("[", "[[").replace("]", "]]")
                if inner is not field.annotation
                else place
                for place in _places(inner, full)
            )
        else:
            yield f"[{name}].{key}"


def test_the_shipped_file_holds_no_secret() -> None:
    assert os.stat(ROOT / "config.toml").st_mode & 0o044
    assert Settings().asterisk == []
