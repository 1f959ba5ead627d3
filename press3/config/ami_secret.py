"""The AMI secret of a PBX, checked before anything is done with it."""

from pathlib import Path

from press3.config.faults import Fault
from press3.config.sections import AsteriskSettings
from press3.config.settings import Settings, given
from press3.errors import ConfigError

__all__ = ["require_secrets", "secret_of"]

_REMEDY = (
    "write `secret` of manager_press3.conf into a file (chmod 600) and name it there: secret_file"
)


def secret_of(pbx: AsteriskSettings) -> str:
    """Return the AMI secret; raises ConfigError when there is none or it can't be one."""
    if pbx.secret is None and pbx.secret_file is None:
        raise _bad_secret(pbx, f"neither secret nor secret_file is set; {_REMEDY}")
    try:
        secret = pbx.read_secret()
    except UnicodeDecodeError as error:
        raise _bad_secret(pbx, f"{pbx.secret_file} is no text in UTF-8") from error
    except OSError as error:
        raise _bad_secret(
            pbx, f"{pbx.secret_file} can't be read: {error.strerror}; {_REMEDY}"
        ) from error
    if not secret or not secret.isprintable():
        raise _bad_secret(
            pbx, f"it is empty, or holds a line break or another sign that none can; {_REMEDY}"
        )
    return secret


def _bad_secret(pbx: AsteriskSettings, problem: str) -> ConfigError:
    return ConfigError("the configuration", [f"[[asterisk]] {pbx.name}, AMI secret: {problem}"])


def require_secrets(settings: Settings, file: Path) -> None:
    """Raise ConfigError, with the lines of `file`, when a PBX has no usable secret."""
    faults: list[Fault] = []
    for n, pbx in enumerate(settings.asterisk):
        try:
            secret_of(pbx)
        except ConfigError as error:
            faults += [(("asterisk", n), problem) for problem in error.problems]
    if faults:
        raise given(file, file.read_text(encoding="utf-8-sig")).error(faults)
