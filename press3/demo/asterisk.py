"""Run a private Asterisk: every directory its own, nothing left running, no root needed."""

import asyncio
import contextlib
import random
import shlex
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

from press3.demo.tree import AsteriskTree
from press3.errors import Press3Error

__all__ = [
    "RTP_PORTS",
    "AsteriskFailed",
    "PrivateAsterisk",
    "dying_with_parent",
    "free_port",
    "free_port_range",
]

# Asterisk 16/22 hand work to threads over sockets of the ephemeral range; a port taken there leaves
# it running without AMI, so we stay below. RTP has ports apart: an Asterisk binds them only when a call
# needs them, so that until then they look free to whoever looks for a port.
PORTS = range(20_000, 27_000)
RTP_PORTS = range(27_000, 32_768)
UNIX_SOCKET_LIMIT = 100
FOLDERS = ("etc", "lib", "spool/monitor", "spool/outgoing", "spool/tmp", "run", "log", "agi")


class AsteriskFailed(Press3Error):
    """The private Asterisk did not start, or died. Carries the end of what it said."""


def free_port() -> int:
    """Find a port of the safe range free for TCP and UDP on loopback."""
    return free_port_range(1)


def free_port_range(count: int, ports: range = PORTS) -> int:
    """Find `count` free ports of `ports` in a row; return the first. Even, as RTP likes it."""
    for _ in range(200):
        first = random.randrange(ports.start, ports.stop - count, 2)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise AsteriskFailed(f"no {count} free ports in {ports.start}–{ports.stop}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


class PrivateAsterisk:
    """One Asterisk in `directory`, with the configuration files that the caller gives.

    `etc` maps file names to their text; `asterisk.conf` is written here. `system_name` is Asterisk's
    `systemname`, which becomes part of every uniqueid; empty leaves it out. The process dies with
    the one that started it (pdeathsig), even by kill -9.
    """

    def __init__(
        self,
        tree: AsteriskTree,
        directory: Path,
        *,
        etc: Mapping[str, str],
        system_name: str = "",
    ) -> None:
        self.tree = tree
        self.directory = directory
        self.system_name = system_name
        self._process: subprocess.Popen[bytes] | None = None
        self._write_files(etc)

    @property
    def monitor(self) -> Path:
        """Where MixMonitor puts recordings."""
        return self.directory / "spool/monitor"

    @property
    def console(self) -> Path:
        """A command that opens this Asterisk's console, for people: `DIR/asterisk -rvvv`."""
        return self.directory / "asterisk"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def start(self, *, deadline_s: float = 60) -> None:
        """Start and wait until fully booted. Raises AsteriskFailed after `deadline_s`."""
        if self.running:
            return
        # a dead one's socket would make `rx` believe that it is already there
        (self.directory / "run/asterisk.ctl").unlink(missing_ok=True)
        with (self.directory / "log/stdout").open("ab") as said:
            # not asyncio's subprocess, which belongs to one event loop: tests share an Asterisk
            self._process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond
                [*dying_with_parent(), str(self.console), "-f"],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # Ctrl-C at the demo's terminal is for us, not for it
            )
        try:
            async with asyncio.timeout(deadline_s):
                await self._booted()
        except TimeoutError as error:
            self.kill9()
            raise AsteriskFailed(f"not booted in {deadline_s} s: {self._last_words()}") from error

    async def _booted(self) -> None:
        """Wait for the very end: its console gets half of its commands after "fully booted"."""
        await self._says("fully booted", "core waitfullybooted")
        await self._says("Asterisk ", "core show version")

    async def _says(self, words: str, command: str) -> None:
        while words not in await self.rx(command):
            if not self.running:
                raise AsteriskFailed(f"Asterisk ended while booting: {self._last_words()}")
            await asyncio.sleep(0.05)

    async def rx(self, command: str) -> str:
        """Run a console command; return what it printed. Empty when Asterisk does not answer."""
        control = self.directory / "run/asterisk.ctl"
        if not control.exists():
            return ""
        process = await asyncio.create_subprocess_exec(
            str(self.console),
            "-rx",
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            said, _ = await process.communicate()
        finally:
            _kill_if_running(process)
        return said.decode(errors="replace")

    async def stop(self, *, deadline_s: float = 5) -> None:
        """Stop at once but orderly: calls hang up, files close. Killed after `deadline_s`. Idempotent."""
        if self._process is None:
            return
        self._process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self.running:  # noqa: ASYNC110 - a plain process tells nobody that it ended
                    await asyncio.sleep(0.02)
        self.kill9()

    def kill9(self) -> None:
        """Kill without warning, as a power cut would, and wait until it is gone. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def __aenter__(self) -> "PrivateAsterisk":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _write_files(self, etc: Mapping[str, str]) -> None:
        if len(str(self.directory / "run/asterisk.ctl")) > UNIX_SOCKET_LIMIT:
            raise ValueError(f"path too long for Asterisk's unix socket: {self.directory}")
        for folder in FOLDERS:
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        files = {**etc, "asterisk.conf": self._asterisk_conf()}
        for name, text in files.items():
            (self.directory / "etc" / name).write_text(text, encoding="utf-8")
        command = shlex.join(self.tree.command)
        configuration = shlex.quote(str(self.directory / "etc/asterisk.conf"))
        self.console.write_text(f'#!/bin/sh\nexec {command} -C {configuration} "$@"\n')
        self.console.chmod(0o755)

    def _asterisk_conf(self) -> str:
        d = self.directory
        name = f"systemname = {self.system_name}\n" if self.system_name else ""
        return (
            "[directories]\n"
            f"astetcdir => {d}/etc\nastmoddir => {self.tree.modules}\n"
            f"astvarlibdir => {d}/lib\nastdbdir => {d}/lib\nastkeydir => {d}/lib\n"
            f"astdatadir => {self.tree.data}\nastagidir => {d}/agi\nastspooldir => {d}/spool\n"
            f"astrundir => {d}/run\nastlogdir => {d}/log\nastsbindir => {self.tree.sbin}\n"
            f"[options]\n{name}"
        )

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            said = (self.directory / "log/stdout").read_text(errors="replace").splitlines()
            return " / ".join(said[-3:])
        return "(it said nothing)"


def dying_with_parent() -> tuple[str, ...]:
    """Prefix that makes the kernel kill the child when the thread that started it is gone.

    An `atexit` or `finally` does not run when the parent is killed with -9. The child is started by
    the event loop's thread, which lives as long as the program.
    """
    tool = shutil.which("setpriv")
    return (tool, "--pdeathsig", "KILL") if tool else ()


def _kill_if_running(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
