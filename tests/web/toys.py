"""Routes that no feature has yet: one that sets the whole of something, one that takes a large body."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from appeals.case.errors import NotFound
from appeals.case.model import Category
from web.api import Ask, Given, Nothing, Operation, Reply, Written, post, put
from web.streamed import Streamed

__all__ = ["FILE_LIMIT_BYTES", "TOYS", "inbox"]

FILE_LIMIT_BYTES = 300_000


class ToyName(Given):
    name: str


class Toy(BaseModel):
    code: str
    name: str


async def _toy(ask: Ask[Any, Any], written: Written) -> Reply:
    row = await ask.session.get(Category, written.reference)
    if row is None:
        raise NotFound("toy", written.reference or "")
    return Reply(body={"code": row.code, "name": row.name})


@put("/toys/{number}", body=ToyName, answers=Toy, answer=_toy)
async def set_toy(ask: Ask[Nothing, ToyName]) -> Written:
    """Set a toy. It is made when it is not there yet."""
    code = f"toy{ask.number('number')}"
    await ask.session.merge(Category(code=code, name=ask.body.name))
    return Written(reference=code)


def inbox(data_dir: Path) -> Path:
    """Return the folder of files that are being received."""
    return data_dir / "toys"


@dataclass(frozen=True)
class File:
    path: Path
    digest: str


@asynccontextmanager
async def _received(ask: Ask[Any, Any]) -> AsyncIterator[File]:
    assert ask.stream is not None
    folder = inbox(ask.deps.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / str(id(ask))
    try:
        with path.open("wb") as file:
            async for piece in ask.stream:
                file.write(piece)
        yield File(path, ask.stream.digest().hex())
    finally:
        path.unlink()


@post(
    "/toy-files",
    streamed=Streamed(
        media_types=("application/octet-stream",), limit_bytes=FILE_LIMIT_BYTES, pause_s=0.5
    ),
    answers=Toy,
    answer=_toy,
    prepare=_received,
    status=201,
)
async def add_toy_file(ask: Ask[Nothing, Nothing]) -> Written:
    """Add a file. Its size becomes the name of a toy."""
    file: File = ask.ready
    code = file.digest[:16]
    await ask.session.merge(Category(code=code, name=f"{file.path.stat().st_size} bytes"))
    return Written(reference=code)


TOYS: tuple[Operation, ...] = (set_toy, add_toy_file)
