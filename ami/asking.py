"""What a question to the PBX needs of a link: `ami.connection.AmiLink` is one, a replayed trace another."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ami.events import Event
from ami.inbox import LinkItem
from ami.replies import Reply

__all__ = ["Asking", "Link"]


class Asking(Protocol):
    @property
    def pbx(self) -> str:
        """Return the name of the PBX, for logs."""
        ...

    async def action(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> Reply: ...

    async def action_list(
        self, name: str, *, timeout_s: float | None = None, **headers: str | Sequence[str]
    ) -> list[Reply]: ...


class Link(Asking, Protocol):
    """What a pipeline needs: the stream of items too."""

    @property
    def waiting(self) -> int:
        """Return how many items wait to be taken."""
        ...

    def events_waiting(self, *names: bytes) -> Iterable[Event]:
        """Return the events of these AMI names among them, in order."""
        ...

    async def next_batch(self, max_items: int = 500) -> list[LinkItem]: ...
