"""Our side of the disk: where the copies of a recording lie, and what a killed worker left behind."""

import os
import shutil
from pathlib import Path

from recordings.model import Recording

__all__ = ["clear_work", "drop_others", "stem", "work_folder"]


def stem(recording: Recording) -> str:
    """Return `YYYY/MM/DD/<id>-<hash>`: the same for the same sound, however often it is converted."""
    day = recording.started_at or recording.stop_seen_at or recording.seen_at
    folder = f"{day:%Y/%m/%d}" if day else "undated"
    return f"{folder}/{recording.id}-{(recording.sha256 or '')[:12]}"


def work_folder(root: Path) -> Path:
    """Return the folder of this process's half-made files."""
    return root / "work" / str(os.getpid())


def clear_work(root: Path) -> None:
    """Remove half-made files of processes that are gone, and of an earlier one with our number. Blocks."""
    for folder in (root / "work").glob("*"):
        if folder == work_folder(root) or not _alive(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


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
    for old in (recording.audio_path, recording.peaks_path):
        if old is not None and old not in keep:
            (root / old).unlink(missing_ok=True)
