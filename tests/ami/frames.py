"""Events as Asterisk 22.10 sends them (captured), to be varied by the tests."""

__all__ = ["CHANNEL", "frame", "snapshot"]

CHANNEL = {
    "Channel": "PJSIP/trunk-00000001",
    "ChannelState": "6",
    "ChannelStateDesc": "Up",
    "CallerIDNum": "+79111234567",
    "CallerIDName": "Иван|П",
    "ConnectedLineNum": "<unknown>",
    "ConnectedLineName": "<unknown>",
    "Language": "ru",
    "AccountCode": "",
    "Context": "press3-menu",
    "Exten": "s",
    "Priority": "5",
    "Uniqueid": "lab-1795286023.0",
    "Linkedid": "lab-1795286023.0",
}


def snapshot(prefix: str = "", **changes: str) -> dict[str, str]:
    """The headers of a channel, each with `prefix`; `changes` replaces values by their plain name."""
    return {prefix + name: value for name, value in (CHANNEL | changes).items()}


def frame(event: str, *parts: dict[str, str], at: str = "1795286023.657211") -> bytes:
    """The bytes of an event, without its end."""
    headers = {"Event": event, "Privilege": "call,all", "Timestamp": at, "SystemName": "lab"}
    for part in parts:
        headers |= part
    return "\r\n".join(f"{name}: {value}" for name, value in headers.items()).encode()
