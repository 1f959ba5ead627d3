"""Sound work: the browser's copy and the peaks of the waveform, in one streaming pass.

ffmpeg decodes once and writes two streams: the browser's format to a file and plain PCM to a pipe,
which pydub measures in pieces of 100 ms. Neither holds more than a piece, however long the call was.
`convert` blocks and is meant for a worker process; this is the only file that imports pydub.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import warnings
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import imageio_ffmpeg

from recordings import formats, wav
from recordings.errors import BrokenAudio, ConversionFailed, FfmpegMissing
from recordings.settings import AudioFormat

with warnings.catch_warnings():
    # pydub warns that no ffmpeg is on PATH (it never runs one here) and that audioop will go.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

__all__ = ["Converted", "Job", "Peaks", "convert", "find_ffmpeg", "measure", "warm"]

PCM_RATE = 8000
PEAK_SCALE = 255
_CHUNK_MS = 100
_CHUNK_BYTES = PCM_RATE * 2 * _CHUNK_MS // 1000
_MOST_PEAKS = 36_000  # an hour at ten a second; longer calls get coarser, not bigger
_INPUT_LINE = re.compile(r"Stream #0:0.*?: Audio: (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Read `source`, write `audio` and `peaks`; half-made files stay in `work`, which is private."""

    source: Path
    audio: Path
    peaks: Path
    work: Path
    format: AudioFormat
    limit_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """`duration_s` is the sound ffmpeg decoded; `codec` what it found in the file."""

    duration_s: float
    codec: str
    audio_bytes: int
    repaired: bool


def find_ffmpeg() -> str:
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


def warm() -> str:
    """Do nothing but be imported, so that the first recording needn't wait; return the ffmpeg found."""
    return find_ffmpeg()


class Peaks:
    """The loudest sample of each piece, 0–255, at most 36,000 of them.

    When they would be more, neighbours are merged and `rate` (peaks a second) halves.
    """

    def __init__(self, *, most: int = _MOST_PEAKS) -> None:
        self.values = array("B")
        self._most = most
        self._merge = 1
        self._pending = 0
        self._loudest = 0

    @property
    def rate(self) -> float:
        return 1000 / _CHUNK_MS / self._merge

    def add(self, amplitude: int) -> None:
        """Take the loudest amplitude (0–32768) of the next piece."""
        self._loudest = max(self._loudest, amplitude)
        self._pending += 1
        if self._pending == self._merge:
            self._close()

    def finish(self) -> None:
        if self._pending:
            self._close()

    def to_json(self) -> str:
        body = {"rate": self.rate, "scale": PEAK_SCALE, "peaks": self.values.tolist()}
        return json.dumps(body, separators=(",", ":"))

    def _close(self) -> None:
        self.values.append(min(PEAK_SCALE, self._loudest * PEAK_SCALE // 32_767))
        self._pending = self._loudest = 0
        if len(self.values) == self._most:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.values = array("B", map(max, pairs))
            self._merge *= 2


def measure(pcm: IO[bytes]) -> tuple[Peaks, int]:
    """Return the peaks of 16-bit mono PCM at 8 kHz and the number of samples; constant memory."""
    peaks, samples = Peaks(), 0
    while chunk := pcm.read(_CHUNK_BYTES):
        whole = chunk[: len(chunk) // 2 * 2]
        segment = AudioSegment(data=whole, sample_width=2, frame_rate=PCM_RATE, channels=1)
        peaks.add(segment.max)
        samples += len(whole) // 2
    peaks.finish()
    return peaks, samples


def convert(job: Job) -> Converted:
    """Make the browser's copy and the peaks of `job.source`; both appear whole or not at all.

    Raises:
        BrokenAudio: `empty`, `unknown_format` or `not_audio`: the file itself is the reason.
        ConversionFailed: `too_slow`, `disk_full`; FfmpegMissing: `no_ffmpeg`.
        OSError: a folder can't be read or written, or the source is gone.
    """
    input_options = _input_options(job.source)
    job.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=job.work, prefix="job-") as folder:
        source, repaired = _mended(job.source, Path(folder))
        audio, peaks_file = Path(folder, "audio"), Path(folder, "peaks")
        command = _command(input_options, source, audio, job.format)
        peaks, samples, codec = _run(command, job.limit_s)
        if samples == 0:
            raise BrokenAudio("empty", "the file holds no sound")
        peaks_file.write_text(peaks.to_json())
        size = audio.stat().st_size
        _publish(peaks_file, job.peaks)
        _publish(audio, job.audio)
    return Converted(
        duration_s=samples / PCM_RATE, codec=codec, audio_bytes=size, repaired=repaired
    )


def _input_options(source: Path) -> tuple[str, ...]:
    options = formats.demuxer(source)
    if options is None:
        raise BrokenAudio("unknown_format", f"no recording format is called {source.suffix!r}")
    if source.stat().st_size == 0:
        raise BrokenAudio("empty", "the file is empty (0 bytes)")
    if source.suffix == ".gsm" and not _begins_as_gsm(source):
        raise BrokenAudio("not_audio", "no GSM frame at its beginning")
    return options


def _begins_as_gsm(source: Path) -> bool:
    """ffmpeg would decode any bytes as GSM; each frame begins with the half-byte D."""
    with open(source, "rb") as file:
        return file.read(1)[0] >> 4 == 0xD


def _mended(source: Path, folder: Path) -> tuple[Path, bool]:
    """Return the file to read: `source`, or a copy of it with a header that fits."""
    if wav.is_closed(source):
        return source, False
    copy = folder / f"mended{source.suffix}"
    wav.repair(source, copy)
    return copy, True


def _command(
    input_options: tuple[str, ...], source: Path, audio: Path, audio_format: AudioFormat
) -> list[str]:
    quiet = ["-y", "-nostdin", "-hide_banner", "-nostats", "-loglevel", "info"]
    # The names of callers, should a recorder have put them there, stay out of the copy.
    copy = ["-map", "0:a:0", "-map_metadata", "-1", *formats.ENCODERS[audio_format]]
    pcm = ["-map", "0:a:0", "-ac", "1", "-ar", str(PCM_RATE), "-f", "s16le"]
    read = ["-protocol_whitelist", "file", *input_options, "-i", f"file:{source}"]
    return [find_ffmpeg(), *quiet, *read, *copy, f"file:{audio}", *pcm, "pipe:1"]


def _run(command: list[str], limit_s: float) -> tuple[Peaks, int, str]:
    with _ffmpeg(command, limit_s) as run:
        peaks, samples = measure(run.pcm)
        failed = run.process.wait() != 0
    if run.late.is_set():
        raise ConversionFailed("too_slow", f"ffmpeg was stopped after {limit_s:g} s")
    if failed:
        raise _failure(run.last)
    return peaks, samples, run.codec


class _Run:
    """One ffmpeg, and what it says on stderr: the codec it found and its last lines.

    stderr is read all the time (a broken file makes millions of lines) and only the end is kept.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self.process = process
        self.pcm = process.stdout
        self.codec = ""
        self.last: deque[str] = deque(maxlen=12)
        self.late = threading.Event()

    def listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.decode("utf-8", "replace").strip()
            found = None if self.codec else _INPUT_LINE.search(text)
            if found:
                self.codec = found[1]
            self.last.append(text[:300])

    def stop_late(self) -> None:
        self.late.set()
        self.process.kill()


@contextmanager
def _ffmpeg(command: list[str], limit_s: float) -> Iterator[_Run]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        run = _Run(process)
        listener = threading.Thread(target=run.listen, daemon=True)
        timer = threading.Timer(limit_s, run.stop_late)
        listener.start()
        timer.start()
        try:
            yield run
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
            listener.join()


def _failure(lines: deque[str]) -> BrokenAudio | ConversionFailed:
    text = " · ".join(lines)
    if "No space left" in text:
        return ConversionFailed("disk_full", "no space for the browser's copy")
    why = next((line for line in lines if "rror" in line or "nvalid" in line), "no sound in it")
    return BrokenAudio("not_audio", f"ffmpeg can't read it: {why.rpartition(': ')[2]}")


def _publish(made: Path, final: Path) -> None:
    """Move `made` to `final` so that it survives a power cut: contents first, then the name."""
    final.parent.mkdir(parents=True, exist_ok=True)
    with open(made, "rb") as file:
        os.fsync(file.fileno())
    os.replace(made, final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
