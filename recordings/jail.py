"""Open what a PBX names: once, inside the folders it may use, through no symbolic link.

Check and use see the same descriptor, so nothing can be swapped in between.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from recordings.errors import Refused

__all__ = ["opened"]

_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(path: Path, places: Iterable[Path]) -> Iterator[BinaryIO]:
    """Yield the plain file at `path`, open for reading. Never waits for a writer. Blocks on the disk.

    `path` is a real path (`os.path.realpath`); a link that took the place of one of its parts since
    is not followed. `places` are the folders that may hold it, in any spelling.

    Raises:
        Refused: `path` is in none of `places`, or is no plain file (link, folder, pipe, device).
        OSError: there is no such file, or it may not be read.
    """
    with os.fdopen(_open(path, places), "rb") as file:
        yield file


def _open(path: Path, places: Iterable[Path]) -> int:
    for place in places:
        real_place = os.path.realpath(place)
        if path.is_relative_to(real_place):
            return _open_below(real_place, path.relative_to(real_place).parts)
    raise Refused("refused", "the file is outside the folders of its PBX")


def _open_below(place: str, parts: tuple[str, ...]) -> int:
    if not parts or ".." in parts:
        raise Refused("refused", "not the name of a file")
    at = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            deeper = os.open(part, _STEP, dir_fd=at)
        finally:
            os.close(at)
        at = deeper
    try:
        if not stat.S_ISREG(os.fstat(at).st_mode):
            raise Refused("refused", "not a plain file")
        # O_PATH opens nothing yet, so a pipe can't block us and a device does nothing. This is the
        # same inode, opened for reading.
        return os.open(f"/proc/self/fd/{at}", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    finally:
        os.close(at)
