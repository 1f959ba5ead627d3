"""Headers: closed, left open by a killed PBX, stale, followed by other chunks, not WAV at all."""

import struct
import wave
from pathlib import Path

import pytest

from recordings import wav
from tests.recordings.sounds import unclosed, write_gsm, write_wav, write_wav49


def test_a_closed_file_is_closed(tmp_path: Path) -> None:
    assert wav.is_closed(write_wav(tmp_path / "a.wav"))
    assert wav.is_closed(write_wav49(tmp_path / "a.WAV"))


def test_lengths_of_zero_are_seen(tmp_path: Path) -> None:
    assert not wav.is_closed(unclosed(write_wav(tmp_path / "a.wav")))
    assert not wav.is_closed(unclosed(write_wav49(tmp_path / "a.WAV")))


def test_a_file_cut_short_is_seen(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    path.write_bytes(path.read_bytes()[:-1000])
    assert not wav.is_closed(path)


def test_sound_behind_a_stale_length_is_seen(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    with open(path, "ab") as file:
        file.write(b"\1\2" * 8000)
    assert not wav.is_closed(path)


def test_chunks_behind_the_sound_are_no_fault(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav")
    with open(path, "ab") as file:
        file.write(b"LIST" + struct.pack("<I", 4) + b"INFO")
    assert wav.is_closed(path)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt \xff"]
)
def test_what_is_no_wav_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert wav.is_closed(path)
    with pytest.raises(ValueError, match="no WAV header"):
        wav.repair(path, tmp_path / "b.wav")


def test_repair_makes_a_readable_copy_and_leaves_the_original(tmp_path: Path) -> None:
    path = unclosed(write_wav(tmp_path / "a.wav", 3))
    before = path.read_bytes()
    wav.repair(path, tmp_path / "b.wav")
    with wave.open(str(tmp_path / "b.wav")) as mended:
        assert mended.getnframes() == 3 * 8000
    assert path.read_bytes() == before


def test_repair_cuts_half_a_block_and_counts_gsm_samples(tmp_path: Path) -> None:
    path = unclosed(write_wav49(tmp_path / "a.WAV", 1))
    with open(path, "ab") as file:
        file.write(b"\0" * 30)
    wav.repair(path, tmp_path / "b.WAV")
    assert (tmp_path / "b.WAV").read_bytes() == write_wav49(tmp_path / "c.WAV", 1).read_bytes()


def test_gsm_without_header_is_not_touched(tmp_path: Path) -> None:
    assert wav.is_closed(write_gsm(tmp_path / "a.gsm"))
