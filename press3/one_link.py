"""A link for one command (doctor, reconcile): connected beside a running service, its events thrown away or watched."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from ami.connection import AmiLink, LinkState
from ami.inbox import LinkItem, LinkUp
from press3.clock import now
from press3.config.sections import AsteriskSettings
from press3.errors import Press3Error
from press3.telephony_parts import link_settings

__all__ = ["one_link"]


@asynccontextmanager
async def one_link(
    pbx: AsteriskSettings,
    *,
    limit_s: float = 10,
    on_item: Callable[[LinkItem], None] = lambda item: None,
) -> AsyncIterator[AmiLink]:
    """Connect and log in; raises Press3Error saying why that was not possible within `limit_s`.

    `on_item` is called with everything the link says.
    """
    link = AmiLink(link_settings(pbx), now=now)
    is_up = asyncio.Event()
    drain = asyncio.create_task(_drain(link, is_up, on_item), name="one-link-drain")
    tasks = [asyncio.create_task(link.run(), name="one-link"), drain]
    try:
        await _wait_up(link, is_up, pbx, limit_s)
        yield link
        if drain.done():
            drain.result()  # a fault in `on_item` is the caller's
    finally:
        await link.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _drain(link: AmiLink, is_up: asyncio.Event, on_item: Callable[[LinkItem], None]) -> None:
    while True:
        for item in await link.next_batch():
            on_item(item)
            if isinstance(item, LinkUp):
                is_up.set()


async def _wait_up(
    link: AmiLink, is_up: asyncio.Event, pbx: AsteriskSettings, limit_s: float
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    where = f"{pbx.host}:{pbx.port}"
    while not is_up.is_set():
        if link.state is LinkState.REFUSED:
            raise Press3Error(
                f"{pbx.name}: the AMI at {where} refuses the login of {pbx.username!r}: "
                f"{link.state_reason}; {_why_refused(pbx, link.state_reason)}"
            )
        if loop.time() > deadline:
            raise Press3Error(
                f"{pbx.name}: no AMI at {where}: {link.state_reason}; is manager enabled there "
                "([general] enabled = yes) and the port right?"
            )
        try:
            async with asyncio.timeout(0.2):
                await is_up.wait()
        except TimeoutError:
            continue


def _why_refused(pbx: AsteriskSettings, reason: str) -> str:
    if reason.startswith("Login"):
        return "is manager_press3.conf included and the secret the same?"
    return f"in manager.conf [{pbx.username}]: write = reporting, then: manager reload"
