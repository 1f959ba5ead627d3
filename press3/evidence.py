"""Is a press that an event tells of really on the PBX? Events are hints, correlated replies are evidence."""

from dataclasses import replace

import structlog

from ami import actions
from ami.asking import Asking
from ami.errors import AmiError
from ami.spool import read_press
from calls.facts import ComplaintRequested, Fact

__all__ = ["verify"]

log = structlog.get_logger(__name__)


async def verify(link: Asking, fact: Fact) -> Fact:
    """Return `fact` with its evidence; facts other than a press come back as they are.

    `verified`: the AstDB key is there, which names the queue too, and so the department, before the
    caller enters it. `verified_live`: the channel is there. `unverified`: neither could be shown,
    which proves nothing; the spool sweep looks again.
    """
    if not isinstance(fact, ComplaintRequested) or fact.evidence != "unverified":
        return fact
    try:
        press = await read_press(link, fact.key) if fact.key is not None else None
        if press is not None and press.uniqueid == fact.uniqueid:
            return replace(fact, evidence="verified", queue=press.queue or fact.queue)
        is_live = await actions.is_alive(link, fact.uniqueid)
    except AmiError as error:
        log.warning("the evidence of a press can't be read now", call=fact.call, error=str(error))
        return fact
    return replace(fact, evidence="verified_live") if is_live else fact
