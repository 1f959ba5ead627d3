"""Our side of the disk: where the copies of a recording lie, and what a killed worker left behind."""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from recordings.model import Recording
from store.processes import this_process

__all__ = ["clear_job", "clear_work", "drop_others", "job_prefix", "remove", "stem", "work_folder"]


def stem(recording: Recording) -> str:
    """Return `YYYY/MM/DD/<id>-<hash>`: the same for the same sound, however often it is converted."""
    day = recording.started_at or recording.stop_seen_at or recording.seen_at
    folder = f"{day:%Y/%m/%d}" if day else "undated"
    return f"{folder}/{recording.id}-{(recording.sha256 or '')[:12]}"


def work_folder(root: Path) -> Path:
    """Return the folder of this process's half-made files. The root may be shared by several hosts."""
    me = this_process()
    return root / "work" / f"{me.pid}-{_mark(me.host)}"


def clear_work(root: Path) -> None:
    """Remove half-made files of processes of this host that are gone, and of ours by that number. Blocks."""
    here = _mark(this_process().host)
    for folder in (root / "work").glob("*"):
        pid, _, host = folder.name.partition("-")
        if folder == work_folder(root) or (host in ("", here) and not _alive(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def job_prefix(recording: Recording) -> str:
    """Return how the folder of a conversion of `recording` begins, below `work_folder`."""
    return f"job-{recording.id}-"


def clear_job(root: Path, recording: Recording) -> None:
    """Remove the half-made files of a conversion that did not end by itself. Blocks."""
    for folder in work_folder(root).glob(f"{job_prefix(recording)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _mark(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:8]


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def drop_others(root: Path, recording: Recording, keep: set[str]) -> None:
    """Remove the copies that `recording` had before its file grew. Blocks."""
    had = (recording.audio_path, recording.peaks_path)
    remove(root, [old for old in had if old is not None and old not in keep])


def remove(root: Path, names: Iterable[str]) -> None:
    """Remove copies by their names below `root`. Blocks."""
    for name in names:
        (root / name).unlink(missing_ok=True)
