"""The screen's own unit tests and strict types, run with the rest."""

import subprocess

import pytest

import hatch_build


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    hatch_build.install()


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_sources_of_the_screen_pass(script: str) -> None:
    command, environment = hatch_build.npm("run", script)
    done = subprocess.run(
        command, cwd=hatch_build.UI, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_names_no_registry() -> None:
    lock = (hatch_build.UI / "package-lock.json").read_text()
    assert '"resolved"' not in lock
