"""The formats a PBX records in, and how ffmpeg is told about each.

The demuxer always follows from the name and is never guessed from the content: a file that says it
is `.wav` and holds a playlist must not make ffmpeg open other files or addresses.
"""

from pathlib import Path

from recordings.settings import AudioFormat

__all__ = ["ENCODERS", "MEDIA_TYPES", "SUFFIXES", "demuxer", "disk_name"]


def _raw(kind: str, rate: int) -> tuple[str, ...]:
    return ("-f", kind, "-ar", str(rate))


# Packets of 64 KiB instead of 4: measured, a fifth less work for ffmpeg, which pays for the peaks. But it
# would look into a minute of these for something hidden in the PCM; the header says what it is.
_WAV = ("-max_size", "65536", "-probesize", "32768", "-f", "wav")
_DEMUXERS: dict[str, tuple[str, ...]] = {
    "wav": _WAV,  # also .WAV, which holds GSM (wav49)
    "wav16": _WAV,
    "gsm": ("-f", "gsm"),
    "g722": ("-f", "g722"),
    "mp3": ("-f", "mp3"),
    "ogg": ("-f", "ogg"),
    "opus": ("-f", "ogg"),
    **dict.fromkeys(("ulaw", "ul", "mu", "ulw", "pcm"), _raw("mulaw", 8000)),
    **dict.fromkeys(("alaw", "al", "alw"), _raw("alaw", 8000)),
    **dict.fromkeys(("sln", "raw"), _raw("s16le", 8000)),
    **{f"sln{khz}": _raw("s16le", khz * 1000) for khz in (12, 16, 24, 32, 48, 96)},
    "sln44": _raw("s16le", 44_100),
}

SUFFIXES = frozenset(_DEMUXERS)

# 16 kHz: at the 8 kHz of a telephone MP3 becomes "MPEG 2.5", which not every player knows. Constant
# bit rate: a player finds any second by arithmetic.
ENCODERS: dict[AudioFormat, tuple[str, ...]] = {
    "mp3": ("-c:a", "libmp3lame", "-ar", "16000", "-b:a", "32k", "-f", "mp3"),
    "opus": ("-c:a", "libopus", "-b:a", "24k", "-compression_level", "3", "-f", "ogg"),
}

MEDIA_TYPES: dict[AudioFormat, str] = {"mp3": "audio/mpeg", "opus": "audio/ogg"}


def demuxer(path: Path) -> tuple[str, ...] | None:
    """Return ffmpeg's input options for `path`, None when its format is not one we know."""
    return _DEMUXERS.get(path.suffix.lstrip(".").lower())


def disk_name(path: Path) -> Path:
    """Return the name Asterisk gives the file: `x.wav49` is written as `x.WAV`."""
    return path.with_suffix(".WAV") if path.suffix.lower() == ".wav49" else path
