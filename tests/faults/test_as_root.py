"""A test that ran as root of a namespace counts here as it did there; in CI nothing is skipped in silence."""

from pathlib import Path

import pytest

from tests.ci import skip
from tests.faults.as_root import again_as_root

HERE = ("env",)  # the test runs as whoever we are: what becomes of its result is asked here
OUTCOMES = {
    "passes": "def test_it():\n    assert True\n",
    "fails": "def test_it():\n    assert False, 'what it said'\n",
    "skips": "import pytest\n\ndef test_it():\n    pytest.skip('no room')\n",
}


@pytest.fixture
def there(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / "test_there.py"
    file.write_text(OUTCOMES[request.param])
    return f"{file}::test_it"


@pytest.mark.parametrize("there", ["passes"], indirect=True)
def test_passed_there_is_passed_here(there: str) -> None:
    again_as_root(there, into=HERE)


@pytest.mark.parametrize("there", ["fails"], indirect=True)
def test_failed_there_is_failed_here(there: str) -> None:
    with pytest.raises(AssertionError, match="what it said"):
        again_as_root(there, into=HERE)


@pytest.mark.parametrize(
    ("ci", "ends"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
@pytest.mark.parametrize("there", ["skips"], indirect=True)
def test_skipped_there_is_no_pass(
    there: str, ci: str, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ends, match="no room"):
        again_as_root(there, into=HERE)


def test_no_namespace_is_a_failure_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    refused = ("sh", "-c", "echo 'unshare: Operation not permitted' >&2; exit 1", "sh")
    with pytest.raises(pytest.fail.Exception, match="neither root nor unshare"):
        again_as_root("whatever", into=refused)


def test_what_ci_must_have_fails_there_and_is_skipped_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no disk"):
        skip("no disk")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no disk"):
        skip("no disk")
