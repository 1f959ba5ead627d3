"""Commands that need no PBX: people, and what a wrong use is told."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from people.errors import WrongValue
from people.model import Role
from press3.cli import ROLES, main
from press3.config.settings import Settings, load
from press3.database import migrate
from press3.doctor.examination import examine
from press3.doctor.machine import findings
from press3.users import add_user
from tests.postgres import Postgres

ANNA: dict[str, str | None] = {
    "login": "anna",
    "name": "Anna",
    "role": "operator",
    "password": "correct horse battery",
    "department": None,
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(f'[service]\ndata_dir = "{tmp_path}/data"\n')
    return file


def press3(*arguments: str, text: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "press3", *arguments],
        input=text, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["doctor", "check-config", "migrate"])
def test_output_that_nobody_reads_ends_a_command_in_silence(config: Path, command: str) -> None:
    reader, pipe = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "press3", command, "-c", config],
        stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=120, check=False,
    )  # fmt: skip
    os.close(pipe)
    assert done.returncode == 128 + signal.SIGPIPE
    assert "Error" not in done.stderr


def test_a_database_of_a_newer_press3_is_refused_with_what_to_do(config: Path) -> None:
    """An older release started by mistake, or on purpose after a bad day: a sentence, no traceback."""
    assert press3("migrate", "-c", str(config))[0] == 0
    with (
        closing(sqlite3.connect(load(config).service.data_dir / "press3.db")) as database,
        database,
    ):
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    for command in ("serve", "migrate", "doctor"):
        code, said = press3(command, "-c", str(config))
        assert code == 1, command
        assert "revision 9999" in said
        assert "install that newer press3 again, or restore a backup" in said
        assert "Traceback" not in said
        assert "press3 migrate" not in said


async def test_the_doctor_leaves_nothing_open_when_nobody_listens_any_more(config: Path) -> None:
    """Whichever finding was the last, what was opened for it is closed before `examine` ends."""
    await migrate(load(config))
    for last in range(1, 4):
        heard: list[str] = []

        def say(text: str, heard: list[str] = heard, last: int = last) -> None:
            heard.append(text)
            if len(heard) == last:
                raise BrokenPipeError

        unclosed: list[object] = []
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=unclosed.append)
        try:
            with pytest.raises(BrokenPipeError):
                await examine(load(config), say, config)
        finally:
            sys.set_asyncgen_hooks(*hooks)
        assert unclosed == [], heard


def test_roles_of_the_command_are_the_roles() -> None:
    assert set(ROLES) == set(Role)


def test_an_employee_is_added_gets_a_new_password_and_is_disabled(config: Path) -> None:
    add = ("user", "add", "anna", "-c", str(config), "--role", "operator", "--password-stdin")
    code, said = press3(*add, text="correct horse battery\n")
    assert (code, said.splitlines()[-1]) == (0, "employee anna added")
    code, said = press3(*add, text="correct horse battery\n")
    assert code == 1
    assert "anna" in said
    change = ("user", "password", "anna", "-c", str(config), "--password-stdin")
    assert press3(*change, text="another horse battery\n")[0] == 0
    assert press3("user", "disable", "anna", "-c", str(config))[0] == 0
    code, said = press3("user", "disable", "boris", "-c", str(config))
    assert code == 1
    assert "Traceback" not in said


def test_an_employee_is_given_a_mobile(config: Path) -> None:
    add = ("user", "add", "anna", "-c", str(config), "--role", "operator", "--password-stdin")
    assert press3(*add, text="correct horse battery\n")[0] == 0
    give = ("user", "telephone", "anna")
    code, said = press3(*give, "8 911 000-00-09", "-c", str(config))
    assert (code, said.splitlines()[-1]) == (0, "telephone +79110000009 is anna's")
    code, said = press3(*give, "102", "-c", str(config), "--until", "2126-11-29")
    assert (code, said.splitlines()[-1]) == (
        0,
        "telephone 102 is anna's until the end of 2126-11-29",
    )
    for number, until, says in (
        ("secret", "2126-11-29", "neither an extension"),
        ("+79110000009", "2026-01-01", "--until 2026-01-01 is over"),
    ):
        code, said = press3(*give, number, "-c", str(config), "--until", until)
        assert (code, says in said, "Traceback" in said) == (1, True, False), said


def test_a_telephone_that_is_none_is_refused_with_what_may_be_one(config: Path) -> None:
    add = ("user", "add", "anna", "-c", str(config), "--role", "operator", "--password-stdin")
    code, said = press3(*add, "--extension", "abc", text="correct horse battery\n")
    assert (code, said.count("\n")) == (1, 1), said
    assert "'abc' is no extension here: [calls] internal is '^[0-9]{2,6}$'" in said


@pytest.mark.parametrize("extension", ["", "1", "1234567", "10 1", "PJSIP/101", "+79161234567"])
async def test_a_telephone_that_would_never_ring_on_a_screen(
    tmp_path: Path, extension: str
) -> None:
    settings = Settings.model_validate({"service": {"data_dir": tmp_path / "data"}})
    with pytest.raises(WrongValue, match="is no extension here"):
        await add_user(settings, **ANNA, extension=extension)
    assert not (tmp_path / "data").exists(), "nothing was made"


async def test_what_an_extension_is_follows_the_configuration(tmp_path: Path) -> None:
    service, calls = {"data_dir": tmp_path / "data"}, {"internal": "^[a-z]+$"}
    settings = Settings.model_validate({"service": service, "calls": calls})
    await add_user(settings, **ANNA, extension="abc")
    with pytest.raises(WrongValue, match="is no extension here"):
        await add_user(settings, **{**ANNA, "login": "boris"}, extension="101")


@pytest.mark.parametrize(
    ("ivr", "said"),
    [
        ("queue = '600'\nmembers = ['PJSIP/101']", "members are not used: the queue '600' exists"),
        ("", "the rendered queue has no members"),
        ("queue = '600'", None),
        ("members = ['PJSIP/101']", None),
    ],
)
def test_members_that_are_not_used_are_told(config: Path, ivr: str, said: str | None) -> None:
    config.write_text(f"{config.read_text()}[[asterisk]]\nsecret = 'x'\n[ivr]\n{ivr}\n")
    config.chmod(0o600)
    told = CliRunner().invoke(main, ["check-config", "-c", str(config)])
    assert (told.exit_code, told.stdout.count("fine")) == (0, 1)
    assert (said in told.stderr) if said else (told.stderr == "")
    assert said is None or any(
        (f.level, said in f.what) == ("warn", True) for f in findings(load(config), config)
    )


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ("internal = '^[0-9]+$'", "takes the public number"),
        ("trunks = ['^PJSIP/10']", "'PJSIP/101' is a line to the outside by [calls] trunks"),
        ("interface = ['^SIP/(?P<ext>[0-9]+)']", "'PJSIP/101' gives no extension"),
        ("trunk_contexts = ['a']\nphone_contexts = ['a']", "'a' is in trunk_contexts and in phone"),
        ("trunks = ['^PJSIP/211553-']", None),
    ],
)
def test_calls_that_would_be_misread_are_warned_of(
    config: Path, calls: str, said: str | None
) -> None:
    more = f"[[asterisk]]\nsecret = 'x'\n[ivr]\nmembers = ['PJSIP/101']\n[calls]\n{calls}\n"
    config.write_text(config.read_text() + more)
    config.chmod(0o600)
    told = CliRunner().invoke(main, ["check-config", "-c", str(config)])
    assert told.exit_code == 0
    assert (said in told.stderr) if said else (told.stderr == "")


def test_an_interface_without_an_extension_is_refused(config: Path) -> None:
    config.write_text(f"{config.read_text()}[calls]\ninterface = ['^SIP/[0-9]+']\n")
    told = CliRunner().invoke(main, ["check-config", "-c", str(config)])
    assert told.exit_code == 2
    assert "has no group ext" in told.stderr


def test_a_configuration_without_a_pbx_is_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("")
    told = CliRunner().invoke(main, ["check-config", "-c", str(file)])
    assert (told.exit_code, "fine; 0 Asterisk" in told.stdout) == (0, True)
    assert "warning: no [[asterisk]] is configured: no call is heard" in told.stderr


def test_an_unknown_role_is_refused_before_the_password_is_asked(config: Path) -> None:
    code, said = press3("user", "add", "x", "-c", str(config), "--role", "manager")
    assert code == 2
    assert "supervisor" in said


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("26.11.2026", "write it as YYYY-MM-DD, such as 2026-11-26"),
        ("20261126", "write it as YYYY-MM-DD"),
        ("2026-02-30", "no day of the calendar"),
        ("9999-12-31", "the year must be from 1970 to 2999"),
    ],
)
def test_a_day_that_can_not_be_one(config: Path, day: str, why: str) -> None:
    code, said = press3("reconcile", "-c", str(config), "--day", day)
    assert (code, why in said, "%Y" in said) == (2, True, False), said


def test_the_reconciliation_names_its_day_without_a_time(config: Path) -> None:
    code, said = press3("reconcile", "-c", str(config), "--day", "2026-11-21")
    assert (code, said.splitlines()[0]) == (0, "2026-11-21: pressed 0, registered 0, recorded 0")


def test_a_day_that_has_not_begun_is_no_day_without_a_difference(config: Path) -> None:
    code, said = press3("reconcile", "-c", str(config), "--day", "2100-01-01")
    assert code == 1
    assert said.startswith("press3: 2100-01-01 has not begun: ")


@pytest.mark.postgres
def test_a_table_that_may_not_be_read_is_no_lost_database(
    postgres: Postgres, config: Path, tmp_path: Path
) -> None:
    name = postgres.create()
    folder = postgres.url(name).partition("host=")[2]
    config.write_text(
        f'{config.read_text()}[database]\nurl = "{postgres.url(name)}"\n[[asterisk]]\n'
    )
    assert press3("migrate", "-c", str(config))[0] == 0
    reader = postgres.url(name).replace("postgres@", "reader@")
    config.write_text(config.read_text().replace(postgres.url(name), reader))
    with psycopg.connect(host=folder, user="postgres", dbname=name, autocommit=True) as admin:
        admin.execute("CREATE ROLE reader LOGIN")
        admin.execute("GRANT SELECT ON alembic_version TO reader")
        code, said = press3("capture", str(tmp_path / "out"), "-c", str(config))
        admin.execute("DROP OWNED BY reader")
        admin.execute("DROP ROLE reader")
    postgres.drop(name)
    assert code == 1
    last = said.splitlines()[-1]
    assert last.startswith("press3: PostgreSQL forbids it: permission denied for table "), said
    assert "OWNER TO" in last
    assert "lost" not in last


@pytest.mark.parametrize("more", [[], ["--apply"], ["--journal", "trace.jsonl"]])
def test_replay_takes_a_trace_or_the_journal(tmp_path: Path, more: list[str]) -> None:
    trace, config = tmp_path / "trace.jsonl", tmp_path / "press3.toml"
    trace.touch()
    config.write_text(f'[service]\ndata_dir = "{tmp_path}/data"\n')
    given = [str(trace) if each == "trace.jsonl" else each for each in more]
    told = CliRunner().invoke(main, ["replay", "-c", str(config), *given])
    assert (told.exit_code, "give a TRACE, or --journal" in told.output) == (2, True), told.output


def test_replay_of_an_empty_journal_writes_nothing(tmp_path: Path) -> None:
    config = tmp_path / "press3.toml"
    config.write_text(f'[service]\ndata_dir = "{tmp_path}/data"\n[[asterisk]]\nname = "main"\n')
    told = CliRunner().invoke(main, ["replay", "--journal", "-c", str(config)])
    assert told.exit_code == 0, told.output
    assert "main: 0 calls heard whole, 0 changed" in told.output
    assert "nothing was written" in told.output
