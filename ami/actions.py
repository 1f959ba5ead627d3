"""Typed questions to the PBX over a link. Reads only: nothing here changes anything on Asterisk.

Each raises what `Asking.action` and `action_list` raise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from ami.asking import Asking
from ami.errors import ActionFailed, AmbiguousField, BadField
from ami.replies import Reply
from ami.wire import unescape

__all__ = [
    "LiveChannel",
    "db_get",
    "db_get_tree",
    "getvar",
    "is_alive",
    "list_commands",
    "live_channels",
    "ping",
    "queue_status",
    "show_channels",
    "sip_peers",
]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveChannel:
    """A row of CoreShowChannels; empty string means that Asterisk said nothing."""

    name: str
    uniqueid: str
    linkedid: str
    state: str
    caller_number: str
    caller_name: str
    connected_number: str
    connected_name: str
    context: str
    exten: str
    application: str
    app_data: str
    bridge_id: str


async def ping(link: Asking) -> datetime:
    """The PBX's clock."""
    reply = await link.action("Ping")
    told = reply.get("Timestamp")
    try:
        return datetime.fromtimestamp(float(told), UTC)
    except (ValueError, OverflowError, OSError):
        raise BadField("Ping", "Timestamp", told, reply.frame) from None


async def show_channels(link: Asking) -> list[LiveChannel]:
    """Every channel there is."""
    return live_channels(link.pbx, await link.action_list("CoreShowChannels"))


def live_channels(pbx: str, rows: Iterable[Reply]) -> list[LiveChannel]:
    """Read the rows of CoreShowChannels.

    A caller whose name breaks the row he is in hides only himself (`ami.replies`).
    """
    channels = []
    for row in rows:
        try:
            channel = _live_channel(row)
        except AmbiguousField as error:
            log.warning("a channel can't be read", pbx=pbx, personal_error=str(error))
            continue
        if channel.uniqueid:
            channels.append(channel)
        else:
            log.warning("a channel can't be read", pbx=pbx, personal_frame=repr(row.frame))
    return channels


def _live_channel(row: Reply) -> LiveChannel:
    def known(name: str) -> str:
        value = row.get(name)
        return "" if value == "<unknown>" else value

    return LiveChannel(
        name=row.one("Channel"),
        uniqueid=row.one("Uniqueid"),
        linkedid=row.one("Linkedid"),
        state=known("ChannelStateDesc"),
        caller_number=known("CallerIDNum"),
        caller_name=unescape(known("CallerIDName")),
        connected_number=known("ConnectedLineNum"),
        connected_name=unescape(known("ConnectedLineName")),
        context=known("Context"),
        exten=known("Exten"),
        application=known("Application"),
        app_data=known("ApplicationData"),
        bridge_id=known("BridgeId"),
    )


async def is_alive(link: Asking, uniqueid: str) -> bool:
    """Whether the channel exists: evidence, for only the reply to our own question says so."""
    try:
        value = await getvar(link, "CHANNEL(uniqueid)", channel=uniqueid)
    except ActionFailed:  # "No such channel"
        return False
    return value == uniqueid


async def queue_status(link: Asking, queue: str = "") -> list[Reply]:
    """QueueParams, QueueMember and QueueEntry rows of one queue or of all."""
    if queue:
        return await link.action_list("QueueStatus", Queue=queue)
    return await link.action_list("QueueStatus")


async def sip_peers(link: Asking) -> list[Reply]:
    """PeerEntry rows of chan_sip. Raises ActionFailed where it is not loaded."""
    return await link.action_list("SIPpeers")


async def db_get(link: Asking, family: str, key: str) -> str | None:
    """One value of AstDB; None when there is no such entry."""
    try:
        rows = await link.action_list("DBGet", Family=family, Key=key)
    except ActionFailed as error:
        if "not found" in error.message:
            return None
        raise
    return rows[0].get("Val") if rows else None


async def db_get_tree(link: Asking, family: str) -> list[tuple[str, str]]:
    """The entry `family` and all below it, as (key with leading slash, value), in order of keys.

    Asterisk looks with SQL LIKE: `_` and `%` in `family` are wildcards (measured on 16.28 and 22.10).
    """
    try:
        rows = await link.action_list("DBGetTree", Family=family)
    except ActionFailed as error:
        if "not found" in error.message:
            return []
        raise
    return [(row.get("Key"), row.get("Val")) for row in rows]


async def getvar(link: Asking, variable: str, *, channel: str = "") -> str:
    """A channel's or global variable, or a dialplan function; empty when it has no value.

    `channel` is a name or a uniqueid. Asterisk cuts the value at 1,023 bytes.
    """
    if channel:
        reply = await link.action("Getvar", Variable=variable, Channel=channel)
    else:
        reply = await link.action("Getvar", Variable=variable)
    return reply.get("Value")


async def list_commands(link: Asking) -> dict[str, str]:
    """What our AMI user may do: action name → Asterisk's own summary of it."""
    reply = await link.action("ListCommands")
    ours = {"response", "actionid", "message"}
    return {name: about for name, about in reply.headers if name and name.lower() not in ours}
