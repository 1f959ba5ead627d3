"""This machine: folders, free space, who may read what is secret, and the menu as configured."""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy.engine import make_url

from ivr.menu import CantRender
from press3.config import exposure
from press3.config.settings import Settings
from press3.doctor.findings import Finding, fail, ok, warn
from press3.menu_files import menu_of, queue_remark

__all__ = ["findings"]

_ENOUGH_BYTES = 1 << 30
_TOO_LITTLE_BYTES = 64 << 20  # a few hours of recordings, or the next growth of the database


def findings(settings: Settings, file: Path | None) -> Iterator[Finding]:
    yield _data_dir(settings.service.data_dir)
    yield from _secrets(settings, file)
    yield _menu(settings)
    for root in settings.recordings.roots:
        yield _readable(root)
    yield from _exposure(settings)
    yield from _space(settings)


def _exposure(settings: Settings) -> Iterator[Finding]:
    found = [warn(what, remedy) for what, remedy in exposure.remarks(settings)]
    yield from found or [ok("nothing is open to the network without TLS")]


def _data_dir(folder: Path) -> Finding:
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return fail(
            f"data_dir {folder} is no writable folder", "create it for press3's user, mode 0700"
        )
    return ok(f"data_dir {folder}: writable")


def _space(settings: Settings) -> Iterator[Finding]:
    """Each file system once: where press3 writes, and where the PBX does when that is here."""
    seen = set()
    for folder in (settings.service.data_dir, *_database_folder(settings), *_places(settings)):
        if folder.is_dir() and (device := folder.stat().st_dev) not in seen:
            seen.add(device)
            yield _free(folder)


def _free(folder: Path) -> Finding:
    left = shutil.disk_usage(folder).free
    said = f"{left >> 20} MiB free in {folder}"
    if left < _TOO_LITTLE_BYTES:
        return fail(
            f"only {said}: a full disk stops the database, and AstDB and recordings in silence",
            "free some now",
        )
    if left < _ENOUGH_BYTES:
        return warn(f"only {said}", "free some before it is full")
    return ok(said)


def _database_folder(settings: Settings) -> Iterable[Path]:
    url = make_url(settings.database_url)
    is_file = url.drivername.startswith("sqlite") and url.database
    return (Path(url.database or "").parent,) if is_file else ()


def _places(settings: Settings) -> Iterable[Path]:
    chosen = settings.recordings
    return (*chosen.roots, *(each.local for each in chosen.map))


def _secrets(settings: Settings, file: Path | None) -> Iterator[Finding]:
    """Secrets and callers' names are nobody else's. A file with the AMI secret is refused by `load`."""
    kept = [settings.service.data_dir, *_database_files(settings)]
    kept += [pbx.secret_file for pbx in settings.asterisk if pbx.secret_file]
    if file is not None and any(pbx.secret for pbx in settings.asterisk):
        kept.append(file)
    open_to_others = [path for path in kept if path.exists() and path.stat().st_mode & 0o077]
    # a database inside a closed folder can't be reached by others, whatever its own mode
    closed = settings.service.data_dir not in open_to_others
    inside = settings.service.data_dir.absolute()
    bare = [p for p in open_to_others if not (closed and inside in p.absolute().parents)]
    for path in bare:
        yield warn(
            f"{path} may be read by other users of this machine (mode {path.stat().st_mode & 0o777:o})",
            f"run: chmod {'700' if path.is_dir() else '600'} {path}",
        )
    if not bare:
        yield ok("secrets and data are closed to other users")


def _database_files(settings: Settings) -> Iterable[Path]:
    url = make_url(settings.database_url)
    is_file = url.drivername.startswith("sqlite") and url.database
    return (Path(url.database or ""),) if is_file else ()


def _menu(settings: Settings) -> Finding:
    try:
        menu = menu_of(settings)
    except CantRender as error:
        return fail(f"[ivr] {error}", "correct it, then render again")
    if (remark := queue_remark(settings)) is not None:
        return warn(*remark)
    return ok(f"menu {menu.name}, queue {menu.queue_name}, as configured")


def _readable(root: Path) -> Finding:
    if not root.is_dir():
        return fail(
            f"recording folder {root} is not there", "mount it, or correct [recordings] roots"
        )
    if not os.access(root, os.R_OK | os.X_OK):
        return fail(
            f"recording folder {root} can't be read", "add press3's user to the group asterisk"
        )
    return ok(f"recording folder {root} can be read")
