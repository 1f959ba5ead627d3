"""The product's own source, for tests of how it is written."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = (
    "ami", "store", "people", "calls", "ivr", "customers", "recordings", "appeals", "telephony", "push", "web",
    "press3",
)  # fmt: skip

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Iterator[Path]:
    """Yield every module of the product, migrations left out: those are never changed."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts and path.parent.name != "versions":
                yield path


def folder(path: Path) -> str:
    """Return the folder of `path` as the tables of the tests name it."""
    return path.parent.relative_to(ROOT).as_posix()


def documented(source: str) -> Iterator[Documented]:
    """Yield the module, its classes and its functions."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Documented):
            yield node


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, docstring) of the module, its classes and its functions."""
    for node in documented(source):
        if (text := ast.get_docstring(node)) is not None:
            yield node.body[0].lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, comment); lines that stand directly below each other are one comment."""
    first, last, lines = 0, -1, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1 and lines:
            yield first, " ".join(lines)
            lines = []
        if not lines:
            first = token.start[0]
        lines.append(token.string.lstrip("# "))
        last = token.start[0]
    if lines:
        yield first, " ".join(lines)
