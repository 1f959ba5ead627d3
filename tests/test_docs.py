"""Documents can't rot: every command, metric, configuration key, event and file they name is there."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from press3.cli import main
from press3.metrics import service_registry

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def commands(group: click.Group, prefix: str = "") -> list[str]:
    found: list[str] = []
    for name, command in group.commands.items():
        below = isinstance(command, click.Group)
        found += commands(command, f"{prefix}{name} ") if below else [prefix + name]  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("command", commands(main))
def test_every_command_is_in_the_readme(command: str) -> None:
    line = next(line for line in README.splitlines() if line.startswith("Commands: "))
    assert command in line


def test_every_metric_is_documented() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = {family.name for family in service_registry((), _Idle()).collect()}  # type: ignore[arg-type]
    assert names
    assert not [name for name in names if name not in text]


class _Idle:
    """A recording worker that has done nothing."""

    class counters:  # noqa: N801
        converted = failed = missing = refused = swept = 0


def test_every_field_note_names_tests_that_exist() -> None:
    text = (ROOT / "docs/field-notes.md").read_text(encoding="utf-8")
    named = re.findall(r"(?<=[`/])(tests/[\w/]+(?:\.py)?|test_[a-z0-9_]+)(?:\.py)?\b", text)
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))
    files = [name for name in named if name.startswith("tests/")]
    tests = [name for name in named if not name.startswith("tests/")]
    assert len(files) > 20
    assert not [name for name in files if not (ROOT / name).exists()]
    assert not [name for name in tests if f"def {name}(" not in source]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))
    dead = [link for link in links if not (document.parent / link).exists()]
    assert not dead, f"{document.name}: {dead}"


def test_no_document_names_a_registry_or_a_path_of_a_machine() -> None:
    bad = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|deb\.debian\.org|/root/|/work/")
    texts = {
        file: file.read_text(encoding="utf-8", errors="replace")
        for file in _committed()
        if file.exists()
    }
    assert not [str(file) for file, text in texts.items() if bad.search(text)]


def _committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in listed if (ROOT / name) != Path(__file__)]
