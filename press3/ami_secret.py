"""The AMI secret of a PBX, checked before anything is done with it."""

from press3.errors import ConfigError
from press3.settings import AsteriskSettings

__all__ = ["secret_of"]


def secret_of(pbx: AsteriskSettings) -> str:
    """Return the AMI secret; raises ConfigError when there is none or it can't be one."""
    if pbx.secret is None and pbx.secret_file is None:
        raise _bad_secret(pbx, "neither secret nor secret_file is set")
    try:
        secret = pbx.read_secret()
    except UnicodeDecodeError as error:
        raise _bad_secret(pbx, f"{pbx.secret_file} is no text in UTF-8") from error
    except (OSError, ValueError) as error:
        raise _bad_secret(pbx, str(error)) from error
    if not secret or not secret.isprintable():
        raise _bad_secret(pbx, "it is empty, or holds a line break or another sign that none can")
    return secret


def _bad_secret(pbx: AsteriskSettings, problem: str) -> ConfigError:
    return ConfigError("the configuration", [f"[[asterisk]] {pbx.name}, AMI secret: {problem}"])
