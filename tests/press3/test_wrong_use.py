"""What can't work is said as wrong use (exit code 2), before anything is started."""

from pathlib import Path

import pytest

from press3.errors import ConfigError, Press3Error
from press3.menu_files import render_files
from press3.service import serve
from press3.settings import Settings


def settings(folder: Path, pbx: dict[str, object], **more: object) -> Settings:
    service = {"data_dir": str(folder / "data")}
    return Settings.model_validate({"service": service, "asterisk": [pbx], **more})


@pytest.mark.parametrize(
    ("pbx", "said"),
    [
        ({}, "neither secret nor secret_file is set"),
        ({"secret": ""}, "it is empty"),
        ({"secret": "a\r\nAction: Originate"}, "line break"),
        ({"secret_file": "binary"}, "no text in UTF-8"),
        ({"secret_file": "absent"}, "No such file"),
    ],
)
async def test_a_secret_that_can_be_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pbx: dict[str, object], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    found = settings(tmp_path, pbx)
    with pytest.raises(ConfigError, match=said):
        await serve(found)
    assert not (tmp_path / "data").exists()
    with pytest.raises(ConfigError, match=said):
        render_files(found)


@pytest.mark.parametrize(
    ("ivr", "said"),
    [
        ({"keys": {"3": "hangup"}}, "3 always opens a complaint"),
        ({"members": ["PJSIP/1\nsecret = x"]}, "can't be written"),
        ({"queue_timeout": "fly"}, "is no action"),
    ],
)
def test_a_menu_that_can_not_be_rendered(tmp_path: Path, ivr: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        render_files(settings(tmp_path, {"secret": "x"}, ivr=ivr))


async def test_a_database_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    database = {"url": f"sqlite+aiosqlite:///{tmp_path}/absent/press3.db"}
    with pytest.raises(Press3Error, match="can't be opened: No such file"):
        await serve(settings(tmp_path, {"secret": "x"}, database=database))
