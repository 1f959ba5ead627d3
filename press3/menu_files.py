"""From the configuration to the files of `press3 render`."""

import os
from pathlib import Path

from ivr.menu import Action, AmiAccount, Menu, ObservedMenu, Prompts
from ivr.render import render
from press3.ami_secret import secret_of
from press3.errors import ConfigError, Press3Error
from press3.settings import AsteriskSettings, Settings

__all__ = ["menu_of", "render_files", "write_files"]


def menu_of(settings: Settings) -> Menu:
    """Return the menu; raises ValueError when a value can't stand in Asterisk's files."""
    ivr = settings.ivr
    prompts = {name: tuple(sounds) for name, sounds in ivr.prompts if sounds is not None}
    return Menu(
        name=ivr.name,
        language=settings.service.language,
        queue=ivr.queue,
        members=tuple(ivr.members),
        menu_timeout_s=ivr.menu_timeout_s,
        queue_timeout_s=ivr.queue_timeout_s,
        ring_s=ivr.ring_s,
        rounds=ivr.rounds,
        queue_options=ivr.queue_options,
        keys={key: Action.parse(action) for key, action in ivr.keys.items()},
        no_choice=Action.parse(ivr.no_choice),
        queue_empty=Action.parse(ivr.queue_empty),
        queue_timeout=Action.parse(ivr.queue_timeout),
        prompts=Prompts(**prompts),
        recording_format=ivr.recording_format,
    )


def render_files(settings: Settings) -> dict[str, str]:
    """Return relative file name → text; a folder per PBX when there are several.

    Raises:
        Press3Error: no [[asterisk]].
        ConfigError: a value that can't be rendered.
    """
    if not settings.asterisk:
        raise Press3Error("nothing to render: the configuration has no [[asterisk]]")
    several = len(settings.asterisk) > 1
    files: dict[str, str] = {}
    for pbx in settings.asterisk:
        try:
            rendered = _render_one(settings, pbx)
        except ValueError as error:
            problem = f"[[asterisk]] {pbx.name} can't be rendered: {error}"
            raise ConfigError("the configuration", [problem]) from error
        prefix = f"{pbx.name}/" if several else ""
        files |= {prefix + name: text for name, text in rendered.items()}
    return files


def _render_one(settings: Settings, pbx: AsteriskSettings) -> dict[str, str]:
    account = AmiAccount(username=pbx.username, secret=secret_of(pbx), permit=tuple(pbx.permit))
    contexts = {r.context for r in settings.ivr.observe if r.asterisk in (None, pbx.name)}
    observed = [ObservedMenu(context=context) for context in sorted(contexts)]
    return dict(render(menu_of(settings), account, observed=observed))


def write_files(files: dict[str, str], out: Path) -> None:
    """Write `files` below `out`, each 0600 from its first byte: one of them holds the AMI secret."""
    for name, text in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
