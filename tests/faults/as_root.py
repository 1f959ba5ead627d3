"""Tests marked `as_root` need a file system or a process of their own rights: without root they run in a
user and mount namespace, and what became of them there is what becomes of them here.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ci import skip

__all__ = ["again_as_root", "pytest_pyfunc_call"]

_UNSHARE = ("unshare", "-rm")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test as root of a namespace; it has passed here when it has passed there."""
    if pyfuncitem.get_closest_marker("as_root") is None or os.geteuid() == 0:
        return None
    again_as_root(pyfuncitem.nodeid)
    return True


def again_as_root(test: str, *, into: tuple[str, ...] = _UNSHARE) -> None:
    """Run `test` behind the command `into`; fail, or skip, as it did there."""
    command = [*into, sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    if "unshare" in done.stderr:
        skip(f"neither root nor unshare -rm: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout[-8000:]
    if "1 passed" not in done.stdout:
        skip(f"as root of a namespace: {done.stdout[-2000:]}")
