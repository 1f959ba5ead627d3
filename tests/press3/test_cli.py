"""Commands that need no PBX: people, and what a wrong use is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from people.model import Role
from press3.cli import ROLES


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
