"""The words of the push socket: what a screen may say and what it is told.

These types are the contract: `push.asyncapi` writes `docs/asyncapi.yaml` from them and from the events of
all features, `parse` refuses what does not fit, `encode` writes an outbox row as the event it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from push.errors import BadMessage
from push.events import PopShown
from store.outbox import Message

__all__ = [
    "Ack",
    "ClientMessage",
    "Event",
    "Hello",
    "Snapshot",
    "Welcome",
    "encode",
    "encode_welcome",
    "parse",
]

MAX_SEQ = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first message of a screen. `last_seq` null asks for a snapshot, a number for what came after it."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    type: Literal["hello"]
    ticket: Annotated[str, Field(min_length=1, max_length=256)]
    last_seq: Annotated[int, Field(ge=0, le=MAX_SEQ)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """A person has seen this pop."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    type: Literal["ack"]
    pop_id: Annotated[str, Field(min_length=1, max_length=64)]


ClientMessage = Hello | Ack


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """`pops` are shown now (data of `pop.shown`); `calls` are those you answered and are still in: a CALL
    of the REST interface with `pop`, the card that it was announced with."""

    pops: list[PopShown]
    calls: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """`seq` is where the events begin; `snapshot` is null when the missed events follow."""

    type: Literal["welcome"]
    seq: int
    snapshot: Snapshot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`seq` grows; remember the last one and say it in the next hello. `at` is RFC 3339."""

    seq: int
    type: str
    at: str
    data: dict[str, Any]


_client: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def parse(text: str | bytes) -> ClientMessage:
    """Return what a screen said; raise BadMessage, whose text is fit for the screen, when it makes no sense."""
    try:
        return _client.validate_json(text)
    except ValidationError as error:
        raise BadMessage(_what_is_wrong(error)) from None


def _what_is_wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    return f"{field}: {first['msg']}" if field else first["msg"]


def encode(message: Message) -> bytes:
    """Return the JSON text of the event that an outbox row is."""
    event = {
        "seq": message.seq,
        "type": message.type,
        "at": message.at.isoformat(),
        "data": message.data,
    }
    return _dump(event)


def encode_welcome(seq: int, snapshot: Mapping[str, Any] | None) -> bytes:
    """Return the JSON text of the welcome."""
    return _dump({"type": "welcome", "seq": seq, "snapshot": snapshot})


def _dump(value: Any) -> bytes:
    # A caller's name may hold a lone surrogate (undecodable bytes of the PBX): no UTF-8, but valid escaped.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
