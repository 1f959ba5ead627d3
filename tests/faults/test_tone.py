"""The ear of the experiments: it hears the tone, and nothing that is none."""

import array
import math
import random
import wave
from pathlib import Path

from tests.faults.tone import ACCEPTED_HZ, hears, write_tone


def test_it_hears_its_tone_and_no_other(tmp_path: Path) -> None:
    for hz, heard in ((ACCEPTED_HZ, True), (425, False), (1633, False), (ACCEPTED_HZ + 60, False)):
        write_tone(tmp_path / "tone.wav", hz=hz)
        assert hears(tmp_path / "tone.wav") is heard, hz


def test_a_moment_of_it_is_not_heard_as_the_promise(tmp_path: Path) -> None:
    write_tone(tmp_path / "short.wav", seconds=0.15)
    assert not hears(tmp_path / "short.wav")


def test_it_hears_the_tone_in_an_unfinished_file_after_other_sounds(tmp_path: Path) -> None:
    write_tone(tmp_path / "tone.wav")
    tone = (tmp_path / "tone.wav").read_bytes()[44:]
    noise = random.Random(1)
    before = array.array("h", (noise.randrange(-3000, 3000) for _ in range(12_345)))
    (tmp_path / "cut.wav").write_bytes(b"\0" * 44 + before.tobytes() + tone + b"\0")
    assert hears(tmp_path / "cut.wav")


def test_voices_and_noise_are_no_tone(tmp_path: Path) -> None:
    noise = random.Random(2)
    voice = (
        8000 * math.sin(n / 9) * math.sin(n / 700) + noise.gauss(0, 800) for n in range(40_000)
    )
    with wave.open(str(tmp_path / "voice.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(array.array("h", (int(sample) for sample in voice)).tobytes())
    assert not hears(tmp_path / "voice.wav")
