"""The ports of the web server: one application behind a runner, its connections let in by the door."""

import asyncio
import errno
from collections.abc import Iterable

from aiohttp import web as aiohttp_web
from multidict import CIMultiDict

from people.door import Door, Guest
from press3.acceptor import Acceptor
from press3.errors import Press3Error
from web.client import address_of, is_trusted, place
from web.connection import Connection, Limits
from web.deps import Network

__all__ = ["Port", "cannot_listen", "counted_at", "in_url"]


class Port:
    """`await Port.listen(…)`, then `run` for ever; stopped by `stop_accepting` and, later, `finish`."""

    def __init__(self, runner: aiohttp_web.AppRunner, acceptor: Acceptor, host: str) -> None:
        self._runner = runner
        self._acceptor = acceptor
        self._host = host

    @classmethod
    async def listen(
        cls,
        app: aiohttp_web.Application,
        where: str,
        host: str,
        port: int,
        *,
        door: Door,
        proxies: tuple[Network, ...] = (),
    ) -> "Port":
        """Serve `app`; raises Press3Error, which names `where` in the configuration, when it can't listen."""
        runner = aiohttp_web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await runner.setup()
        server = runner.server
        if server is None:
            raise RuntimeError("a runner that is set up has a server")

        def connection(guest: Guest, peer: str) -> asyncio.Protocol:
            return Connection(server, guest, Limits(), from_proxy=is_trusted(peer, proxies))

        acceptor = Acceptor(door, connection)
        try:
            await acceptor.listen(host, port)
        except OSError as error:
            await runner.cleanup()
            raise cannot_listen(f"{where}{host}:{port}", error) from error
        return cls(runner, acceptor, host)

    @property
    def number(self) -> int:
        return self._acceptor.port

    @property
    def url(self) -> str:
        return f"http://{in_url(self._host)}:{self.number}"

    async def run(self) -> None:
        await self._acceptor.run()

    async def stop_accepting(self) -> None:
        await self._acceptor.close()

    async def finish(self) -> None:
        """Let requests end, then close what is open."""
        await self._runner.cleanup()


def counted_at(proxies: tuple[Network, ...], peer: str, headers: Iterable[tuple[str, str]]) -> str:
    """Return where a client counts that comes from `peer`, which may be one of `proxies`."""
    return place(address_of(peer, CIMultiDict(headers), proxies))


def cannot_listen(where: str, error: OSError) -> Press3Error:
    """Return the error that says why nobody can be listened to."""
    hint = "; is another press3 running?" if error.errno == errno.EADDRINUSE else ""
    return Press3Error(f"can't listen on {where}: {error.strerror}{hint}")


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
