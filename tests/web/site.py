"""The real web application with people signed in; every answer is held against what is documented."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from multidict import CIMultiDict
from sqlalchemy.ext.asyncio import AsyncSession

from people.access.audience import Viewer
from people.model import Session
from people.sessions import token_hash
from press3.features import entry_kinds
from recordings.access import audio_root
from recordings.model import Recording
from tests.appeals.world import NOON, World
from web.api import PATH_PARAMETERS, Operation
from web.app import build
from web.deps import WebDeps
from web.problems import PROBLEMS, type_uri
from web.routes.all import OPERATIONS
from web.schemas import ProblemDocument

__all__ = ["Answer", "Site", "nothing_pressed", "operation_of"]

BASE = "/api/v1"


async def nothing_pressed(
    session: AsyncSession, day: date, hidden: Collection[int]
) -> Mapping[str, Any]:
    """Be the reconciliation of a PBX on which nobody pressed."""
    counts = {"pressed": 0, "registered": 0, "recorded": 0}
    return {**counts, "sources": [], "differences": []}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]
    raw: bytes = b""

    @property
    def problem(self) -> str:
        """The slug of the problem type."""
        return str(self.body["type"]).rsplit(":", 1)[1]


@dataclass
class Site:
    """`await site.get("/appeals", by=person)`: checks the answer against the declared models."""

    world: World
    data_dir: Path
    extra: dict[str, Any] = field(default_factory=dict)
    operations: Sequence[Operation] = OPERATIONS
    _client: TestClient[Any, Any] | None = None

    def deps(self) -> WebDeps:
        world = self.world
        deps = WebDeps(
            sessions=world.sessions,
            writer=world.writer,
            now=lambda: world.now,
            data_dir=self.data_dir,
            entry_kinds=entry_kinds(),
        )
        return replace(deps, **self.extra)

    async def client(self) -> TestClient[Any, Any]:
        if self._client is None:
            self._client = TestClient(TestServer(build(self.deps(), self.operations)))
            await self._client.start_server()
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def token(self, person: Viewer) -> str:
        """Sign `person` in without his password."""
        token = f"token-{person.id}"

        async def work(session: AsyncSession) -> None:
            if await session.get(Session, token_hash(token)) is None:
                session.add(
                    Session(
                        token_hash=token_hash(token),
                        employee_id=person.id,
                        created_at=NOON,
                        expires_at=NOON + timedelta(days=365),
                    )
                )

        await self.world.writer.run(work)
        return token

    async def get(self, path: str, **asked: Any) -> Answer:
        return await self.ask("GET", path, **asked)

    async def post(self, path: str, **asked: Any) -> Answer:
        return await self.ask("POST", path, **asked)

    async def patch(self, path: str, **asked: Any) -> Answer:
        return await self.ask("PATCH", path, **asked)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        by: Viewer | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        client = await self.client()
        sent = CIMultiDict(headers or {})
        if by is not None:
            sent["Authorization"] = f"Bearer {await self.token(by)}"
        async with client.request(method, BASE + path, headers=sent, **options) as response:
            answer = await _read(response)
        check(operation_of(method, path, self.operations), answer)
        return answer

    async def add_recording(self, call: str | None, *, audio: bytes = b"", **values: Any) -> int:
        """Add a converted recording whose browser copy holds `audio`."""
        root = audio_root(self.data_dir)
        root.mkdir(parents=True, exist_ok=True)
        row = Recording(
            **{
                "pbx": "main",
                "call_id": call,
                "remote_path": f"/monitor/{call}.wav",
                "state": "converted",
                "duration_s": 1.5,
                "media_type": "audio/mpeg",
                "audio_path": "a.mp3",
                "peaks_path": "a.json",
                **values,
            }
        )
        (root / "a.mp3").write_bytes(audio)
        (root / "a.json").write_text('{"rate":10,"scale":255,"peaks":[0,128,255]}')

        async def work(session: AsyncSession) -> int:
            session.add(row)
            await session.flush()
            return row.id

        return await self.world.writer.run(work)


async def _read(response: ClientResponse) -> Answer:
    raw = await response.read()
    is_json = response.content_type.endswith("json") and raw
    body = await response.json(content_type=None) if is_json else None
    return Answer(response.status, body, response.headers, raw)


def operation_of(
    method: str, path: str, operations: Sequence[Operation] = OPERATIONS
) -> Operation | None:
    """Return the operation that is declared for a request."""
    for operation in operations:
        pattern = re.sub(r"{(\w+)}", lambda m: PATH_PARAMETERS[m[1]], operation.path)
        if operation.method == method and re.fullmatch(pattern, path.partition("?")[0]):
            return operation
    return None


def check(operation: Operation | None, answer: Answer) -> None:
    """Hold an answer against its declaration: exactly those fields, or a known problem."""
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if answer.status >= 400:
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        document = ProblemDocument.model_validate(answer.body)
        known = {type_uri(slug): problem for slug, problem in PROBLEMS.items()}
        assert document.type in known, document.type
        assert document.status == answer.status
        assert "Traceback" not in answer.raw.decode()
        return
    assert operation is not None, "the request is not declared"
    if operation.may_lose_sight and answer.status == 204:
        assert answer.raw == b""
    elif operation.answers is not None:
        assert answer.status == operation.status
        operation.answers.model_validate(answer.body)
