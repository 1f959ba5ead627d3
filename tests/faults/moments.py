"""Wait for a moment of an experiment: so many presses, or a state that press3 tells of its PBX."""

import json
from datetime import UTC, datetime

from tests.faults.callers import Callers
from tests.faults.service import Service
from tests.timing import Stopwatch
from tests.waiting import until

__all__ = ["is_in_state", "link_state", "more_presses"]


async def more_presses(callers: Callers, count: int) -> None:
    """Wait until so many more callers have pressed 3."""
    wanted = len(callers.truth.pressed) + count
    await until(
        lambda: len(callers.truth.pressed) >= wanted, deadline_s=60, what=f"{wanted} presses"
    )


async def link_state(service: Service) -> str:
    """Return what /readyz says of the PBX; empty when nobody answers."""
    status, body = await service.readyz()
    return str(json.loads(body)["links"][0]["state"]) if status else ""


async def is_in_state(service: Service, *states: str, deadline_s: float = 30) -> float:
    """Wait until /readyz tells one of `states`; return how long that took, without what the machine withheld."""
    stopwatch = Stopwatch()

    async def there() -> bool:
        return await link_state(service) in states

    await until(there, deadline_s=deadline_s, what=f"{states}; {service.last_words()}")
    if states == ("up",):
        service.served_at = datetime.now(UTC)
    return stopwatch.own_s
