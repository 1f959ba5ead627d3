"""Where a recording lies on this machine, and whether we may read it.

Paths come from a PBX, so from outside: nothing is opened whose real path is not inside a folder of that
PBX, however it was spelt (`..`, symbolic links, absolute paths elsewhere).
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recordings import formats, jail, wav
from recordings.errors import Refused
from recordings.settings import RecordingSettings

__all__ = ["Absent", "Look", "OutOfReach", "Present", "digest", "look", "possible", "remote_name"]

_PIECE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Present:
    """`closed` is False for a WAV whose header does not fit its size. `changed_at` is epoch seconds."""

    path: Path
    size_bytes: int
    changed_at: float
    closed: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """The roots can be read and the file is in none of them; `tried` is the first place looked at.

    `empty_root` is the real path of a root that holds nothing at all, as a folder that is not mounted.
    """

    tried: Path
    empty_root: Path | None = None


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """We can't know whether the file exists. `code`: `no_root`, `root`, `refused` or `denied`."""

    code: str
    detail: str


Look = Present | Absent | OutOfReach


def look(pbx: str, remote_path: str, settings: RecordingSettings) -> Look:
    """Look for the file that `pbx` calls `remote_path`. Blocks: call it in a thread."""
    if not settings.places:
        return OutOfReach("no_root", "no [recordings] roots are configured")
    if not remote_path or "\0" in remote_path:
        return OutOfReach("refused", f"not a file name: {remote_path!r}")
    try:
        seen = [_look_at(place, pbx, settings) for place in _places(pbx, remote_path, settings)]
    except OSError as error:  # a link that is changed while it is read
        return OutOfReach("denied", f"{remote_path} can't be followed: {error.strerror}")
    return _best(seen)


def _best(seen: list[Look]) -> Look:
    """What exists counts first, then what can't be known; absent is only what is absent everywhere."""
    for kind in (Present, OutOfReach):
        for each in seen:
            if isinstance(each, kind):
                return each
    absent = [each for each in seen if isinstance(each, Absent)]
    return next((each for each in absent if each.empty_root is not None), absent[0])


def possible(pbx: str, remote_path: str, settings: RecordingSettings) -> list[Path]:
    """Return the places where `look` would look, in the spelling of the configuration. Pure."""
    if not remote_path or "\0" in remote_path:
        return []
    return [Path(os.path.normpath(place)) for place in _places(pbx, remote_path, settings)]


def remote_name(place: Path, settings: RecordingSettings) -> tuple[str, str]:
    """Return (pbx, remote path) of a file found at `place`: the way back through the maps. Pure.

    The pbx is "" when no map says whose the file is.
    """
    for each in settings.maps:
        if place.is_relative_to(each.local):
            return each.asterisk, str(each.remote / place.relative_to(each.local))
    return "", str(place)


def _places(pbx: str, remote_path: str, settings: RecordingSettings) -> list[Path]:
    remote = formats.disk_name(Path(remote_path))
    maps = [each for each in settings.maps if each.asterisk == pbx]
    if not remote.is_absolute():
        return [place / remote for place in settings.places_of(pbx)]
    fitting = [each for each in maps if remote.is_relative_to(each.remote)]
    if not fitting:
        return [remote]
    longest = max(fitting, key=lambda each: len(each.remote.parts))
    return [longest.local / remote.relative_to(longest.remote)]


def _variants(place: Path) -> Iterator[Path]:
    """The name itself, then what a post-processing command (MIXMON_POST) may have made of it."""
    yield place
    for suffix in ("mp3", "ogg", "opus", "wav", "WAV", "gsm"):
        if place.suffix and place.suffix != f".{suffix}":
            yield place.with_suffix(f".{suffix}")


def _look_at(place: Path, pbx: str, settings: RecordingSettings) -> Look:
    root = _place_of(Path(os.path.realpath(place)), pbx, settings)
    if root is None:
        return OutOfReach("refused", f"{place} is outside the configured folders of {pbx or 'it'}")
    try:
        with os.scandir(root) as entries:
            is_empty = next(entries, None) is None
    except OSError as error:
        return OutOfReach("root", f"{root} can't be read: {error.strerror or error}")
    for name in _variants(place):
        found = _see(name, pbx, settings)
        if found is not None:
            return found
    return Absent(place, Path(os.path.realpath(root)) if is_empty else None)


def _place_of(real: Path, pbx: str, settings: RecordingSettings) -> Path | None:
    """Return the folder of `pbx` that holds `real`, None when there is none or a nearer one is another's."""
    holding = {
        place: len(home.parts)
        for place in settings.places
        if real.is_relative_to(home := Path(os.path.realpath(place)))
    }
    nearest = max(holding.values(), default=0)
    own = settings.places_of(pbx)
    return next((place for place in own if holding.get(place, -1) == nearest), None)


def _see(name: Path, pbx: str, settings: RecordingSettings) -> Present | OutOfReach | None:
    real = Path(os.path.realpath(name))
    place = _place_of(real, pbx, settings)
    if place is None:
        return OutOfReach("refused", f"{name} leads out of the configured folders")
    try:
        with jail.opened(real, (place,)) as file:
            status, closed = os.fstat(file.fileno()), wav.is_closed(file)
    except Refused:
        return OutOfReach("refused", f"{name} is no plain file inside the configured folders")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # permission, I/O error, stale mount, name too long
        return OutOfReach("denied", f"{name} can't be read: {error.strerror}")
    return Present(real, status.st_size, status.st_mtime, closed)


def digest(path: Path, places: Iterable[Path]) -> tuple[str, int]:
    """Return the SHA-256 and size of the file at `path`, one of `places`' (see `jail.opened`).

    Read in pieces, as far as the file is long at the beginning: one may grow for ever. Blocks.
    """
    with jail.opened(path, places) as file:
        size = left = os.fstat(file.fileno()).st_size
        whole = hashlib.sha256()
        while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
            whole.update(piece)
            left -= len(piece)
    return whole.hexdigest(), size
