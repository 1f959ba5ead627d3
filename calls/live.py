"""What a row of the PBX's channel list must tell to be taken up."""

from typing import Protocol

from ami.events import Channel

__all__ = ["LiveChannel", "as_channel"]


class LiveChannel(Protocol):
    """A row of CoreShowChannels. `bridge_id` is empty when it is in no bridge."""

    @property
    def name(self) -> str: ...
    @property
    def uniqueid(self) -> str: ...
    @property
    def linkedid(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def caller_number(self) -> str: ...
    @property
    def caller_name(self) -> str: ...
    @property
    def context(self) -> str: ...
    @property
    def exten(self) -> str: ...
    @property
    def bridge_id(self) -> str: ...


def as_channel(row: LiveChannel) -> Channel:
    return Channel(
        name=row.name,
        uniqueid=row.uniqueid,
        linkedid=row.linkedid,
        state=row.state,
        caller_number=row.caller_number,
        caller_name=row.caller_name,
        context=row.context,
        exten=row.exten,
    )
