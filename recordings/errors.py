"""What can go wrong with a recording, by whose fault it is."""

from typing import Literal

__all__ = [
    "BrokenAudio",
    "Code",
    "ConversionFailed",
    "FfmpegMissing",
    "RecordingError",
    "Refused",
    "WorkerDied",
]

# Every code that `Recording.error` may begin with. The screen has a sentence for each, in each language.
Code = Literal[
    "absent", "bad_header", "denied", "disk", "disk_full", "empty", "given_up", "growing", "never_answered",
    "no_call", "no_ffmpeg", "no_root", "not_audio", "overwritten", "preparing", "refused", "root",
    "too_heavy", "too_long", "too_slow", "unknown_format", "vanished", "worker_died",
]  # fmt: skip


class RecordingError(Exception):
    """`code` is for programs and translations; `detail` is for people.

    Both are positional, so that the error survives the way back from a worker process.
    """

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class BrokenAudio(RecordingError):
    """The file's fault: trying again helps only if the file changes."""


class ConversionFailed(RecordingError):
    """Our fault or the machine's (disk full, too slow): try again later."""


class Refused(ConversionFailed):
    """The file may not be opened: it is not its PBX's, or no plain file."""


class FfmpegMissing(ConversionFailed):
    """Neither PATH nor the imageio-ffmpeg wheel has an ffmpeg."""


class WorkerDied(ConversionFailed):
    """The worker process was killed while it converted; a new one takes its place."""
