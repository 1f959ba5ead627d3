"""Sound from somebody who means harm: no file takes the machine, another file, or another PBX's sound."""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from recordings import audio, files
from recordings.audio import convert
from recordings.errors import BrokenAudio, Code, RecordingError
from recordings.files import OutOfReach, Present
from recordings.settings import PathMap, RecordingSettings
from tests.recordings.sounds import write_wav
from tests.recordings.test_audio import job

MOST_MB = 200
SECOND = bytes(16_000)


def riff(
    sound: bytes = SECOND, *, rate: int = 8000, channels: int = 1, says: int | None = None, before: bytes = b""
) -> bytes:  # fmt: skip
    """Return a WAV with a header as given; `says` is the length of the sound, None the true one."""
    length = len(sound) if says is None else says
    fmt = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 & 0xFFFFFFFF, 2, 16)
    body = b"WAVE" + before + b"fmt " + struct.pack("<I", len(fmt)) + fmt
    body += b"data" + struct.pack("<I", length) + sound
    return b"RIFF" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


def sparse(path: Path) -> None:
    path.write_bytes(riff(b"", says=1024**3))
    os.truncate(path, 44 + 1024**3)


def vorbis(path: Path, rate: int) -> None:
    """Write a true Ogg whose header lies about the rate; ffmpeg does not check Ogg's check sums."""
    source = write_wav(path.with_suffix(".true.wav"), 5)
    command = [audio.find_ffmpeg(), "-v", "error", "-y", "-i", source, "-c:a", "libvorbis"]
    subprocess.run([*command, "-f", "ogg", path], check=True)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x01vorbis") + 7 + 4 + 1
    content[at : at + 4] = struct.pack("<I", rate)
    path.write_bytes(content)


HOSTILE: dict[str, tuple[str, bytes | Callable[[Path], None], set[str]]] = {
    "1 Hz": ("a.wav", riff(rate=1), {"bad_header"}),
    "2^31 Hz": ("a.wav", riff(rate=2**31), {"bad_header"}),
    "65535 channels": ("a.wav", riff(channels=65_535), {"bad_header"}),
    "length 2^32-1": ("a.wav", riff(says=0xFFFFFFFF), {"1.0"}),
    "1 GB of nothing": ("a.wav", sparse, {"too_long"}),
    "RIFF as the sound": ("a.wav", riff(riff()), {"1.0"}),
    "RIFF before the sound": ("a.wav", riff(before=riff()[:8]), {"not_audio"}),
    "a chunk of 4 GB": ("a.wav", riff(before=b"LIST\xff\xff\xff\xff"), {"not_audio"}),
    "chunks of nothing": ("a.wav", riff(before=b"junk\0\0\0\0" * 9_000), {"not_audio"}),
    "MP3": ("a.wav", b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x64" * 500, {"not_audio"}),
    "HTML": ("a.wav", b"<html><img src=http://127.0.0.1/>" * 99, {"not_audio"}),
    "Vorbis at 1 Hz": ("a.ogg", lambda path: vorbis(path, 1), {"too_heavy", "too_long", "not_audio"}),
    "Vorbis at 2^31 Hz": ("a.ogg", lambda path: vorbis(path, 2**31 - 1), {"5.0", "empty", "not_audio", "too_heavy"}),
    "an ID3 tag of 256 MB": ("a.mp3", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + bytes(9_000), {"not_audio"}),
}  # fmt: skip

# VmHWM, not ru_maxrss: that one begins with the memory of the process that forked us.
_CONVERT = """
import re, resource, sys
from pathlib import Path
from recordings.audio import convert
from recordings.errors import RecordingError
from tests.recordings.test_audio import job
try:
    said = round(convert(job(Path(sys.argv[1]), limit_s=20)).duration_s, 1)
except RecordingError as error:
    said = error.code
print(said)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_takes_little_and_says_what_it_is(tmp_path: Path, name: str) -> None:
    file, content, allowed = HOSTILE[name]
    path = tmp_path / file
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    said = subprocess.run(
        [sys.executable, "-c", _CONVERT, str(path)],
        capture_output=True, text=True, check=True, timeout=60, cwd=os.getcwd(),
    )  # fmt: skip
    outcome, worker_kb, ffmpeg_kb = said.stdout.split()
    assert outcome in allowed
    assert int(worker_kb) < MOST_MB * 1024
    assert int(ffmpeg_kb) < (MOST_MB if file == "a.wav" else 800) * 1024


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile {secret}\n",
    "concat of a scheme": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.wav'\n",
    "m3u8": "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.wav\n#EXT-X-ENDLIST\n",
    "m3u8 of a file": "#EXTM3U\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
}


@contextmanager
def listening() -> Iterator[tuple[int, list[object]]]:
    """Yield a port and what connected to it."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    came.append(server.accept())

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("suffix", ["wav", "WAV", "mp3", "ogg", "opus", "gsm"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_in_disguise_reads_neither_files_nor_the_network(
    tmp_path: Path, kind: str, suffix: str
) -> None:
    secret = write_wav(tmp_path / "secret.wav", 1)
    path = tmp_path / f"a.{suffix}"
    with listening() as (port, came):
        path.write_text(PLAYLISTS[kind].format(secret=secret, port=port))
        with pytest.raises(BrokenAudio) as raised:
            convert(job(path))
    assert raised.value.code == "not_audio"
    assert came == []


def test_ffmpeg_is_given_no_file_and_no_protocol_but_the_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    build = audio._command
    monkeypatch.setattr(audio, "_command", lambda *a: seen.append(build(*a)) or seen[-1])
    path = write_wav(tmp_path / "a.wav", 1)
    convert(job(path))
    (command,) = seen
    assert command[command.index("-protocol_whitelist") + 1] == "pipe"
    assert command[command.index("-i") + 1] == "pipe:0"
    assert not [each for each in command if str(path) in each]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "monitor"
    folder.mkdir()
    return folder


@pytest.fixture
def settings(tmp_path: Path, root: Path) -> RecordingSettings:
    return RecordingSettings(roots=(root,), data_dir=tmp_path / "data")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_people_can_read_why_a_recording_cannot_be_played(language: str) -> None:
    texts = Path("web/ui/src/locales", f"{language}.ts").read_text()
    assert [code for code in get_args(Code) if f"'recording.why.{code}':" not in texts] == []


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    try:
        os.mknod(path, 0o20666, os.makedev(1, 5))  # /dev/zero: has no end
    except PermissionError:
        path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


NOT_PLAIN = {"pipe": _pipe, "device": _device, "socket": _socket, "folder": Path.mkdir}


@pytest.mark.parametrize("kind", NOT_PLAIN)
def test_what_is_no_plain_file_is_never_opened(
    root: Path, settings: RecordingSettings, kind: str
) -> None:
    """It is put there between the check and the use: nobody waits for a writer, nothing is read."""
    path = root / "a.wav"
    NOT_PLAIN[kind](path)
    seen = files.look("main", "a.wav", settings)
    assert isinstance(seen, OutOfReach)
    assert seen.code == "refused"
    with pytest.raises(RecordingError, match="refused"):
        files.digest(path, (root,))
    with pytest.raises(RecordingError, match="refused"):
        convert(replace(job(path), places=(root,)))


def test_a_folder_swapped_for_a_link_leads_nowhere(tmp_path: Path, root: Path) -> None:
    write_wav(tmp_path / "outside/a.wav", 1)
    path = write_wav(root / "in/a.wav", 1)
    (root / "in").rename(root / "was")
    (root / "in").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="Not a directory"):
        files.digest(path, (root,))
    with pytest.raises(OSError, match="Not a directory"):
        convert(replace(job(path), places=(root,)))


def test_a_link_swapped_in_again_and_again_never_wins(
    tmp_path: Path, root: Path, settings: RecordingSettings
) -> None:
    secret = write_wav(tmp_path / "outside/a.wav", 3)
    ours = write_wav(root / "in/a.wav", 1)
    (root / "out").symlink_to(secret.parent)
    own = files.digest(ours, (root,))
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for name in ("in", "out"):
                with suppress(OSError):
                    os.rename(root / name, root / "kept")
                    os.rename(root / ("out" if name == "in" else "in"), root / "in2")
                    os.rename(root / "in2", root / "in")
                    os.rename(root / "kept", root / "out")

    swapper = threading.Thread(target=swap)
    swapper.start()
    outcomes = []
    try:
        for _ in range(2000):
            seen = files.look("main", str(ours), settings)
            assert not isinstance(seen, Present) or seen.size_bytes == own[1]
            with suppress(OSError, RecordingError):
                outcomes.append(files.digest(ours, (root,)))
    finally:
        over.set()
        swapper.join()
    assert set(outcomes) == {own}  # and at least once it was there


def test_a_file_that_grows_for_ever_is_read_as_far_as_it_was(root: Path) -> None:
    path = write_wav(root / "a.sln", 1)
    path.write_bytes(SECOND)
    over = threading.Event()

    def grow() -> None:
        with path.open("ab") as file:
            while not over.is_set() and file.tell() < 2 * 1024**3:
                file.write(bytes(1024 * 1024))

    grower = threading.Thread(target=grow)
    grower.start()
    try:
        _, size = files.digest(path, (root,))
        done = convert(job(path, limit_s=60))
    finally:
        over.set()
        grower.join()
    assert size <= path.stat().st_size
    assert done.duration_s < path.stat().st_size / 16_000


def _two_pbxs(tmp_path: Path, root: Path) -> RecordingSettings:
    remote = Path("/var/spool/asterisk/monitor")
    maps = tuple(PathMap(asterisk=n, remote=remote, local=tmp_path / n) for n in ("a", "b"))
    return RecordingSettings(roots=(root,), maps=maps, data_dir=tmp_path / "data")


@pytest.mark.parametrize(
    "spelling", ["{tmp}/b/x.wav", "../b/x.wav", "{tmp}/a/../b/x.wav", "link.wav", "far/x.wav", "{tmp}/monitor/y.wav", "y.wav"],
)  # fmt: skip
def test_one_pbx_cannot_name_a_file_of_another(tmp_path: Path, root: Path, spelling: str) -> None:
    theirs = write_wav(tmp_path / "b/x.wav", 1)
    write_wav(root / "y.wav", 1)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/link.wav").symlink_to(theirs)
    (tmp_path / "a/far").symlink_to(theirs.parent)
    settings = _two_pbxs(tmp_path, root)
    assert isinstance(files.look("b", "x.wav", settings), Present)
    assert isinstance(files.look("c", "y.wav", settings), Present)
    assert not isinstance(files.look("a", spelling.format(tmp=tmp_path), settings), Present)


def test_a_map_inside_a_root_is_that_pbxs_alone(tmp_path: Path) -> None:
    write_wav(tmp_path / "b/x.wav", 1)
    settings = _two_pbxs(tmp_path, tmp_path)
    seen = files.look("c", str(tmp_path / "b/x.wav"), settings)
    assert isinstance(seen, OutOfReach)
    assert seen.code == "refused"


def test_the_only_pbx_has_the_roots_and_its_maps(tmp_path: Path, root: Path) -> None:
    write_wav(root / "y.wav", 1)
    write_wav(tmp_path / "a/x.wav", 1)
    settings = replace(_two_pbxs(tmp_path, root), default_pbx="a")
    for name in ("x.wav", "y.wav", str(root / "y.wav")):
        assert isinstance(files.look("a", name, settings), Present)
