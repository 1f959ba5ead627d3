"""AsyncAPI 3 of the push socket, from `push.messages` and the events of all features."""

import inspect
import json
from collections.abc import Mapping
from functools import reduce
from operator import or_
from types import UnionType
from typing import Any

from pydantic import TypeAdapter

from push.errors import CLOSE_CODES
from push.messages import Ack, Event, Hello, Welcome
from store.typed import Typed

__all__ = ["EventKinds", "document", "to_yaml"]

EventKinds = Mapping[str, tuple[type[Typed], ...]]
"""Name of an event → the shapes that it may have."""

_HEAD = """\
The screen first says hello with a one-time ticket (POST /api/v1/push-ticket), is welcomed with a
snapshot or with the events it missed, then gets events in the order of `seq`. Close codes:
"""


def document(events: EventKinds) -> dict[str, Any]:
    """Return the whole AsyncAPI 3.0 document, with `events` in their order."""
    words = {"hello": Hello, "ack": Ack, "welcome": Welcome}
    messages = {name: _message(name, kind, _schema(kind)) for name, kind in words.items()}
    for name, shapes in events.items():
        kind: Any = reduce(or_, shapes)
        messages[name] = _message(name, kind, _event(name, kind))
    said = ["hello", "ack"]
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "press3 push", "version": "1", "description": _description()},
        "defaultContentType": "application/json",
        "channels": {
            "push": {
                "address": "/ws",
                "messages": {
                    _key(n): {"$ref": f"#/components/messages/{_key(n)}"} for n in messages
                },
            }
        },
        "operations": {
            "say": _operation("receive", said),
            "tell": _operation("send", [n for n in messages if n not in said]),
        },
        "components": {"messages": {_key(name): message for name, message in messages.items()}},
    }


def _key(name: str) -> str:
    return name.replace(".", "_")


def _description() -> str:
    codes = [f"{code} {kind.__name__}: {_doc(kind)}" for kind, code in CLOSE_CODES.items()]
    return _HEAD + "\n".join(codes)


def _doc(kind: Any) -> str:
    if isinstance(kind, UnionType):
        return " Or: ".join(doc for part in kind.__args__ if (doc := _doc(part)))
    doc = inspect.getdoc(kind) or ""
    return "" if doc.startswith(f"{kind.__name__}(") else " ".join(doc.split())


def _operation(action: str, names: list[str]) -> dict[str, Any]:
    refs = [{"$ref": f"#/channels/push/messages/{_key(name)}"} for name in names]
    return {"action": action, "channel": {"$ref": "#/channels/push"}, "messages": refs}


def _message(name: str, kind: Any, payload: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "summary": _doc(kind), "payload": payload}


def _event(name: str, kind: Any) -> dict[str, Any]:
    schema = _schema(Event)
    schema["properties"] |= {"type": {"const": name}, "data": _schema(kind)}
    return schema


def _schema(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a message with its parts in place: `$defs` has no home inside AsyncAPI."""
    schema = TypeAdapter(kind).json_schema()
    parts = schema.pop("$defs", {})
    return dict(_inline(schema, parts))


def _inline(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inline(parts[node["$ref"].rsplit("/", 1)[1]], parts)
    return {key: _inline(value, parts) for key, value in node.items() if key != "title"}


def to_yaml(node: Any, depth: int = 0) -> str:
    """Return `node` as block YAML whose scalars are JSON, so that no YAML library is needed to write it."""
    pad = "  " * depth
    if isinstance(node, dict) and node:
        return "".join(f"{pad}{_name(key)}:{_value(value, depth)}" for key, value in node.items())
    if isinstance(node, list) and node:
        return "".join(f"{pad}-{_value(value, depth)}" for value in node)
    return f"{pad}{json.dumps(node, ensure_ascii=False)}\n"


def _name(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key)


def _value(value: Any, depth: int) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + to_yaml(value, depth + 1)
    return " " + to_yaml(value)
