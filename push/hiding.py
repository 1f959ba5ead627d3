"""What was written before an employee was accused, as it may still be shown to them afterwards."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from appeals.case.conflicts import Hidden
from store.outbox import Message

__all__ = ["card_without", "messages_without"]


def card_without(card: dict[str, Any], hidden: Hidden) -> dict[str, Any]:
    """Return the data of a `pop.shown` without the appeals about its reader. Pure."""
    if not hidden:
        return card
    appeal = None if card.get("appeal") in hidden.appeals else card.get("appeal")
    others = [n for n in card.get("open_appeals", ()) if n not in hidden.appeals]
    return {**card, "appeal": appeal, "open_appeals": others}


def messages_without(messages: Iterable[Message], hidden: Hidden) -> Iterator[Message]:
    """Yield what of `messages` may be told again to an accused. Pure.

    An appeal about them becomes its number and version; of a call of such an appeal neither the caller
    nor the number of the appeal is said again, and what else names the appeal is left out.
    """
    for message in messages:
        if not hidden:
            yield message
        elif message.type == "pop.shown":
            yield replace(message, data=_shown(message.data, hidden))
        elif message.type.startswith("appeal.") and message.data.get("number") in hidden.appeals:
            data = {"number": message.data["number"], "version": message.data["version"]}
            yield replace(message, data=data | {"hidden": True})
        elif message.type == "call.ended" and message.data.get("call") in hidden.calls:
            yield replace(message, data=message.data | {"appeal": None})
        elif not _names(message.data, hidden):
            yield message


def _shown(card: dict[str, Any], hidden: Hidden) -> dict[str, Any]:
    told = card_without(card, hidden)
    if card.get("call") not in hidden.over:
        return told  # the telephone rings or talks: it shows the number itself
    nobody = {"raw": "", "e164": None, "name": None, "kind": "anonymous"}
    return told | {"caller": nobody, "customer": None}


def _names(data: dict[str, Any], hidden: Hidden) -> bool:
    named = {data.get("number"), data.get("appeal")}
    return not named.isdisjoint(hidden.appeals)
