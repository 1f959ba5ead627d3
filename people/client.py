"""Where a request comes from, as far as sign-in and audit need to know."""

from dataclasses import dataclass

__all__ = ["ELSEWHERE", "Client", "short_agent"]

_AGENT_LENGTH = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`address` is shown and logged; `network` is what is counted together (an IPv6 client has a /64).

    `agent` is the shortened User-Agent, `device` the device cookie as it came; empty without one.
    """

    address: str = ""
    network: str = ""
    agent: str = ""
    device: str = ""


ELSEWHERE = Client()
"""No request: the command line, or the service itself."""


def short_agent(text: str) -> str:
    """Return a User-Agent fit for a list: one line of printable characters, at most 120."""
    return "".join(c for c in text if c.isprintable())[:_AGENT_LENGTH]
