"""The formats a PBX records in, and how ffmpeg reads each.

The demuxer always follows from the name and is never guessed from the content: a file that says it
is `.wav` and holds a playlist must not make ffmpeg open other files or addresses.
"""

from dataclasses import dataclass
from pathlib import Path

from recordings.settings import AudioFormat

__all__ = ["ENCODERS", "MEDIA_TYPES", "SUFFIXES", "Reading", "disk_name", "reading"]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a format is read: ffmpeg's input options, and the decoders that it may need.

    `bytes_per_s` is exact for formats without a header, None where only ffmpeg can say. `begins`: the
    bytes that such a file begins with, one of them; empty when any bytes are sound.
    """

    options: tuple[str, ...]
    decoders: str
    bytes_per_s: int | None = None
    begins: tuple[bytes, ...] = ()


def _raw(kind: str, rate: int, sample_bytes: int) -> Reading:
    return Reading(("-f", kind, "-ar", str(rate)), f"pcm_{kind}", rate * sample_bytes)


# Packets of 64 KiB instead of 4: measured, a fifth less work for ffmpeg, which pays for the peaks. But it
# would look into a minute of these for something hidden in the PCM; the header says what it is.
_WAV = Reading(
    ("-max_size", "65536", "-probesize", "32768", "-f", "wav"),
    "pcm_u8,pcm_s16le,pcm_s24le,pcm_s32le,pcm_f32le,pcm_f64le,pcm_alaw,pcm_mulaw,gsm_ms",
)
_GSM = Reading(("-f", "gsm"), "gsm", 1650, tuple(bytes([0xD0 | low]) for low in range(16)))
_MP3 = Reading(("-f", "mp3"), "mp3,mp3float", None, (b"ID3", *(bytes([0xFF, b]) for b in range(0xE0, 0x100))))  # fmt: skip
_OGG = Reading(("-f", "ogg"), "opus,libopus,vorbis,libvorbis,speex,libspeex,flac", None, (b"OggS",))
_READINGS: dict[str, Reading] = {
    "wav": _WAV,  # also .WAV, which holds GSM (wav49)
    "wav16": _WAV,
    "gsm": _GSM,
    "g722": Reading(("-f", "g722"), "g722", 8000),
    "mp3": _MP3,
    "ogg": _OGG,
    "opus": _OGG,
    **dict.fromkeys(("ulaw", "ul", "mu", "ulw", "pcm"), _raw("mulaw", 8000, 1)),
    **dict.fromkeys(("alaw", "al", "alw"), _raw("alaw", 8000, 1)),
    **dict.fromkeys(("sln", "raw"), _raw("s16le", 8000, 2)),
    **{f"sln{khz}": _raw("s16le", khz * 1000, 2) for khz in (12, 16, 24, 32, 48, 96)},
    "sln44": _raw("s16le", 44_100, 2),
}

SUFFIXES = frozenset(_READINGS)

# 16 kHz: at the 8 kHz of a telephone MP3 becomes "MPEG 2.5", which not every player knows. Constant
# bit rate: a player finds any second by arithmetic.
ENCODERS: dict[AudioFormat, tuple[str, ...]] = {
    "mp3": ("-c:a", "libmp3lame", "-ar", "16000", "-b:a", "32k", "-f", "mp3"),
    "opus": ("-c:a", "libopus", "-b:a", "24k", "-compression_level", "3", "-f", "ogg"),
}

MEDIA_TYPES: dict[AudioFormat, str] = {"mp3": "audio/mpeg", "opus": "audio/ogg"}


def reading(path: Path) -> Reading | None:
    """Return how `path` is read, None when its format is not one we know."""
    return _READINGS.get(path.suffix.lstrip(".").lower())


def disk_name(path: Path) -> Path:
    """Return the name Asterisk gives the file: `x.wav49` is written as `x.WAV`."""
    return path.with_suffix(".WAV") if path.suffix.lower() == ".wav49" else path
