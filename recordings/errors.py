"""What can go wrong with a recording, by whose fault it is."""

__all__ = ["BrokenAudio", "ConversionFailed", "FfmpegMissing", "RecordingError", "WorkerDied"]


class RecordingError(Exception):
    """`code` is stable, for programs and translations; `detail` is for people.

    Both are positional, so that the error survives the way back from a worker process.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


class BrokenAudio(RecordingError):
    """The file's fault: trying again helps only if the file changes."""


class ConversionFailed(RecordingError):
    """Our fault or the machine's (disk full, too slow): try again later."""


class FfmpegMissing(ConversionFailed):
    """Neither PATH nor the imageio-ffmpeg wheel has an ffmpeg."""


class WorkerDied(ConversionFailed):
    """The worker process was killed while it converted; a new one takes its place."""
