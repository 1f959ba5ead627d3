"""Functions of at most 40 lines, modules of at most 400; what is longer is listed and may only shrink."""

import ast
from collections.abc import Iterator

from tests.sources import ROOT, documented, modules

FUNCTION_LINES = 40  # without its docstring
MODULE_LINES = 400

FUNCTIONS: dict[str, int] = {
    "calls/tracker.py:__init__": 50,
}
MODULES: dict[str, int] = {
    "web/schemas.py": 453,
}


def _functions(source: str) -> Iterator[tuple[str, int]]:
    for node in documented(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, _lines(node)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    has_docstring = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - docstring


def test_functions_are_short() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{name}": lines
        for path in modules()
        for name, lines in _functions(path.read_text())
        if lines > FUNCTION_LINES
    }
    assert found == FUNCTIONS


def test_modules_are_short() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules()}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == MODULES


def test_a_docstring_does_not_count() -> None:
    source = 'def f(\n    a: int,\n) -> int:\n    """One.\n\n    Two.\n    """\n    return a\n'
    assert list(_functions(source)) == [("f", 4)]
