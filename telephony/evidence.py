"""Prove presses that came as events: an event is a hint, a PBX's reply is evidence."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TypeGuard

import structlog

from ami import actions, spool
from ami.asking import Asking
from ami.errors import AmiError
from ami.spool import SpoolPress
from calls.facts import ComplaintRequested, Fact

__all__ = ["with_evidence"]

log = structlog.get_logger(__name__)

# Asked for in the way of every pop: a PBX too slow for that is asked again by the sweep.
_WITHIN_S: Final = 1.0
# Measured: DBGet of 16.28 gives the first 255 bytes, so a name of thirty Cyrillic letters cost the
# row its end; that of 22.10 and DBGetTree of both give all.
_CUT_AT: Final = 255


async def with_evidence(link: Asking, facts: Sequence[Fact]) -> list[Fact]:
    """Return `facts`, the presses among them with their evidence.

    All are asked for at once.
    `verified`: the AstDB key is there, which names the queue too, and so the department, before the
    caller enters it. `verified_live`: the channel is there. `unverified`: neither could be shown in
    time, which proves nothing; the spool sweep looks again.
    """
    presses = [fact for fact in facts if _is_to_be_shown(fact)]
    if not presses:
        return list(facts)
    shown = iter(await asyncio.gather(*(_shown(link, press) for press in presses)))
    return [next(shown) if _is_to_be_shown(fact) else fact for fact in facts]


def _is_to_be_shown(fact: Fact) -> TypeGuard[ComplaintRequested]:
    return isinstance(fact, ComplaintRequested) and fact.evidence == "unverified"


async def _shown(link: Asking, press: ComplaintRequested) -> ComplaintRequested:
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await _verify(link, press)
    except (AmiError, TimeoutError) as error:
        log.warning("the evidence of a press can't be read now", call=press.call, error=repr(error))
        return press


async def _verify(link: Asking, press: ComplaintRequested) -> ComplaintRequested:
    kept = await _kept(link, press.key or "")
    if kept is not None and kept.uniqueid == press.uniqueid:
        return replace(press, evidence="verified", queue=kept.queue or press.queue)
    if await actions.is_alive(link, press.uniqueid):
        return replace(press, evidence="verified_live")
    return press


async def _kept(link: Asking, key: str) -> SpoolPress | None:
    """Return the press under `key` in AstDB, None without one.

    AstDB finds one key by its index, a tree by reading all.
    """
    family, _, entry = key.rpartition("/")
    if not family.startswith(f"{spool.ROOT}/"):
        return None  # an event is a hint: a key that is none of ours is not asked for
    value = await actions.db_get(link, family, entry)
    if value is not None and len(value) >= _CUT_AT:
        return await spool.read_press(link, key)
    presses, _damage = spool.parse_tree([] if value is None else [(f"/{key}", value)])
    return presses[0] if presses else None
