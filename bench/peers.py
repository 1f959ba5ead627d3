"""Peers to measure beside, installed into a throw-away folder: press3 itself never needs them.

With PRESS3_BENCH_PEERS=no in the environment none is installed (tests do without the network).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hatch_build import NoNode, npm

__all__ = ["node_peer", "python_peer"]

_LIMIT_S = 180


@contextmanager
def python_peer(package: str) -> Iterator[str | None]:
    """The Python of a fresh environment with `package` in it; None, and said, when it can't be had."""
    if not _asked_for(package):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="press3-peer-") as folder:
        python = Path(folder, "bin", "python")
        yield (
            str(python)
            if _made(
                package,
                [sys.executable, "-m", "venv", folder],
                [
                    str(python),
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    package,
                ],
            )
            else None
        )


@contextmanager
def node_peer(package: str) -> Iterator[tuple[str, Path] | None]:
    """The node to run and a folder where it finds `package`; None, and said, when it can't be had."""
    if not _asked_for(package):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="press3-peer-") as folder:
        try:
            options = ("--silent", "--no-audit", "--no-fund", "--prefix", folder)
            command, environment = npm("install", *options, package)
        except NoNode as error:
            print(f"not measured beside {package}: {error}\n")
            yield None
            return
        node = shutil.which("node", path=environment["PATH"]) or "node"
        yield (node, Path(folder)) if _made(package, command, environment=environment) else None


def _asked_for(package: str) -> bool:
    wanted = os.environ.get("PRESS3_BENCH_PEERS") != "no"
    if not wanted:
        print(f"not measured beside {package}: PRESS3_BENCH_PEERS=no\n")
    return wanted


def _made(package: str, *commands: list[str], environment: dict[str, str] | None = None) -> bool:
    for command in commands:
        try:
            done = subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
            why = done.stderr.strip().splitlines()[-1:] if done.returncode else None
        except (OSError, subprocess.TimeoutExpired) as error:
            why = [str(error)]
        if why is not None:
            print(f"not measured beside {package}: it can't be installed: {' '.join(why)}\n")
            return False
    return True
