"""Run by `bench.ami_read` in the peer's own environment: `peer_asterisk_ami.py STREAM`.

asterisk-ami reads the stream as it does from a socket, by its own loop and buffer size, with one
listener for the wanted types; the socket is memory, so that no time goes to the system. Prints wall
seconds, CPU seconds and the number of wanted events.
"""

import sys
import threading
import time
from pathlib import Path

from asterisk.ami import AMIClient

WANTED = ["Newchannel", "Newstate", "DialBegin", "BridgeEnter", "Hangup", "QueueCallerJoin"]


class Memory:
    """As much of a socket as the client uses."""

    def __init__(self, stream: bytes) -> None:
        self._stream, self._at = stream, 0

    def recv(self, size: int) -> bytes:
        piece = self._stream[self._at : self._at + size]
        self._at += size
        return piece

    def close(self) -> None:
        pass


def main() -> None:
    stream = b"Asterisk Call Manager/5.0.2\r\n" + Path(sys.argv[1]).read_bytes()
    client, seen = AMIClient(), []
    client.add_event_listener(lambda event, **_: seen.append(None), white_list=WANTED)
    client._socket, client.finished = Memory(stream), threading.Event()  # noqa: SLF001 - no other way in
    wall, cpu = time.perf_counter(), time.process_time()
    client.listen()
    print(time.perf_counter() - wall, time.process_time() - cpu, len(seen))


if __name__ == "__main__":
    main()
