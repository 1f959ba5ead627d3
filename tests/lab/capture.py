"""Capture real AMI traffic for tests/traces: `python -m tests.lab.capture [22|16] [STORY …]`.

Each story (`captured_stories`) is a telephone call on a private real Asterisk; what press3's own AMI
user receives is written as JSON lines `{"at": ISO arrival time, "raw": message}`. `raw` is the
message's bytes as latin-1, so that any byte survives.
"""

import asyncio
import json
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from press3.demo.tree import get_tree
from tests.lab import outside_stories  # noqa: F401  (its stories are registered)
from tests.lab.ami_tap import AmiMessage
from tests.lab.captured_stories import STORIES, Stage
from tests.lab.harness import Lab, start_lab

TRACES = Path(__file__).parent.parent / "traces"


async def capture(version: str, name: str) -> list[AmiMessage]:
    """Play one story on a fresh Asterisk; return all that press3's AMI user received."""
    play, config = STORIES[name]
    with tempfile.TemporaryDirectory(prefix="press3-") as folder:
        lab = await start_lab(get_tree(version), Path(folder), config)
        try:
            async with lab.tap() as tap, lab.control() as control, AsyncExitStack() as phones:
                await play(Stage(lab, tap, control, phones))
                await lab.quiet()
                return [_public(message, lab) for message in tap.events]
        finally:
            lab.close()


def _public(message: AmiMessage, lab: Lab) -> AmiMessage:
    """Replace the private folder of this run by the usual one."""
    usual = b"/var/spool/asterisk/monitor"
    return replace(message, raw=message.raw.replace(str(lab.monitor).encode(), usual))


def write(messages: list[AmiMessage], path: Path) -> None:
    lines = [json.dumps({"at": m.at.isoformat(), "raw": m.raw.decode("latin-1")}) for m in messages]
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    arguments = sys.argv[1:]
    versions = [a for a in arguments if a in ("16", "22")] or ["22", "16"]
    names = [a for a in arguments if a not in versions] or list(STORIES)
    for name in names:
        for version in versions:
            messages = asyncio.run(capture(version, name))
            write(messages, TRACES / f"{name}-{version}.jsonl")
            print(f"{name}-{version}: {len(messages)} messages", flush=True)


if __name__ == "__main__":
    main()
