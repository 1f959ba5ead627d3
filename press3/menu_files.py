"""From the configuration to the files of `press3 render`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ivr.menu import Action, AmiAccount, CantRender, Menu, ObservedMenu, Prompts
from ivr.render import render
from press3.config.ami_secret import secret_of
from press3.config.faults import named
from press3.config.sections import AsteriskSettings
from press3.config.settings import Settings, given
from press3.errors import Press3Error

__all__ = ["NO_PBX", "menu_of", "queue_remark", "render_files", "write_files"]

NO_PBX = (
    "no [[asterisk]] is configured: no call is heard, and no complaint can come",
    "uncomment [[asterisk]] and set host, username and secret_file",
)


def menu_of(settings: Settings) -> Menu:
    """Return the menu; raises CantRender when a value can't stand in Asterisk's files."""
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
        keys={key: Action.parse(action, "keys", key) for key, action in ivr.keys.items()},
        no_choice=Action.parse(ivr.no_choice, "no_choice"),
        queue_empty=Action.parse(ivr.queue_empty, "queue_empty"),
        queue_timeout=Action.parse(ivr.queue_timeout, "queue_timeout"),
        prompts=Prompts(**prompts),
        recording_format=ivr.recording_format,
    )


def queue_remark(settings: Settings) -> tuple[str, str] | None:
    """Return what is odd about the queue of [ivr] and what to do; None when nothing is."""
    ivr = settings.ivr
    if ivr.queue and ivr.members:
        return (
            f"[ivr] members are not used: the queue {ivr.queue!r} exists on the PBX and has its own",
            "take `members` out, or `queue` to let press3 render one with them",
        )
    if not ivr.queue and not ivr.members:
        return (
            "[ivr] the rendered queue has no members",
            "set `members`, or `queue` to an existing one",
        )
    return None


def render_files(settings: Settings, file: Path | None = None) -> dict[str, str]:
    """Return relative file name → text; a folder per PBX when there are several.

    Raises:
        Press3Error: no [[asterisk]].
        ConfigError: a value that can't be rendered, with its line when `file` is where it came from.
    """
    if not settings.asterisk:
        raise Press3Error("nothing to render: the configuration has no [[asterisk]]")
    several = len(settings.asterisk) > 1
    files: dict[str, str] = {}
    for n, pbx in enumerate(settings.asterisk):
        rendered = _render_one(settings, n, pbx, file)
        prefix = f"{pbx.name}/" if several else ""
        files |= {prefix + name: text for name, text in rendered.items()}
    return files


def _render_one(
    settings: Settings, n: int, pbx: AsteriskSettings, file: Path | None
) -> dict[str, str]:
    secret, permit = secret_of(pbx), tuple(pbx.permit)
    with _located(file, "asterisk", n):
        account = AmiAccount(username=pbx.username, secret=secret, permit=permit)
    observed: dict[str, ObservedMenu] = {}
    for at, rule in enumerate(settings.ivr.observe):
        if rule.asterisk in (None, pbx.name):
            with _located(file, "ivr", "observe", at):
                observed[rule.context] = ObservedMenu(context=rule.context)
    with _located(file, "ivr"):
        menu = menu_of(settings)
    return dict(render(menu, account, observed=[observed[name] for name in sorted(observed)]))


@contextmanager
def _located(file: Path | None, *section: str | int) -> Iterator[None]:
    """Make a fault of a value in `section` one of the configuration, said with its line."""
    try:
        yield
    except CantRender as fault:
        text = file.read_text(encoding="utf-8-sig") if file is not None else ""
        raise given(file, text).error([named((*section, *fault.key), fault.problem)]) from fault


def write_files(files: dict[str, str], out: Path) -> None:
    """Write `files` below `out`, each 0600 from its first byte: one of them holds the AMI secret.

    Raises Press3Error when the folder can't be made or written.
    """
    try:
        for name, text in files.items():
            _write(out / name, text)
    except OSError as error:
        raise Press3Error(
            f"--out {out} can't be written by this user: {error.strerror}; choose another folder"
        ) from error


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
