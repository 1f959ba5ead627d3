"""Headers: closed, left open by a killed PBX, stale, followed by other chunks, not WAV at all."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from recordings import wav
from tests.recordings.sounds import unclosed, write_gsm, write_wav, write_wav49


def test_a_closed_file_is_closed(tmp_path: Path) -> None:
    assert _is_closed(write_wav(tmp_path / "a.wav"))
    assert _is_closed(write_wav49(tmp_path / "a.WAV"))


def test_lengths_of_zero_are_seen(tmp_path: Path) -> None:
    assert not _is_closed(unclosed(write_wav(tmp_path / "a.wav")))
    assert not _is_closed(unclosed(write_wav49(tmp_path / "a.WAV")))


def test_a_file_cut_short_is_seen(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-1000])
    assert not _is_closed(path)


def test_sound_behind_a_stale_length_is_seen(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    with open(path, "ab") as file:
        file.write(b"\1\2" * 8000)
    assert not _is_closed(path)


def test_chunks_behind_the_sound_are_no_fault(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    with open(path, "ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert _is_closed(path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \xff"]
)
def test_what_is_no_wav_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert _is_closed(path)
    assert _layout(path) is None


@pytest.mark.parametrize("write", [write_wav, write_wav49])
def test_a_header_of_ours_is_the_one_that_the_recorder_had_to_write(
    tmp_path: Path, write: Callable[..., Path]
) -> None:
    whole = write(tmp_path / "a.WAV", 3).read_bytes()
    layout = _layout(unclosed(write(tmp_path / "b.WAV", 3)))
    assert layout is not None
    assert wav.header(layout) == whole[: layout.data_at]


def test_half_a_block_is_no_sound(tmp_path: Path) -> None:
    path = unclosed(write_wav49(tmp_path / "a.WAV", 1))
    with open(path, "ab") as file:
        file.write(b"\0" * 30)
    layout = _layout(path)
    assert layout is not None
    assert layout.data_bytes == 25 * 65


def test_what_follows_the_sound_is_not_sound(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", 1)
    with open(path, "ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"INFO")
    layout = _layout(path)
    assert layout is not None
    assert layout.data_bytes == 16_000


def test_gsm_without_header_is_not_touched(tmp_path: Path) -> None:
    assert _is_closed(write_gsm(tmp_path / "a.gsm"))


FORMATS = {
    "pcm": (1, 1, 8000, 2, 16, None),
    "stereo": (1, 2, 48_000, 4, 16, None),
    "float": (3, 1, 16_000, 4, 32, None),
    "alaw": (6, 1, 8000, 1, 8, None),
    "mulaw": (7, 2, 8000, 2, 8, None),
    "gsm": (0x31, 1, 8000, 65, 0, None),
    "1 Hz": (1, 1, 1, 2, 16, "a rate of 1 Hz"),
    "0 Hz": (1, 1, 0, 2, 16, "a rate of 0 Hz"),
    "3999 Hz": (1, 1, 3999, 2, 16, "a rate of 3999 Hz"),
    "192001 Hz": (1, 1, 192_001, 2, 16, "a rate of 192001 Hz"),
    "2^31 Hz": (1, 1, 2**31, 2, 16, "a rate of 2147483648 Hz"),
    "no channel": (1, 0, 8000, 2, 16, "0 channels"),
    "9 channels": (1, 9, 8000, 18, 16, "9 channels"),
    "65535 channels": (1, 65_535, 8000, 2, 16, "65535 channels"),
    "blocks of none": (1, 1, 8000, 0, 16, "blocks of 0 bytes for 1 × 16 bits"),
    "huge blocks": (1, 1, 8000, 65_535, 16, "blocks of 65535 bytes for 1 × 16 bits"),
    "12 bits": (1, 1, 8000, 2, 12, "blocks of 2 bytes for 1 × 12 bits"),
    "stereo GSM": (0x31, 2, 8000, 65, 0, "blocks of 65 bytes for 2 × 0 bits"),
    "MP3 inside": (0x55, 1, 8000, 1, 0, "codec 0x55 is not one of telephone recordings"),
    "unknown": (0xBEEF, 1, 8000, 2, 16, "codec 0xbeef is not one of telephone recordings"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_judged_before_any_decoder_sees_it(name: str) -> None:
    *values, wrong = FORMATS[name]
    layout = wav.WavLayout(44, 1000, wav.WavFormat(*values), 1044, True)
    assert wav.fault(layout) == wrong


def test_sound_without_a_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF\0\0\0\0WAVEdata\x08\0\0\0" + bytes(8))
    layout = _layout(path)
    assert layout is not None
    assert wav.fault(layout) == "no format is given before the sound"


def _layout(path: Path) -> wav.WavLayout | None:
    with path.open("rb") as file:
        return wav.read_layout(file)


def _is_closed(path: Path) -> bool:
    with path.open("rb") as file:
        return wav.is_closed(file)
