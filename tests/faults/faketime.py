"""Clocks that a test can set: libfaketime, fetched as Asterisk is, loaded into one process alone."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from press3.demo import tree as trees
from press3.demo.tree import AsteriskTree, NoAsterisk, cache_folder
from tests.ci import skip

__all__ = ["SetClock", "host_library", "with_set_clock"]

_LIBRARY = "libfaketime.so.1"


class SetClock:
    """How far a process's wall clock is off, by what its `environment` says; monotonic time is left alone."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.step_to(0)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def step_to(self, seconds: int) -> None:
        """Step the clock so many seconds off the true time, in one write: nobody reads half a number."""
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{seconds:+d}s\n")
        whole.replace(self._file)


def with_set_clock(tree: AsteriskTree, major: str) -> AsteriskTree:
    """Return `tree` with libfaketime loaded into Asterisk; skips the test when that can't be had."""
    loader, *rest = tree.command
    if "ld-linux" not in loader:
        skip("libfaketime is loaded by the unpacked tree's own loader only")
    return replace(tree, command=(loader, "--preload", str(_library(trees.SUITES[major])), *rest))


def host_library() -> Path:
    """Return libfaketime for this machine's own programs; skips the test when it can't be had."""
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if line
    )
    return _library(release.get("VERSION_CODENAME", "stable").strip('"'))


def _library(suite: str) -> Path:
    root = cache_folder() / f"faketime-{suite}"
    root.parent.mkdir(parents=True, exist_ok=True)
    with trees._lock(root.with_suffix(".lock")):
        if not root.exists():
            try:
                _fetch(suite, root)
            except NoAsterisk as why:
                skip(f"no libfaketime: {str(why).removeprefix('no Asterisk: ')}")
    return next(root.rglob(_LIBRARY)).resolve()


def _fetch(suite: str, root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".fetch-") as folder:
        scratch = Path(folder)
        for name in ("lists/partial", "archives/partial", "parts"):
            (scratch / name).mkdir(parents=True)
        (scratch / "status").touch()
        sources = scratch / "sources.list"
        signed = f"[signed-by={trees.KEYRING}]"
        sources.write_text(f"deb {signed} {trees._mirror()} {suite} main\n")
        apt = ["apt-get", "-q", *trees._private_apt(scratch, sources)]
        trees._run([*apt, "update"])
        options = ["-y", "--download-only", "--no-install-recommends"]
        trees._run([*apt, *options, "install", "libfaketime"])
        (package,) = (scratch / "archives").glob("libfaketime_*.deb")
        trees._run(["dpkg", "-x", str(package), str(scratch / "tree")])
        (scratch / "tree").rename(root)
