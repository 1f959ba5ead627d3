"""Recordings: peaks and the browser's format, beside ffmpeg alone and pydub on the whole file.

Run `python bench/audio.py [--quick]`. Each measurement is a fresh process; time is taken inside it, so
that imports don't count; memory is its own peak (VmHWM) and, apart, that of the ffmpeg it started.
Contenders take turns, so that a noisy minute of the machine hits all of them.
"""

import argparse
import array
import json
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path

RATE = 8000


def make_call(path: Path, seconds: int) -> Path:
    """Write `seconds` of something like speech: bursts of noise with pauses."""
    chance = random.Random(3)
    noise = array.array("h", (int(chance.gauss(0, 3000)) for _ in range(RATE * 7)))
    pauses = array.array("h", bytes(RATE * 2 * 3))
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        piece = (noise + pauses).tobytes()
        for _ in range(seconds // 10):
            out.writeframes(piece)
    return path


def ours(source: Path) -> None:
    from recordings.audio import Job, convert

    out = source.parent / "ours"
    convert(
        Job(
            source=source,
            audio=out / "a.mp3",
            peaks=out / "a.json",
            work=out,
            format="mp3",
            limit_s=600,
        )
    )


def ffmpeg_alone(source: Path) -> None:
    from recordings.audio import find_ffmpeg
    from recordings.formats import ENCODERS

    target = source.with_suffix(".mp3")
    command = [find_ffmpeg(), "-y", "-nostdin", "-v", "error", "-i", str(source)]
    subprocess.run([*command, *ENCODERS["mp3"], str(target)], check=True)


def pydub_whole(source: Path) -> None:
    from pydub import AudioSegment

    from recordings.audio import find_ffmpeg

    AudioSegment.converter = find_ffmpeg()
    whole = AudioSegment.from_wav(str(source))
    json.dumps([piece.max for piece in whole[::100]])
    whole.export(
        source.with_suffix(".pydub.mp3"), format="mp3", bitrate="32k", parameters=["-ar", "16000"]
    )


def peaks_ours(source: Path) -> None:
    from recordings.audio import measure

    with open(source, "rb") as file:
        file.seek(44)
        measure(file)[0].to_json()


def peaks_pydub_samples(source: Path) -> None:
    """The way most waveform recipes go, and the one in MEASURES (two copies of the sound: 116 MB)."""
    from pydub import AudioSegment

    samples = AudioSegment.from_wav(str(source)).get_array_of_samples()
    pieces = (samples[at : at + RATE // 10] for at in range(0, len(samples), RATE // 10))
    json.dumps([_loudest(max(piece), min(piece)) for piece in pieces])


def _loudest(high: int, low: int) -> int:
    return max(high, -low)


def peaks_pydub_slices(source: Path) -> None:
    from pydub import AudioSegment

    whole = AudioSegment.from_wav(str(source))
    json.dumps([piece.max for piece in whole[::100]])


CONTENDERS: dict[str, Callable[[Path], None]] = {
    "press3: MP3 and peaks": ours,
    "ffmpeg alone: MP3": ffmpeg_alone,
    "pydub, whole file: MP3 and peaks": pydub_whole,
    "press3: peaks from PCM": peaks_ours,
    "pydub, whole file: peaks from its samples": peaks_pydub_samples,
    "pydub, whole file: peaks from its slices": peaks_pydub_slices,
}


def one(name: str, source: Path) -> None:
    """Run one contender in this process and print what it took."""
    import recordings.audio  # noqa: F401  also silences pydub's warnings

    began, cpu = time.perf_counter(), _cpu_s()
    CONTENDERS[name](source)
    took_s, cpu_s = time.perf_counter() - began, _cpu_s() - cpu
    status = Path("/proc/self/status").read_text()
    memory_kb = int((re.search(r"VmHWM:\s+(\d+)", status) or [0, 0])[1])
    child_kb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps([took_s, cpu_s, memory_kb / 1024, child_kb / 1024]))


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _measure(name: str, source: Path) -> list[float]:
    command = [sys.executable, __file__, "--one", name, str(source)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    figures: list[float] = json.loads(said.stdout)
    return figures


def table(title: str, source: Path, runs: int) -> dict[str, tuple[float, float]]:
    """Print the figures of every contender; return its median wall and CPU time."""
    taken: dict[str, list[list[float]]] = {name: [] for name in CONTENDERS}
    for _ in range(runs):
        for name in CONTENDERS:
            taken[name].append(_measure(name, source))
    print(f"\n| {title}, {runs} runs | min s | median s | max s | CPU s | memory MB | ffmpeg MB |")
    print("|---|---|---|---|---|---|---|")
    medians = {}
    for name, rows in taken.items():
        wall, cpu, memory, child = zip(*rows, strict=True)
        medians[name] = statistics.median(wall), statistics.median(cpu)
        spread = f"{min(wall):.3f} | {statistics.median(wall):.3f} | {max(wall):.3f}"
        used = f"{statistics.median(cpu):.3f} | {max(memory):.0f} | {max(child):.0f}"
        print(f"| {name} | {spread} | {used} |", flush=True)
    return medians


def _verdict(medians: dict[str, tuple[float, float]]) -> None:
    both, alone, _, peaks, samples, slices = medians.values()
    for what, at in (("wall", 0), ("CPU", 1)):
        print(
            f"\n{what}: browser format and peaks ÷ ffmpeg alone {both[at] / alone[at]:.3f} (target ≤ 1.02)"
        )
        print(f"{what}: pydub's samples ÷ our peaks {samples[at] / peaks[at]:.1f} (target ≥ 5), "
              f"pydub's slices ÷ our peaks {slices[at] / peaks[at]:.1f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute and five minutes, one run")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one[0], Path(arguments.one[1]))
        return
    runs, longest_s = (1, 300) if arguments.quick else (5, 3600)
    with tempfile.TemporaryDirectory() as folder:
        for title, seconds in (("one minute", 60), (f"{longest_s // 60} minutes", longest_s)):
            _verdict(table(title, make_call(Path(folder, f"{seconds}.wav"), seconds), runs))


if __name__ == "__main__":
    main()
