"""From `[recordings]` of the configuration to what `recordings` works with."""

from press3.config.settings import Settings
from recordings.settings import PathMap, RecordingSettings, Timing

__all__ = ["recording_settings"]


def recording_settings(settings: Settings) -> RecordingSettings:
    """Return the settings of the worker and of the search for files.

    With several PBXs nobody knows whose a file is that lies outside every map.
    """
    chosen, names = settings.recordings, [pbx.name for pbx in settings.asterisk]
    return RecordingSettings(
        roots=tuple(chosen.roots),
        data_dir=settings.service.data_dir,
        maps=tuple(
            PathMap(asterisk=each.asterisk, remote=each.remote, local=each.local)
            for each in chosen.map
        ),
        format=chosen.format,
        default_pbx=names[0] if len(names) == 1 else "",
        timing=Timing(missing_after_s=chosen.missing_after_s),
    )
