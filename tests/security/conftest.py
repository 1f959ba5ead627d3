from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from people.model import Role
from store.writer import Writer
from tests.appeals.world import World
from tests.security.asked import Asked, asking
from tests.web.site import Site, nothing_pressed


@pytest.fixture
async def asked(
    sessions: async_sessionmaker[AsyncSession], writer: Writer, tmp_path: Path
) -> AsyncIterator[Asked]:
    """The web server on its real port with three appeals and a recording, asked by an administrator."""
    site = Site(World(sessions, writer), tmp_path, {"reconcile": nothing_pressed})
    for n in range(3):
        call = await site.world.pressed(f"+7916000000{n}")
    await site.add_recording(call.id, audio=b"sound" * 100)
    token = await site.token(await site.world.hire("root", Role.ADMIN))
    (tmp_path / "index.html").write_text("<title>press3</title>")
    site.extra["static_dir"] = tmp_path
    async with asking(site, token) as asked:
        yield asked
