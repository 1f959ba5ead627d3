"""Ports that are ours before, between and after their user has them: tests in parallel never take the same.

Whoever looks for a free port tries both its sides (`press3.demo.asterisk.free_port_range`). So the side that
a port's user does not need is held for as long as the port is his: also while a telephone is unplugged and
while an Asterisk is killed and not yet back.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from press3.demo.asterisk import free_port_range
from press3.demo.pbx_files import PbxPorts

__all__ = ["TCP", "UDP", "held_pbx_ports", "held_ports"]

TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


@contextmanager
def held_ports(count: int, *, side: socket.SocketKind = TCP) -> Iterator[int]:
    """Find `count` free ports in a row and hold their `side`, which their user does not need, for the block."""
    while True:
        first = free_port_range(count)
        with ExitStack() as held:
            try:
                for port in range(first, first + count):
                    held.enter_context(socket.socket(socket.AF_INET, side)).bind(
                        ("127.0.0.1", port)
                    )
            except OSError:  # another process was faster, or is just looking at one of them
                continue
            yield first
            return


@contextmanager
def held_pbx_ports() -> Iterator[PbxPorts]:
    """The ports of an Asterisk, its own for the length of the block, whether it runs or not.

    Its RTP ports lie apart, where nobody looks for others.
    """
    with held_ports(1, side=UDP) as ami, held_ports(1) as sip:
        yield PbxPorts(ami=ami, sip=sip)
