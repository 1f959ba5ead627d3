"""Calls that a fake AMI peer tells of, and when each of their events was at the socket."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from bench.screens import LightScreen
from tests.e2e.desk import Screen
from tests.fakes.ami_peer import AmiPeer, message

__all__ = ["FakeCalls", "Measured"]


class Measured:
    """When each call's event was at the AMI socket; what the screens were told is compared with it."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, str], float] = {}

    def note(self, kind: str, call: str, at: float | None = None) -> None:
        self.sent.setdefault((kind, call), time.perf_counter() if at is None else at)

    def took_ms(self, kind: str, screens: Sequence[Screen | LightScreen]) -> list[float]:
        """Return, sorted, how long each call's first message of `kind` took."""
        first: dict[str, float] = {}
        for screen in screens:
            for event, at in zip(screen.events, screen.arrived, strict=False):
                if event["type"] == kind:
                    call = event["data"]["call"]
                    first[call] = min(at, first.get(call, at))
        return sorted(
            (first[call] - at) * 1000
            for (what, call), at in self.sent.items()
            if what == kind and call in first
        )


class FakeCalls:
    """Calls that press 3 and ring one operator, as a PBX tells them."""

    def __init__(self, peer: AmiPeer, measured: Measured, operators: Sequence[str]) -> None:
        self._peer = peer
        self.measured = measured
        self._operators = operators
        self._epoch = int(time.time())

    def _channel(self, uniqueid: str, name: str, number: str, prefix: str = "") -> dict[str, str]:
        values = {
            "Channel": name,
            "ChannelState": "6",
            "ChannelStateDesc": "Up",
            "CallerIDNum": number,
            "CallerIDName": "Bench",
            "ConnectedLineNum": "<unknown>",
            "ConnectedLineName": "<unknown>",
            "Context": "press3-complaint",
            "Exten": "s",
            "Uniqueid": uniqueid,
            "Linkedid": uniqueid,
        }
        return {prefix + key: value for key, value in values.items()}

    def _tell(self, event: str, *parts: dict[str, str], **more: str) -> None:
        headers = {"Timestamp": f"{time.time():.6f}"}
        for part in (*parts, more):
            headers |= part
        self._peer.send(message(("Event", event), *headers.items()))

    def press(self, n: int) -> None:
        """Say that caller `n` came and pressed 3; the key is in AstDB before."""
        uniqueid, at = f"{self._epoch}.{2 * n}", f"{time.time():.3f}"
        number = f"+7911{n:07d}"
        customer = self._channel(uniqueid, f"PJSIP/trunk-{2 * n:08x}", number)
        key = f"press3/{datetime.now(UTC):%Y%m%d%H%M}/{uniqueid}-{n:06d}"
        value = f"2|{uniqueid}|{uniqueid}|{at}|{number}|Bench|100|main|press3"
        self._peer.astdb[key] = value
        self._tell("Newchannel", customer)
        self.measured.note("appeal.opened", f"main-{uniqueid}")
        self._tell("UserEvent", customer, UserEvent="Press3", Key=key, At=at, Queue="press3")

    def ring(self, n: int) -> None:
        """Say that caller `n`'s queue rings an operator."""
        uniqueid, operator = f"{self._epoch}.{2 * n}", self._operators[n % len(self._operators)]
        customer = self._channel(uniqueid, f"PJSIP/trunk-{2 * n:08x}", f"+7911{n:07d}")
        name, leg = f"PJSIP/{operator}-{2 * n + 1:08x}", f"{self._epoch}.{2 * n + 1}"
        phone = self._channel(leg, name, operator) | {
            "Linkedid": uniqueid,
            "Context": "from-internal",
        }
        dest = {f"Dest{key}": value for key, value in phone.items()} | {
            "DestChannelStateDesc": "Ringing"
        }
        self._tell("Newchannel", phone)
        self.measured.note("pop.shown", f"main-{uniqueid}")
        self._tell("DialBegin", customer, dest, DialString=f"PJSIP/{operator}")

    def hang_up(self, n: int) -> None:
        uniqueid, operator = f"{self._epoch}.{2 * n}", self._operators[n % len(self._operators)]
        leg = self._channel(
            f"{self._epoch}.{2 * n + 1}", f"PJSIP/{operator}-{2 * n + 1:08x}", operator
        )
        customer = self._channel(uniqueid, f"PJSIP/trunk-{2 * n:08x}", f"+7911{n:07d}")
        self._tell("Hangup", leg, Cause="26")
        self._tell("Hangup", customer, Cause="16")
