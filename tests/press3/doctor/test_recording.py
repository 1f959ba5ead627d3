"""What the doctor says of the last recordings, each looked for in real folders."""

from pathlib import Path

from press3.doctor.findings import Finding
from press3.doctor.recording import of_latest, remedy
from recordings import files
from recordings.settings import PathMap, RecordingSettings

REMOTE = Path("/var/spool/asterisk/monitor")


def examined(folder: Path, *names: str, local: str = "monitor") -> list[Finding]:
    """The findings of recordings `names` on the PBX, whose folder is said to be `local` here."""
    mapped = PathMap(asterisk="main", remote=REMOTE, local=folder / local)
    settings = RecordingSettings(
        roots=(), data_dir=folder / "data", maps=(mapped,), default_pbx="main"
    )
    paths = [name if name.startswith("/") else str(REMOTE / name) for name in names]
    return list(of_latest("main", [(path, files.look("main", path, settings)) for path in paths]))


def put(folder: Path, *names: str) -> None:
    (folder / "monitor").mkdir()
    for name in names:
        (folder / "monitor" / name).write_bytes(b"sound")


def test_all_are_there(tmp_path: Path) -> None:
    put(tmp_path, "a.gsm", "b.gsm")
    (said,) = examined(tmp_path, "a.gsm", "b.gsm")
    assert (said.level, said.what) == ("ok", "main: the last 2 recordings are there")


def test_nothing_recorded_lately_is_nothing_to_say(tmp_path: Path) -> None:
    assert examined(tmp_path) == []


def test_under_a_wrong_root_none_is_there(tmp_path: Path) -> None:
    put(tmp_path, "a.gsm", "b.gsm")
    (said,) = examined(tmp_path, "a.gsm", "b.gsm", local="elsewhere")
    assert said.level == "fail"
    newest = f"the newest {REMOTE}/b.gsm: {tmp_path}/elsewhere can't be read: "
    assert said.what.startswith(f"main: 2 of the last 2 recordings can't be reached, {newest}")


def test_one_that_the_pbx_wrote_outside_the_roots_is_a_failure(tmp_path: Path) -> None:
    put(tmp_path, "a.gsm")
    (said,) = examined(tmp_path, "a.gsm", "/srv/calls/b.gsm")
    assert said.level == "fail"
    assert said.what.startswith("main: 1 of the last 2 recordings can't be reached")


def test_each_way_to_lack_a_recording_is_said(tmp_path: Path) -> None:
    put(tmp_path, "a.gsm")
    found = examined(tmp_path, "a.gsm", "gone.gsm", "/srv/calls/b.gsm")
    assert [each.level for each in found] == ["fail", "warn"]
    assert f"1 of the last 3 recordings are not here, the newest {REMOTE}/gone.gsm" in found[1].what


def test_all_moved_away_is_a_failure(tmp_path: Path) -> None:
    put(tmp_path)
    (said,) = examined(tmp_path, "a.gsm")
    assert said.level == "fail"


def test_with_several_pbxs_a_mapped_one_needs_another_map(tmp_path: Path) -> None:
    """Its files in the roots would be refused, so naming the folder there does not help."""
    maps = (PathMap(asterisk="branch", remote=REMOTE, local=tmp_path),)
    several = RecordingSettings(roots=(REMOTE,), data_dir=tmp_path, maps=maps)
    assert "add it to [recordings] roots" in remedy("main", "/srv/calls", several)
    assert remedy("branch", "/srv/calls", several) == (
        "with several PBXs, one that has a map reads its maps only: set one more "
        "[[recordings.map]] asterisk = 'branch', remote = '/srv/calls', local"
    )
