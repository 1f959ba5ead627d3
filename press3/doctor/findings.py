"""What the doctor says."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "fail", "ok", "warn"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`ok`, `warn` (works, but) or `fail`; `advice` says what to do."""

    level: Literal["ok", "warn", "fail"]
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"[{self.level:>4}] {self.what}" + (f" — {self.advice}" if self.advice else "")


def ok(what: str) -> Finding:
    return Finding("ok", what)


def warn(what: str, advice: str) -> Finding:
    return Finding("warn", what, advice)


def fail(what: str, advice: str) -> Finding:
    return Finding("fail", what, advice)
