"""Who is in the queue's list and who is on pause, changed on the PBX as supervisors' panels do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ivr.menu import RENDERED_QUEUE
from tests.lab.ami_tap import AmiTap

__all__ = ["on_duty", "pause"]


@asynccontextmanager
async def on_duty(
    pbx: AmiTap, *extensions: str, paused: bool = False, several_calls: bool = False
) -> AsyncIterator[None]:
    """Sign operators in to the rendered queue. `several_calls`: a busy telephone is rung as well."""
    for extension in extensions:
        who = {"Queue": RENDERED_QUEUE, "Interface": f"PJSIP/{extension}"}
        await _done(pbx, "QueueAdd", **who, Paused="true" if paused else "false")
        if several_calls:
            await _done(pbx, "QueueMemberRingInUse", **who, RingInUse="yes")
    try:
        yield
    finally:
        for extension in extensions:
            await _done(pbx, "QueueRemove", Queue=RENDERED_QUEUE, Interface=f"PJSIP/{extension}")


async def pause(pbx: AmiTap, extension: str) -> None:
    who = {"Queue": RENDERED_QUEUE, "Interface": f"PJSIP/{extension}"}
    await _done(pbx, "QueuePause", **who, Paused="true", Reason="lunch")


async def _done(pbx: AmiTap, name: str, **headers: str) -> None:
    reply = await pbx.action(name, **headers)
    assert reply.get("Response") == "Success", reply.raw
