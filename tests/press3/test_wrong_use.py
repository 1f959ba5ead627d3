"""What can't work is said as wrong use (exit code 2), before anything is started."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from press3.config.settings import Settings, load
from press3.errors import ConfigError, Press3Error
from press3.menu_files import render_files, write_files
from press3.service import serve
from tests.waiting import until


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


async def test_serve_without_a_pbx_warns_that_nothing_is_heard(tmp_path: Path) -> None:
    port = {"port": 0}
    found = Settings.model_validate({"service": {"data_dir": tmp_path / "data"}, "http": port})
    with capture_logs() as logs:
        serving = asyncio.create_task(serve(found))
        try:
            await until(
                lambda: serving.done() or any("no [[asterisk]]" in line["event"] for line in logs)
            )
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
    (said,) = [line for line in logs if "no [[asterisk]]" in line["event"]]
    assert (said["log_level"], "secret_file" in said["remedy"]) == ("warning", True)


async def test_a_database_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    database = {"url": f"sqlite+aiosqlite:///{tmp_path}/absent/press3.db"}
    with pytest.raises(Press3Error, match="can't be opened: No such file"):
        await serve(settings(tmp_path, {"secret": "x"}, database=database))


WRONG_MENUS = [
    ('[ivr]\nno_choice = "fly"\n', "line 4: ivr.no_choice: 'fly' is no action"),
    ('[ivr]\nrounds = 3\nqueue_timeout = "goto:a"\n', "line 5: ivr.queue_timeout: goto: 'a' is not CONTEXT"),
    ('[ivr.keys]\n"1" = "menu"\n"*" = "queue:a b"\n', "line 5: ivr.keys.*: queue: 'a b' can't be written"),
    ('[ivr.keys]\n"33" = "menu"\n', "line 4: ivr.keys.33: '33' is not one key"),
    ('[ivr]\nmembers = [\n  "PJSIP/101",\n  "101",\n]\n', "line 4: ivr.members: '101' can't be written to Asterisk's configuration: write PJSIP/101"),
    ('[ivr]\nring_s = 0\n', "line 4: ivr.ring_s: 0 is not between"),
    ('[ivr.prompts]\ngreeting = ["../x"]\n', "line 4: ivr.prompts.greeting: '../x'"),
    ('[[ivr.observe]]\ncontext = "a"\nexten = "3"\n[[ivr.observe]]\ncontext = "b c"\nexten = "3"\n', "line 7: context of the second [[ivr.observe]]: 'b c'"),
    ('permit = ["anywhere"]\n', "line 3: permit of the first [[asterisk]]: 'anywhere'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG_MENUS)
def test_a_menu_fault_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f"[[asterisk]]\nsecret = 'x'\n{text}")
    file.chmod(0o600)
    with pytest.raises(ConfigError) as error:
        render_files(load(file), file)
    assert said in str(error.value)
    assert str(file) in str(error.value)


def test_several_pbxs_are_rendered_into_a_folder_each(tmp_path: Path) -> None:
    pbxs = [{"name": "main", "secret": "one"}, {"name": "branch", "secret": "two"}]
    observe = [{"asterisk": "branch", "context": "ivr-7", "exten": "3"}]
    found = Settings.model_validate({"asterisk": pbxs, "ivr": {"observe": observe}})
    files = render_files(found)
    assert len(files) == 8
    assert {name.split("/")[0] for name in files} == {"main", "branch"}
    assert "secret = one" in files["main/manager_press3.conf"]
    assert "Newexten" not in files["main/manager_press3.conf"]
    assert "secret = two" in files["branch/manager_press3.conf"]
    assert "Newexten" in files["branch/manager_press3.conf"]
    assert render_files(found.model_copy(update={"asterisk": found.asterisk[:1]})).keys() == {
        name.removeprefix("main/") for name in files if name.startswith("main/")
    }


def test_a_folder_that_can_not_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(Press3Error, match=r"can.t be written.*choose another folder"):
        write_files({"extensions_press3.conf": "[press3-menu]\n"}, tmp_path / "file" / "out")
