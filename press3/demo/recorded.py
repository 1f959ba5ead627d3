"""The demo without Asterisk: recorded calls of a real one, replayed at their own speed for ever."""

import asyncio
import itertools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from press3.clock import now
from press3.config.settings import Settings
from press3.database import Database
from press3.replay import TraceLink, replay_link, shifted
from press3.traces import read_trace
from telephony.recorder import Stored

__all__ = ["replay_for_ever"]

_TRACES = Path(__file__).parent / "traces"
_PAUSE_S = 3.0


async def replay_for_ever(
    database: Database, settings: Settings, told: Callable[[Stored], None]
) -> None:
    """Replay one recorded call after the other until cancelled."""
    for file in itertools.cycle(sorted(_TRACES.glob("*.jsonl"))):
        link = TraceLink(shifted(read_trace(file), now()), pace=_until)
        await replay_link(database, settings, link, told)
        await asyncio.sleep(_PAUSE_S)


async def _until(at: datetime) -> None:
    await asyncio.sleep(max(0.0, (at - now()).total_seconds()))
