"""Which callers' 3 the PBX's dialplan came to, by Asterisk's own log: press3 has no part in it.

A key that the PBX acknowledged (200 to the INFO) waits in the channel's queue. When the caller hangs up
before the dialplan comes to it, Asterisk leaves the dialplan at its next step: to it nobody pressed.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.harness import DIALPLAN

__all__ = ["AT_3", "Taken", "files"]

AT_3 = "3@press3-menu:1"  # the step of the rendered menu that key 3 leads to

_ENTRY = "exten => _X.,1,Goto(press3-menu,s,1)"
_NOTED = """\
exten => _X.,1,Log(NOTICE,caller ${{CALLERID(num)}} ${{CHANNEL(name)}})
 same => n,Goto({menu},s,1)"""
_LINE = re.compile(
    r"caller (?P<number>\+?\d+) (?P<channel>\S+)"
    r'|Executing \[(?P<step>[^]]+)\] \w+\("(?P<there>[^"]+)"'
)


def files(menu: str = "press3-menu") -> dict[str, str]:
    """Return configuration of the PBX: who has which channel, and each step of the dialplan, in one file.

    Callers are led to `menu`.
    """
    return {
        "extensions.conf": DIALPLAN.replace(_ENTRY, _NOTED.format(menu=menu)),
        "logger.conf": "[general]\nqueue_log = yes\ndateformat = %F %T.%3q\n[logfiles]\n"
        "messages = notice,warning,error\ndialplan = notice,verbose(3)\n",
    }


@dataclass
class Taken:
    """Reads the log on at each question. `at_3` is the step that the key leads to."""

    log: Path
    at_3: str = AT_3
    _read: int = 0
    _number_of: dict[str, str] = field(default_factory=dict)
    _numbers: set[str] = field(default_factory=set)

    def numbers(self) -> set[str]:
        """Return the callers so far whose 3 the dialplan came to."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            more = file.read()
        whole = more[: more.rfind(b"\n") + 1]
        self._read += len(whole)
        for found in _LINE.finditer(whole.decode(errors="replace")):
            if found["number"]:
                self._number_of[found["channel"]] = found["number"]
            elif found["step"] == self.at_3 and found["there"] in self._number_of:
                self._numbers.add(self._number_of[found["there"]])
        return self._numbers
