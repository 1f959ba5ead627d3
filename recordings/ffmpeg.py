"""One run of ffmpeg: fed through a pipe, measured through another, bounded in all it uses.

ffmpeg opens no file but the one it writes: whatever the sound claims to be, it can read nothing else.
"""

import errno
import os
import re
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import imageio_ffmpeg

from recordings import limits
from recordings.errors import BrokenAudio, ConversionFailed, FfmpegMissing, RecordingError
from recordings.limits import Limits
from recordings.source import Source

__all__ = ["Run", "find", "running"]

_INPUT_LINE = re.compile(r"Stream #0:0.*?: Audio: (\w+)")
_PIECE_BYTES = 1024 * 1024
_THREAD_END_S = 5.0
_CRASHES = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS})


def find() -> str:
    """Return the ffmpeg to run: the one on PATH, else the wheel's.

    Raises:
        FfmpegMissing: there is neither.
    """
    on_path = shutil.which("ffmpeg")
    if on_path:
        return on_path
    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise FfmpegMissing("no_ffmpeg", "neither PATH nor imageio-ffmpeg has an ffmpeg") from error


class Run:
    """One ffmpeg, what goes into it, and what it says on stderr: the codec found and its last lines.

    stderr is read all the time (a broken file makes millions of lines) and only the end is kept.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", source: Source, limits_: Limits) -> None:
        assert process.stdout is not None
        self.pcm = process.stdout
        self.codec = ""
        self._process = process
        self._source = source
        self._limits = limits_
        self._last: deque[str] = deque(maxlen=12)
        self._late = threading.Event()
        self._unreadable: OSError | None = None

    def finish(self) -> None:
        """Wait for the end. Call it when `pcm` is at its end.

        Raises:
            BrokenAudio: `not_audio`, `too_long` or `too_heavy`.
            ConversionFailed: `too_slow`, `disk_full` or `worker_died`.
            OSError: the source could not be read to its end.
        """
        code = self._process.wait()
        if self._late.is_set():
            raise ConversionFailed(
                "too_slow", f"ffmpeg was stopped after {self._limits.wall_s:g} s"
            )
        if self._unreadable is not None:
            raise self._unreadable
        if code != 0:
            raise self._failure(code)

    def _failure(self, code: int) -> RecordingError:
        text = " · ".join(self._last)
        if "No space left" in text:
            return ConversionFailed("disk_full", "no space for the browser's copy")
        if "Cannot allocate memory" in text:
            return BrokenAudio("too_heavy", "ffmpeg would need more memory than it may have")
        if f"received signal {int(signal.SIGXCPU)}" in text or code == -signal.SIGXCPU:
            return ConversionFailed("too_slow", f"{self._limits.cpu_s} s of CPU were not enough")
        if code == -signal.SIGXFSZ or "File too large" in text:
            return BrokenAudio("too_long", "more sound than a file of this size can be")
        if -code in _CRASHES:  # a decoder that did not look whether it got its memory
            return BrokenAudio("too_heavy", f"ffmpeg crashed of it (signal {-code})")
        if code < 0:
            return ConversionFailed("worker_died", f"ffmpeg was ended by signal {-code}")
        why = next(
            (line for line in self._last if "rror" in line or "nvalid" in line), "no sound in it"
        )
        return BrokenAudio("not_audio", f"ffmpeg can't read it: {why.rpartition(': ')[2]}")

    def listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            text = line.decode("utf-8", "replace").strip()
            found = None if self.codec else _INPUT_LINE.search(text)
            if found:
                self.codec = found[1]
            self._last.append(text[:300])

    def feed(self) -> None:
        """Write the source to ffmpeg, as far as it was long when it was opened."""
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                pipe.write(self._source.head)
                pipe.flush()
                self._splice(pipe.fileno())
        except BrokenPipeError:
            pass  # ffmpeg has ended, and `finish` says why
        except OSError as error:
            self._unreadable = error
            self._process.kill()

    def _splice(self, pipe: int) -> None:
        """Let the kernel move the bytes: none of them passes through this process."""
        at, end, file = self._source.begin, self._source.end, self._source.file.fileno()
        while at < end:
            try:
                moved = os.splice(file, pipe, min(end - at, _PIECE_BYTES), offset_src=at)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                moved = _copy(file, at, pipe, min(end - at, _PIECE_BYTES))
            if moved == 0:
                return  # the file was cut meanwhile
            at += moved

    def stop_late(self) -> None:
        self._late.set()
        self._process.kill()


def _copy(file: int, at: int, pipe: int, most: int) -> int:
    """Move bytes as `os.splice` does, where the file system has no such way (some of FUSE)."""
    return os.write(pipe, piece) if (piece := os.pread(file, most, at)) else 0


@contextmanager
def running(command: list[str], source: Source, bounds: Limits) -> Iterator[Run]:
    """Run `command`, which reads `pipe:0` and writes PCM to `pipe:1`, within `bounds`; killed at the exit."""
    pipe = subprocess.PIPE
    environment = {**os.environ, **limits.ENVIRONMENT}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    ) as process:
        limits.bind(process.pid, bounds)
        run = Run(process, source, bounds)
        threads = [threading.Thread(target=each, daemon=True) for each in (run.listen, run.feed)]
        timer = threading.Timer(bounds.wall_s, run.stop_late)
        for each in (*threads, timer):
            each.start()
        try:
            yield run
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
            for each in threads:
                each.join(_THREAD_END_S)  # one that waits for a dead network folder is left behind
            with suppress(OSError):
                process.stdin.close() if process.stdin else None
