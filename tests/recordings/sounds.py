"""Real sound files in the formats a PBX writes, made without other programs."""

import array
import math
import struct
import wave
from pathlib import Path

__all__ = ["GSM_SILENCE", "unclosed", "write_gsm", "write_ulaw", "write_wav", "write_wav49"]

GSM_SILENCE = bytes.fromhex("d820a2e15a50004924924924500049249249245000492492492450004924924924")


def _tone(seconds: float, rate: int, loud: float) -> bytes:
    period = [
        int(loud * 32_767 * math.sin(2 * math.pi * 400 * i / rate)) for i in range(rate // 50)
    ]
    return array.array("h", period).tobytes() * math.ceil(seconds * 50)


def write_wav(path: Path, seconds: float = 2.0, *, rate: int = 8000, loud: float = 0.5) -> Path:
    """Write a closed 16-bit mono WAV holding a tone, as MixMonitor leaves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(_tone(seconds, rate, loud)[: int(seconds * rate) * 2])
    return path


def unclosed(path: Path) -> Path:
    """Put the lengths of a WAV back to 0, as a PBX leaves them that was killed while it recorded."""
    content = bytearray(path.read_bytes())
    data_at = content.index(b"data")
    content[4:8] = content[data_at + 4 : data_at + 8] = bytes(4)
    if (fact_at := content.find(b"fact")) > 0:
        content[fact_at + 8 : fact_at + 12] = bytes(4)
    path.write_bytes(content)
    return path


def write_gsm(path: Path, seconds: float = 2.0) -> Path:
    path.write_bytes(GSM_SILENCE * int(seconds * 50))
    return path


def write_ulaw(path: Path, seconds: float = 2.0) -> Path:
    path.write_bytes(bytes([0x80, 0x90, 0x00, 0x90]) * int(seconds * 2000))
    return path


def write_wav49(path: Path, seconds: float = 2.0) -> Path:
    """Write GSM in WAV: blocks of 65 bytes, 320 samples each."""
    blocks = int(seconds * 25)
    data = bytes(65 * blocks)
    fmt = struct.pack("<HHIIHHHH", 0x31, 1, 8000, 1625, 65, 0, 2, 320)
    body = b"WAVEfmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"fact" + struct.pack("<II", 4, blocks * 320)
    body += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path
