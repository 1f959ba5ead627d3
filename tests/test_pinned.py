"""What builds, installs and runs press3 is pinned with hashes: each command that installs is looked at."""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import hatch_build

ROOT = Path(__file__).parent.parent
# What a stranger or a machine runs to install press3, to build it or to test it.
WORKFLOWS = sorted(
    path
    for pattern in (
        "Makefile", "README.md", "CONTRIBUTING.md", "hatch_build.py", "docs/**/*.md", "scripts/*.sh", ".ci/*",
        "deploy/**/*", ".github/**/*.y*ml", "Dockerfile*", "**/*.Dockerfile",
    )
    for path in ROOT.glob(pattern)
    if path.is_file() and "node_modules" not in path.parts and ".venv" not in path.parts
)  # fmt: skip
LOCKS = ["requirements.lock", *(f"requirements-{name}.lock" for name in ("dev", "build", "tools"))]

_PIP = re.compile(r"\b(?:pip3?|pipx|uv)\b.*?\b(?:install|wheel|sync|download)\b(?P<rest>.*)")
_NPM = re.compile(
    r"\bnpm\b.{0,20}\b(?:ci|install|i|add)\b(?P<rest>.*)|_run\(\"(?:ci|install|i)\"(?P<run>.*)"
)
_BY_NAME = re.compile(r"\b(?:npx|uvx|pipx|pip-run|bunx|yarn|pnpm)\s+\S|\buv tool (?:install|run)\b")
_PIPED = re.compile(r"\b(?:curl|wget)\b.*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b")
_ACTION = re.compile(r"^\s*-?\s*uses:\s*(?P<what>\S+)")


def commands(text: str) -> Iterator[str]:
    """Yield the lines of `text`, those that go on behind a backslash joined."""
    yield from text.replace("\\\n", " ").splitlines()


def fault(line: str) -> str | None:
    """Return what `line` installs without a pin, None when nothing."""
    if (found := _PIP.search(line)) and not _is_pinned(found["rest"]):
        return "neither --require-hashes nor our own code without dependencies"
    if (found := _NPM.search(line)) and not _is_locked(line, found):
        return "npm other than `npm ci --ignore-scripts`"
    if _BY_NAME.search(line):
        return "a tool fetched by its name"
    if _PIPED.search(line):
        return "a script piped from the network"
    if (found := _ACTION.match(line)) and not re.search(r"@[0-9a-f]{40}$|^\./", found["what"]):
        return "an action that is not pinned by its commit"
    return None


def _is_pinned(rest: str) -> bool:
    if "--require-hashes" in rest:
        return "-r" in rest.split()
    ours = "--no-deps" in rest.split()
    return ours and ("--no-build-isolation" in rest or "--no-index" in rest)


def _is_locked(line: str, found: re.Match[str]) -> bool:
    rest = found["rest"] if found["rest"] is not None else found["run"]
    return "--ignore-scripts" in rest and bool(re.search(r"\bci\b", line))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_installed_unpinned(path: Path) -> None:
    wrong = {line.strip(): why for line in commands(path.read_text()) if (why := fault(line))}
    assert wrong == {}


@pytest.mark.parametrize(
    "line",
    [
        "pip install uv",
        ".tools/bin/pip install --quiet uv==0.13.9",
        "/opt/press3/bin/pip install --no-deps .",
        "uv pip install --python .venv/bin/python -e .",
        "python -m pip install -r requirements.lock",
        "pip install --require-hashes hatchling",
        "$(UV) pip install \\\n  --quiet press3",
        "npm ci",
        "npm install --ignore-scripts",
        "npm --prefix web/ui ci --no-audit",
        '_run("ci", "--no-audit")',
        "npx vite build",
        "uvx ruff check",
        "uv tool install ruff",
        "curl -LsSf https://example.org/install.sh | sh",
        "    - uses: actions/checkout@v4",
    ],
)
def test_an_unpinned_line_is_found(line: str) -> None:
    assert [fault(each) for each in commands(line)] != [None]


@pytest.mark.parametrize(
    "line",
    [
        "pip install --require-hashes -r requirements.lock",
        "pip install --no-deps --no-build-isolation -e .",
        "npm ci --ignore-scripts",
        "npm run build",
        "    - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8",
        "apt-get install -y chromium",
    ],
)
def test_a_pinned_line_is_left_alone(line: str) -> None:
    assert fault(line) is None


@pytest.mark.parametrize("name", LOCKS)
def test_each_line_of_a_lock_has_a_version_and_hashes(name: str) -> None:
    entries = [each for each in commands((ROOT / name).read_text()) if each[:1].isalnum()]
    assert entries
    assert [e for e in entries if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", e)] == []


def test_the_build_requires_what_its_lock_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "requirements-build.lock").read_text()
    for wanted in (*project["build-system"]["requires"], hatch_build.NODE_WHEEL):
        assert re.search(rf"^{re.escape(wanted)} ", lock, re.MULTILINE), wanted


def test_npm_runs_no_script_of_a_package_whoever_calls_it() -> None:
    assert "ignore-scripts=true" in (ROOT / "web/ui/.npmrc").read_text().splitlines()


def _licences() -> list[tuple[str, str]]:
    """Return each library that press3 itself names, with the licence that it declares."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(each for extra in extras for each in extra)]
    names = [re.match(r"[A-Za-z0-9_.-]+", each)[0] for each in wanted]  # type: ignore[index]
    found = []
    for name in names:
        try:
            found.append((name, metadata.metadata(name).get("License-Expression") or ""))
        except metadata.PackageNotFoundError:
            found.append((name, ""))  # of another version of Python, or an extra
    screen = json.loads((ROOT / "web/ui/package.json").read_text())
    packages = json.loads((ROOT / "web/ui/package-lock.json").read_text())["packages"]
    named = {**screen["dependencies"], **screen["devDependencies"]}
    return found + [(name, packages[f"node_modules/{name}"]["license"]) for name in named]


@pytest.mark.parametrize(("name", "licence"), _licences())
def test_the_notice_names_each_library_with_its_licence(name: str, licence: str) -> None:
    notice = " ".join((ROOT / "NOTICE").read_text().split())
    found = re.search(rf"(?:^| ){re.escape(name)} ([^,.]*(?:\.0[^,.]*)*)", notice, re.IGNORECASE)
    assert found is not None
    assert licence in found[1]
