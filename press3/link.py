"""What the pipeline needs of a link: `ami.connection.AmiLink` is one, a replayed trace is one too."""

from collections.abc import Sequence
from typing import Protocol

from ami.inbox import LinkItem
from ami.replies import Reply

__all__ = ["Link"]


class Link(Protocol):
    async def next_batch(self, max_items: int = 500) -> list[LinkItem]: ...

    async def action(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> Reply: ...

    async def action_list(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> list[Reply]: ...
