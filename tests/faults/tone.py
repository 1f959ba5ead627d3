"""A prompt that can be recognised: one pure tone, made here and found again in a recording."""

import array
import math
import wave
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ACCEPTED_HZ", "hears", "write_tone"]

ACCEPTED_HZ = 1800  # no key of a telephone, no ringing tone, no harmonic of them
_RATE = 8000
_BLOCK = 320  # 40 ms: 72 periods of the tone, no leakage into the next bin
_SHARE = 0.6  # of the block's power: a voice or music never has so much at one frequency
_LONG_S = 0.2  # so long must it sound to count as heard


def write_tone(file: Path, *, hz: float = ACCEPTED_HZ, seconds: float = 0.6) -> None:
    """Write a WAV (8 kHz, 16 bits, mono) as Asterisk plays it."""
    samples = array.array(
        "h",
        (round(8000 * math.sin(2 * math.pi * hz * n / _RATE)) for n in range(int(seconds * _RATE))),
    )
    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(_RATE)
        sound.writeframes(samples.tobytes())


def hears(file: Path, *, hz: float = ACCEPTED_HZ) -> bool:
    """Whether the tone sounds in this WAV for a while, its header finished or not."""
    in_a_row = 0
    for block in _blocks(file):
        in_a_row = in_a_row + 1 if _share(block, hz) >= _SHARE else 0
        if in_a_row * _BLOCK >= _LONG_S * _RATE:
            return True
    return False


def _blocks(file: Path) -> Iterator["array.array[int]"]:
    samples = array.array("h")
    data = file.read_bytes()[44:]  # a recorder that was killed leaves the lengths 0: never ask them
    samples.frombytes(data[: len(data) // 2 * 2])
    for at in range(0, len(samples) - _BLOCK + 1, _BLOCK):
        yield samples[at : at + _BLOCK]


def _share(block: "array.array[int]", hz: float) -> float:
    """Goertzel: which part of the block's power lies at `hz`."""
    power = sum(sample * sample for sample in block)
    if power < _BLOCK * 100**2:
        return 0.0  # silence has no pitch
    k = 2 * math.cos(2 * math.pi * hz / _RATE)
    one = two = 0.0
    for sample in block:
        one, two = sample + k * one - two, one
    at_hz = one * one + two * two - k * one * two
    return 2 * at_hz / (_BLOCK * power)
