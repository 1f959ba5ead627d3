"""Ask the real web server in raw bytes, as no client library would, and hold every answer to its promise."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from people.door import Door, DoorLimits
from press3.listening import Port
from tests.web.site import Site
from web.app import build
from web.problems import PROBLEMS, type_uri
from web.schemas import ProblemDocument

__all__ = ["Asked", "asking"]

LONGEST_REFUSAL = 16_384
_AT_ONCE = 8
_TYPES = {type_uri(slug) for slug in PROBLEMS}


@dataclass
class Asked:
    """`faults` are the answers that broke the promise: never a 5xx, always a problem document, briefly."""

    port: int
    token: str
    count: int = 0
    faults: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        signed_in: bool = True,
    ) -> bytes:
        lines = [f"{method} {path} HTTP/1.1"]
        names = {name.lower() for name, _ in headers}
        if "host" not in names:
            lines.append("Host: desk.test")
        lines += [f"{name}: {value}" for name, value in headers]
        if signed_in and "authorization" not in names and "cookie" not in names:
            lines.append(f"Authorization: Bearer {self.token}")
        if body and "content-type" not in names:
            lines.append("Content-Type: application/json")
        if not names & {"content-length", "transfer-encoding"}:
            lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body

    async def all(self, requests: Iterable[bytes]) -> None:
        """Ask all of them, some at a time."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(request: bytes) -> None:
            async with turns:
                await self._ask(request)

        async with asyncio.TaskGroup() as tasks:
            for request in requests:
                tasks.create_task(one(request))

    async def _ask(self, request: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(30):
                answer = await reader.read()
        except (ConnectionError, TimeoutError) as error:
            self._fault(request, repr(error))
            return
        finally:
            writer.close()
        self.count += 1
        if said := self._judge(answer):
            self._fault(request, said)

    def _fault(self, request: bytes, said: str) -> None:
        self.faults.append(f"{request[:160]!r} ({len(request)} bytes): {said}")

    def _judge(self, answer: bytes) -> str:
        answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1."):
            return f"no answer: {answer[:80]!r}"
        status, headers = int(head.split()[1]), head.decode("latin-1").lower()
        self.statuses.add(status)
        if status >= 500:
            return f"{status}: {body[:200]!r}"
        if "\r\nserver:" in headers or "x-content-type-options: nosniff" not in headers:
            return f"headers: {headers}"
        if status < 400:
            return ""
        if len(body) > LONGEST_REFUSAL:
            return f"{len(body)} bytes to refuse it"
        return _not_a_problem(status, headers, body)


def _not_a_problem(status: int, headers: str, body: bytes) -> str:
    if "content-type: application/problem+json" not in headers:
        return f"{status} without a problem document: {body[:200]!r}"
    if not body:
        return ""  # of HEAD
    document = ProblemDocument.model_validate(json.loads(body))
    if document.type not in _TYPES or document.status != status or "Traceback" in body.decode():
        return f"{status}: {body[:300]!r}"
    return ""


@asynccontextmanager
async def asking(site: Site, token: str) -> AsyncIterator[Asked]:
    """Serve the site on a port, with the limits of the service."""
    door = Door(DoorLimits())
    port = await Port.listen(build(site.deps()), "", "127.0.0.1", 0, door=door)
    running = asyncio.create_task(port.run())
    yield Asked(port.number, token)
    await port.stop_accepting()
    await port.finish()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
