"""What the package needs to know; `press3.config.recordings` fills it in from `[recordings]`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["AudioFormat", "PathMap", "RecordingSettings", "Timing"]

AudioFormat = Literal["mp3", "opus"]


@dataclass(frozen=True, kw_only=True)
class PathMap:
    """`remote` on the PBX named `asterisk` is mounted here as `local`, which thereby is a root too."""

    asterisk: str
    remote: Path
    local: Path


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long to wait for what.

    `missing_after_s` is less than the promised 60 s, so that the explanation is there in time.
    `unclosed_for_s`: a WAV whose lengths are still 0 may be in the PBX's buffers; one that has not
    changed for so long was left by a killed PBX. `silent_after_s`: a recorder nobody saw stop counts
    as stopped when its file has not changed for so long. `late_until_s`: how long a missing file is
    still looked for (copied from another machine now and then), and an orphan's call too.
    A missing file may have been renamed by the PBX: a sweep of its own, `renamed_after_s` later, finds
    that out; sweeps rest for `sweep_rest_s` in any case. `sweep_settled_s` and `sweep_every_s` together
    are less than two minutes, within which a file that nobody told of is promised its call. `breath_s`:
    between two looks at what is due, however often the worker is woken.
    """

    stable_for_s: float = 1.0
    unclosed_for_s: float = 5.0
    missing_after_s: float = 50.0
    silent_after_s: float = 6 * 3600
    late_until_s: float = 24 * 3600
    poll_every_s: float = 1.0
    breath_s: float = 0.05
    sweep_every_s: float = 60.0
    sweep_settled_s: float = 45.0
    sweep_rest_s: float = 10.0
    renamed_after_s: float = 4.0
    sweep_back_s: float = 8 * 24 * 3600
    rest_after_fault_s: float = 30.0
    rest_after_trouble_s: float = 5.0
    conversion_limit_s: float = 900.0


@dataclass(frozen=True, kw_only=True)
class RecordingSettings:
    """`roots` are the folders we may read; relative PBX paths lie under them.

    With several PBXs each has its own: one that has a map reads what its maps show and nothing else,
    `roots` are for those without. `default_pbx` names the only PBX, which has everything.
    `default_pbx` is whose the files are that a sweep finds outside every map and can't link.
    `format` is what browsers get: MP3 plays and seeks in all of them, Opus is smaller but new to Safari.
    """

    roots: tuple[Path, ...]
    data_dir: Path
    maps: tuple[PathMap, ...] = ()
    format: AudioFormat = "mp3"
    default_pbx: str = ""
    processes: int = 2
    timing: Timing = Timing()

    @property
    def places(self) -> tuple[Path, ...]:
        """Every folder that may be read."""
        return (*self.roots, *(each.local for each in self.maps))

    @property
    def mapped(self) -> frozenset[str]:
        """The PBXs that can't have a file in `roots`."""
        return frozenset(each.asterisk for each in self.maps) - {self.default_pbx}

    def places_of(self, pbx: str) -> tuple[Path, ...]:
        """Return the folders that `pbx` may name files in."""
        own = tuple(each.local for each in self.maps if each.asterisk == pbx)
        return own if pbx in self.mapped else (*own, *self.roots)
