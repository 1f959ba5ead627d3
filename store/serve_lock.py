"""One `serve` a database file: a lock that dies with its holder, however it dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from store.errors import AlreadyServing

__all__ = ["ServeLock"]


class ServeLock:
    """Held inside `with ServeLock(path): …`; the file `<path>.serve-lock` stays, only its lock counts.

    A record lock (lockf), not flock: worker processes forked by the holder don't inherit it and so
    can't keep it alive when the holder is killed. It does not exclude a second one in this process.

    Raises:
        AlreadyServing: another process holds it.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self._fd: int | None = None

    def __enter__(self) -> "ServeLock":
        path = self._database.with_name(self._database.name + ".serve-lock")
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            pid = os.read(fd, 20)
            os.close(fd)
            raise AlreadyServing(str(self._database), int(pid) if pid.isdigit() else None) from held
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        self._fd = fd
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
