"""The browser's copy and the peaks, of every format a PBX writes and of files that are broken."""

import array
import errno
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from recordings import audio, ffmpeg, limits
from recordings.audio import Converted, Job, Peaks, convert, measure
from recordings.errors import BrokenAudio, ConversionFailed, RecordingError
from recordings.settings import AudioFormat
from tests.recordings.sounds import unclosed, write_gsm, write_ulaw, write_wav, write_wav49


def job(source: Path, audio_format: AudioFormat = "mp3", limit_s: float = 60) -> Job:
    folder = source.parent / "ours"
    return Job(
        source=source,
        audio=folder / f"a.{audio_format}",
        peaks=folder / "a.peaks.json",
        work=folder / "work",
        format=audio_format,
        limit_s=limit_s,
    )


def decoded_s(path: Path) -> float:
    """Return how long the sound is that ffmpeg decodes from `path`."""
    command = [audio.find_ffmpeg(), "-v", "error", "-i", path, "-ac", "1", "-ar", "8000"]
    pcm = subprocess.run([*command, "-f", "s16le", "pipe:1"], capture_output=True, check=True)
    return len(pcm.stdout) / 16_000


def test_mp3_has_the_length_of_the_call_and_a_seek_header(tmp_path: Path) -> None:
    work = job(write_wav(tmp_path / "a.wav", 5))
    done = convert(work)
    assert (done.duration_s, done.codec, done.repaired) == (5.0, "pcm_s16le", False)
    assert decoded_s(work.audio) == pytest.approx(5, abs=0.1)
    head = work.audio.read_bytes()
    assert len(head) == done.audio_bytes
    # Constant bit rate with a count of frames: the player knows the length.
    assert b"Info" in head[:300]


def test_opus_in_ogg(tmp_path: Path) -> None:
    work = job(write_wav(tmp_path / "a.wav", 2), "opus")
    convert(work)
    assert work.audio.read_bytes()[:4] == b"OggS"
    assert decoded_s(work.audio) == pytest.approx(2, abs=0.1)


def test_peaks_show_where_the_sound_is(tmp_path: Path) -> None:
    quiet, loud = write_wav(tmp_path / "q.wav", 1, loud=0), write_wav(tmp_path / "l.wav", 1, loud=1)
    both = tmp_path / "a.sln"
    both.write_bytes(quiet.read_bytes()[44:] + loud.read_bytes()[44:])
    work = job(both)
    convert(work)
    peaks = json.loads(work.peaks.read_text())
    assert (peaks["rate"], peaks["scale"], len(peaks["peaks"])) == (10, 255, 20)
    assert peaks["peaks"][:10] == [0] * 10
    assert min(peaks["peaks"][10:]) >= 250


@pytest.mark.parametrize(
    ("name", "write", "codec"),
    [
        ("a.gsm", write_gsm, "gsm"),
        ("a.WAV", write_wav49, "gsm_ms"),
        ("a.ulaw", write_ulaw, "pcm_mulaw"),
        ("a.alaw", write_ulaw, "pcm_alaw"),
    ],
)
def test_formats_of_the_pbx(tmp_path: Path, name: str, write: object, codec: str) -> None:
    path = tmp_path / name
    write(path, 2.0)  # type: ignore[operator]
    done = convert(job(path))
    assert (done.duration_s, done.codec) == (pytest.approx(2, abs=0.05), codec)


@pytest.mark.parametrize(
    ("name", "encoder", "codec"),
    [
        ("a.wav", "pcm_u8", "pcm_u8"),
        ("a.wav", "pcm_s24le", "pcm_s24le"),  # WAVE_FORMAT_EXTENSIBLE
        ("a.wav", "pcm_f32le", "pcm_f32le"),
        ("a.wav", "pcm_alaw", "pcm_alaw"),
        ("a.wav", "pcm_mulaw", "pcm_mulaw"),
        ("a.g722", "g722", "adpcm_g722"),
        ("a.mp3", "libmp3lame", "mp3"),
        ("a.ogg", "libvorbis", "vorbis"),
        ("a.opus", "libopus", "opus"),
        ("a.ogg", "flac", "flac"),
    ],
)
def test_formats_that_a_post_command_makes(
    tmp_path: Path, name: str, encoder: str, codec: str
) -> None:
    path = tmp_path / name
    command = [audio.find_ffmpeg(), "-v", "error", "-i", write_wav(tmp_path / "true.wav", 2)]
    kind = ["-f", "ogg"] if path.suffix in (".ogg", ".opus") else []
    rate = ["-ar", "16000"] if encoder in ("g722", "libopus") else []
    subprocess.run([*command, "-c:a", encoder, *rate, *kind, path], check=True)
    done = convert(job(path))
    assert (done.duration_s, done.codec) == (pytest.approx(2, abs=0.1), codec)
    assert not done.repaired


def test_a_file_system_that_cannot_splice_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(ffmpeg.os, "splice", refused)
    assert convert(job(write_wav(tmp_path / "a.wav", 30))).duration_s == 30


def test_an_ffmpeg_that_is_killed_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind = limits.bind

    def and_kill(pid: int, bounds: limits.Limits) -> None:
        bind(pid, bounds)
        os.kill(pid, signal.SIGKILL)

    monkeypatch.setattr(limits, "bind", and_kill)
    with pytest.raises(ConversionFailed) as raised:
        convert(job(write_wav(tmp_path / "a.wav", 60)))
    assert raised.value.code == "worker_died"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"cpu_s": 0}, "too_slow"),
        ({"memory_bytes": 64 * 1024 * 1024}, "too_heavy"),
        ({"file_bytes": 10_000}, "too_long"),
    ],
)
def test_ffmpeg_ends_at_each_of_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, int], code: str
) -> None:
    usual = limits.for_sound
    monkeypatch.setattr(audio, "for_sound", lambda *a: replace(usual(*a), **changed))
    with pytest.raises(RecordingError) as raised:
        convert(job(write_wav(tmp_path / "a.wav", 1200)))
    assert raised.value.code == code


def test_wideband_and_long_names(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "-i %d 'quote' имя.wav", 1, rate=16_000)
    assert convert(job(path)).duration_s == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("write", [write_wav, write_wav49])
def test_a_recording_of_a_killed_pbx_is_repaired_in_a_copy(tmp_path: Path, write: object) -> None:
    path = tmp_path / "a.WAV"
    write(path, 4.0)  # type: ignore[operator]
    before = unclosed(path).read_bytes()
    done = convert(job(path))
    assert done.repaired
    assert done.duration_s == pytest.approx(4, abs=0.05)
    assert path.read_bytes() == before


def test_a_cut_recording_plays_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 4)
    path.write_bytes(path.read_bytes()[: 44 + 2 * 16_000 + 1])
    assert convert(job(path)).duration_s == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.wav", b"", "empty"),
        ("a.wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\0\0\0\0", "empty"),
        ("a.wav", b"this is a text and not a recording at all " * 100, "not_audio"),
        ("a.gsm", b"nothing of the kind " * 100, "not_audio"),
        ("a.mp3", b"\0" * 5000, "not_audio"),
        ("a.txt", b"hello", "unknown_format"),
    ],
)  # fmt: skip
def test_broken_files_say_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    work = job(path)
    with pytest.raises(BrokenAudio) as raised:
        convert(work)
    assert raised.value.code == code
    assert str(tmp_path) not in raised.value.detail
    assert not work.audio.exists()
    assert not work.peaks.exists()
    assert list(work.work.glob("*")) == []


def test_a_playlist_in_disguise_opens_nothing(tmp_path: Path) -> None:
    secret = write_wav(tmp_path / "secret.wav", 1)
    path = tmp_path / "a.wav"
    path.write_text(f"ffconcat version 1.0\nfile {secret}\n")
    with pytest.raises(BrokenAudio):
        convert(job(path))


def test_a_vanished_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        convert(job(tmp_path / "gone.wav"))


def test_a_conversion_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(ConversionFailed) as raised:
        convert(job(write_wav(tmp_path / "a.wav", 60), limit_s=0.0001))
    assert raised.value.code == "too_slow"


def test_a_full_disk_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = job(write_wav(tmp_path / "a.wav", 5))
    command = audio._command

    def to_a_full_disk(*args: object) -> list[str]:
        return [a if not a.endswith("/audio") else "file:/dev/full" for a in command(*args)]  # type: ignore[arg-type]

    monkeypatch.setattr(audio, "_command", to_a_full_disk)
    with pytest.raises(ConversionFailed) as raised:
        convert(work)
    assert raised.value.code == "disk_full"


def test_long_calls_get_coarser_peaks_and_not_more_of_them() -> None:
    peaks = Peaks(most=8)
    for at in range(20):
        peaks.add(32_767 if at == 13 else 0)
    peaks.finish()
    assert peaks.rate == 2.5
    assert peaks.values.tolist() == [0, 0, 0, 255, 0]


def test_measuring_counts_samples_and_the_rest_of_a_chunk() -> None:
    pcm = array.array("h", [0] * 800 + [-32_768] * 100).tobytes()
    peaks, samples = measure(io.BytesIO(pcm + b"\x7f"))
    assert (samples, peaks.values.tolist()) == (900, [0, 255])


# VmHWM, not ru_maxrss: that one begins with the memory of the process that forked us.
_RSS = """
import re, resource, sys
from pathlib import Path
from recordings.audio import Job, convert
source = Path(sys.argv[1])
out = source.parent / "out"
job = Job(source=source, audio=out / "a", peaks=out / "p", work=out, format="mp3", limit_s=300)
print(convert(job).duration_s)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def _memory_kb(source: Path) -> tuple[float, int, int]:
    said = subprocess.run(
        [sys.executable, "-c", _RSS, str(source)], capture_output=True, text=True, check=True
    )
    duration_s, worker, ffmpeg = said.stdout.split()
    return float(duration_s), int(worker), int(ffmpeg)


def test_memory_does_not_grow_with_the_call(tmp_path: Path) -> None:
    short = write_wav(tmp_path / "short.wav", 1)
    long = tmp_path / "long.sln"
    with open(long, "wb") as file:
        file.truncate(20 * 60 * 16_000)  # twenty minutes of silence: 19 MB, sparse
    _, worker_short, ffmpeg_short = _memory_kb(short)
    duration_s, worker_long, ffmpeg_long = _memory_kb(long)
    assert duration_s == 1200
    assert worker_long - worker_short < 4_000
    assert ffmpeg_long - ffmpeg_short < 8_000


def test_what_a_worker_returns_can_travel() -> None:
    import pickle

    for value in (
        BrokenAudio("empty", "x"),
        Converted(duration_s=1, codec="x", audio_bytes=1, repaired=False),
    ):
        again = pickle.loads(pickle.dumps(value))
        assert str(again) == str(value)
