"""Where a path from the PBX leads on this machine, and where it must not."""

import os
import stat
from pathlib import Path

import pytest

from recordings import files
from recordings.errors import Refused
from recordings.files import Absent, OutOfReach, Present
from recordings.settings import PathMap, RecordingSettings
from tests.recordings.sounds import unclosed, write_wav, write_wav49


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "monitor"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path: Path, root: Path) -> RecordingSettings:
    return RecordingSettings(roots=(root,), data_dir=tmp_path / "data")


def test_an_absolute_path_inside_a_root(root: Path, settings: RecordingSettings) -> None:
    path = write_wav(root / "2026/11/21/a.wav")
    seen = files.look("main", str(path), settings)
    assert isinstance(seen, Present)
    assert (seen.path, seen.size_bytes, seen.closed) == (path, path.stat().st_size, True)


def test_a_relative_path_is_under_the_monitor_root(root: Path, settings: RecordingSettings) -> None:
    path = write_wav(root / "2026/a.wav")
    assert isinstance(seen := files.look("main", "2026/a.wav", settings), Present)
    assert seen.path == path


def test_a_map_leads_to_the_mounted_folder_of_that_pbx_only(tmp_path: Path) -> None:
    local = tmp_path / "branch"
    path = write_wav(local / "x/a.wav")
    remote = Path("/var/spool/asterisk/monitor")
    maps = (PathMap(asterisk="branch", remote=remote, local=local),)
    settings = RecordingSettings(roots=(), maps=maps, data_dir=tmp_path / "data")
    assert isinstance(seen := files.look("branch", f"{remote}/x/a.wav", settings), Present)
    assert seen.path == path
    assert isinstance(files.look("main", f"{remote}/x/a.wav", settings), OutOfReach)
    assert files.remote_name(path, settings) == ("branch", f"{remote}/x/a.wav")


def test_the_most_precise_map_wins(tmp_path: Path) -> None:
    wide, narrow = tmp_path / "wide", tmp_path / "narrow"
    wide.mkdir()
    path = write_wav(narrow / "a.wav")
    maps = (
        PathMap(asterisk="main", remote=Path("/rec"), local=wide),
        PathMap(asterisk="main", remote=Path("/rec/q"), local=narrow),
    )
    settings = RecordingSettings(roots=(), maps=maps, data_dir=tmp_path / "data")
    assert isinstance(seen := files.look("main", "/rec/q/a.wav", settings), Present)
    assert seen.path == path


@pytest.mark.parametrize(
    "spelling",
    [
        "{out}/secret.wav",
        "{root}/../secret.wav",
        "../secret.wav",
        "a/../../secret.wav",
        "",
        "a\0.wav",
    ],
)
def test_escapes_are_refused(
    tmp_path: Path, root: Path, settings: RecordingSettings, spelling: str
) -> None:
    write_wav(tmp_path / "secret.wav")
    (root / "a").mkdir()
    seen = files.look("main", spelling.format(out=tmp_path, root=root), settings)
    assert isinstance(seen, OutOfReach)
    assert seen.code == "refused"


def test_links_out_of_the_roots_are_refused(
    tmp_path: Path, root: Path, settings: RecordingSettings
) -> None:
    secret = write_wav(tmp_path / "outside/secret.wav")
    (root / "file.wav").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    (root / "other.mp3").symlink_to(secret)
    for name in ("file.wav", "folder/secret.wav", "other.wav"):
        seen = files.look("main", name, settings)
        assert isinstance(seen, OutOfReach)
        assert seen.code == "refused"


def test_links_between_the_roots_are_followed(tmp_path: Path, root: Path) -> None:
    other = write_wav(tmp_path / "disk2/a.wav")
    (root / "a.wav").symlink_to(other)
    settings = RecordingSettings(roots=(root, other.parent), data_dir=tmp_path / "data")
    assert isinstance(seen := files.look("main", "a.wav", settings), Present)
    assert seen.path == other


def test_a_root_with_a_similar_name_is_not_inside(
    tmp_path: Path, settings: RecordingSettings
) -> None:
    path = write_wav(tmp_path / "monitor-private/a.wav")
    assert isinstance(files.look("main", str(path), settings), OutOfReach)


def test_a_pipe_or_folder_is_no_recording(root: Path, settings: RecordingSettings) -> None:
    os.mkfifo(root / "pipe.wav")
    (root / "folder.wav").mkdir()
    for name in ("pipe.wav", "folder.wav"):
        assert isinstance(files.look("main", name, settings), OutOfReach)


def test_absent_is_only_said_of_a_readable_root(
    tmp_path: Path, root: Path, settings: RecordingSettings
) -> None:
    assert isinstance(files.look("main", "no.wav", settings), Absent)
    root.rename(tmp_path / "unmounted")
    seen = files.look("main", f"{root}/no.wav", settings)
    assert isinstance(seen, OutOfReach)
    assert seen.code == "root"


def test_without_roots_nothing_can_be_known(tmp_path: Path) -> None:
    settings = RecordingSettings(roots=(), data_dir=tmp_path)
    assert isinstance(seen := files.look("main", "/a.wav", settings), OutOfReach)
    assert seen.code == "no_root"


def test_a_file_the_system_refuses_is_out_of_reach(settings: RecordingSettings) -> None:
    seen = files.look("main", "x" * 300 + ".wav", settings)  # as with permission or I/O errors
    assert isinstance(seen, OutOfReach)
    assert seen.code == "denied"


def test_wav49_is_written_as_WAV(root: Path, settings: RecordingSettings) -> None:  # noqa: N802
    path = write_wav49(root / "a.WAV")
    assert isinstance(seen := files.look("main", "a.wav49", settings), Present)
    assert seen.path == path


def test_what_a_post_command_made_of_it_is_found(root: Path, settings: RecordingSettings) -> None:
    (root / "a.mp3").write_bytes(b"x")
    assert isinstance(seen := files.look("main", "a.wav", settings), Present)
    assert seen.path.name == "a.mp3"


def test_an_unclosed_header_is_reported(root: Path, settings: RecordingSettings) -> None:
    unclosed(write_wav(root / "a.wav"))
    assert isinstance(seen := files.look("main", "a.wav", settings), Present)
    assert not seen.closed


def test_the_hash_is_of_the_original_and_follows_no_link(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    found, size = files.digest(path, (tmp_path,))
    assert (found[:8], size) == ("ba7816bf", 3)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(Refused):
        files.digest(tmp_path / "link", (tmp_path,))


def test_looking_leaves_everything_as_it_was(root: Path, settings: RecordingSettings) -> None:
    path = unclosed(write_wav(root / "a.wav"))
    before = path.read_bytes(), path.stat().st_mtime_ns, stat.S_IMODE(path.stat().st_mode)
    files.look("main", "a.wav", settings)
    assert before == (path.read_bytes(), path.stat().st_mtime_ns, stat.S_IMODE(path.stat().st_mode))
