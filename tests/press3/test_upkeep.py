"""What happens by the clock must not wait for readers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession

from press3.database import open_store
from press3.settings import ServiceSettings, Settings
from press3.upkeep import Upkeep
from push import pops


async def test_unseen_pops_are_told_though_no_session_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(service=ServiceSettings(data_dir=tmp_path))
    looked: list[Any] = []

    async def unseen_tick(session: AsyncSession, now: Any) -> int:
        looked.append(now)
        return 0

    def none_is_free() -> AsyncSession:
        raise PoolTimeout("QueuePool limit of size 5 overflow 10 reached")

    monkeypatch.setattr(pops, "unseen_tick", unseen_tick)
    async with open_store(settings) as store:
        starved = replace(store, sessions=none_is_free)
        with pytest.raises(PoolTimeout):
            await Upkeep(starved, settings).tick()
    assert len(looked) == 1
