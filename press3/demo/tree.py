"""A real Asterisk for demo and tests: fetched as Debian packages and unpacked, no root needed.

apt's own resolver with private state directories downloads `asterisk` from the host's own mirror,
`dpkg -x` unpacks it into a cache folder (about 15 s and 300 MB), and it runs from there through its
own loader. `PRESS3_CACHE` names another cache folder, `PRESS3_ASTERISK_BINARY=path` uses the Asterisk
installed on this machine instead.
"""

import fcntl
import os
import platform
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SUITES", "AsteriskTree", "NoAsterisk", "cache_folder", "get_tree"]

# Major version asked for → the Debian suite that has it. sid moves on: any major ≥ 22 will do.
SUITES: Mapping[str, str] = {"22": "sid", "16": "bullseye"}
PACKAGES = (
    "asterisk",
    "asterisk-core-sounds-ru-wav",
    "asterisk-core-sounds-en-wav",
    "asterisk-moh-opsound-wav",
)
LIBRARIES = "x86_64-linux-gnu"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
FETCH_LIMIT_S = 900
# `dpkg -x` runs no post-install step, so the sound languages lack their short names.
SOUND_LINKS = {"ru": "ru_RU_f_IvrvoiceRU", "en": "en_US_f_Allison"}
COMPLETE = "press3-complete"

Say = Callable[[str], None]


class NoAsterisk(Exception):
    """No real Asterisk can be had on this machine; `reason` says why in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"no Asterisk: {reason}")
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class AsteriskTree:
    """An Asterisk that can be run. `command` is the start of its command line, `data` holds sounds/.

    `version` is the plain number such as `22.10.1`.
    """

    command: tuple[str, ...]
    modules: Path
    data: Path
    sbin: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def cache_folder() -> Path:
    """Name the folder that keeps unpacked trees: `PRESS3_CACHE` or `~/.cache/press3`."""
    return Path(os.environ.get("PRESS3_CACHE") or Path.home() / ".cache" / "press3")


def get_tree(major: str, *, cache: Path | None = None, say: Say = print) -> AsteriskTree:
    """Return the Asterisk of this major version (a key of SUITES), fetching it when not cached.

    Blocks while it fetches; call it in a thread from async code. Raises NoAsterisk.
    """
    if os.environ.get("PRESS3_ASTERISK_BINARY") == "path":
        return _installed(major)
    root = (cache or cache_folder()) / f"asterisk-{major}"
    if not (root / COMPLETE).exists():
        _fetch_once(root, SUITES[major], say)
    tree = _unpacked(root.resolve())
    _check_major(tree, major)
    return tree


def _check_major(tree: AsteriskTree, major: str) -> None:
    fits = tree.major >= int(major) if major == "22" else tree.major == int(major)
    if not fits:
        raise NoAsterisk(f"asked for {major}, got {tree.version}")


def _installed(major: str) -> AsteriskTree:
    binary = shutil.which("asterisk")
    if binary is None:
        raise NoAsterisk("PRESS3_ASTERISK_BINARY=path, but there is no asterisk on PATH")
    folders = ("/usr/lib/x86_64-linux-gnu/asterisk/modules", "/usr/lib/asterisk/modules")
    modules = next((Path(f) for f in folders if Path(f).is_dir()), None)
    if modules is None:
        raise NoAsterisk(f"{binary} has no module folder in a usual place")
    data = next(d for d in (Path("/usr/share/asterisk"), Path("/var/lib/asterisk")) if d.is_dir())
    tree = AsteriskTree(
        command=(binary,),
        modules=modules,
        data=data,
        sbin=Path(binary).parent,
        version=_version((binary,)),
    )
    _check_major(tree, major)
    return tree


def _unpacked(root: Path) -> AsteriskTree:
    libraries = [root / f"usr/lib/{LIBRARIES}", root / f"lib/{LIBRARIES}", root / "usr/lib"]
    loader = _first(folder / "ld-linux-x86-64.so.2" for folder in libraries[:2])
    modules = _first(folder / "asterisk/modules" for folder in (libraries[0], libraries[2]))
    binary = root / "usr/sbin/asterisk"
    search = ":".join(str(folder) for folder in libraries)
    command = (str(loader), "--library-path", search, str(binary))
    return AsteriskTree(
        command=command,
        modules=modules,
        data=root / "usr/share/asterisk",
        sbin=binary.parent,
        version=_version(command),
    )


def _first(candidates: Iterator[Path]) -> Path:
    tried = []
    for candidate in candidates:
        if candidate.exists():
            return candidate
        tried.append(str(candidate))
    raise NoAsterisk(f"the unpacked tree lacks {' and '.join(tried)}")


def _version(command: tuple[str, ...]) -> str:
    said = subprocess.run([*command, "-V"], capture_output=True, text=True, check=False)
    found = re.search(r"Asterisk (?:certified/)?(\d+\.\d+(?:\.\d+)?)", said.stdout)
    if found is None:
        raise NoAsterisk(f"it does not run here: {(said.stderr or said.stdout).strip()[-200:]}")
    return found[1]


def _fetch_once(root: Path, suite: str, say: Say) -> None:
    """Fetch under a lock, into a temporary folder that takes its final name only when complete."""
    mirror = _mirror()
    root.parent.mkdir(parents=True, exist_ok=True)
    with _lock(root.with_suffix(".lock")):
        if (root / COMPLETE).exists():  # another process fetched it while we waited
            return
        say(f"fetching Asterisk ({suite}) from {mirror}: about 300 MB, once")
        with tempfile.TemporaryDirectory(dir=root.parent, prefix=".fetch-") as scratch:
            unpacked = Path(scratch) / "tree"
            _download_and_unpack(suite, mirror, Path(scratch), unpacked)
            _link_sounds(unpacked / "usr/share/asterisk/sounds")
            version = _unpacked(unpacked).version
            (unpacked / COMPLETE).write_text(version + "\n")
            shutil.rmtree(root, ignore_errors=True)
            unpacked.rename(root)
        say(f"Asterisk {version} unpacked in {root}")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _mirror() -> str:
    """Name the host's own Debian mirror. Raises NoAsterisk when this is no Debian on amd64."""
    if platform.machine() != "x86_64" or not platform.system() == "Linux":
        raise NoAsterisk(
            f"only for Linux on amd64, this is {platform.system()} {platform.machine()}"
        )
    missing = [tool for tool in ("apt-get", "dpkg") if shutil.which(tool) is None]
    if missing:
        raise NoAsterisk(f"{' and '.join(missing)} not found: not a Debian system")
    if not KEYRING.exists():
        raise NoAsterisk(f"{KEYRING} is missing (package debian-archive-keyring)")
    folder = Path("/etc/apt/sources.list.d")
    files = [*sorted(folder.glob("*.sources")), *sorted(folder.glob("*.list"))]
    files.append(Path("/etc/apt/sources.list"))
    text = "\n".join(f.read_text(errors="replace") for f in files if f.is_file())
    found = re.search(r"^(?:URIs: *|deb +(?:\[[^]]*\] +)?)(\S+/debian)/?(?:\s|$)", text, re.M)
    if found is None:
        raise NoAsterisk("the host's apt configuration names no Debian mirror")
    return found[1]


def _download_and_unpack(suite: str, mirror: str, scratch: Path, target: Path) -> None:
    for name in ("lists/partial", "archives/partial", "parts"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    sources = scratch / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
    apt = ["apt-get", "-q", *_private_apt(scratch, sources)]
    _run([*apt, "update"])
    _run([*apt, "-y", "--download-only", "--no-install-recommends", "install", *PACKAGES])
    packages = sorted((scratch / "archives").glob("*.deb"))
    if not packages:
        raise NoAsterisk(f"apt downloaded nothing from {mirror} {suite}")
    target.mkdir()
    for package in packages:
        _run(["dpkg", "-x", str(package), str(target)])


def _private_apt(scratch: Path, sources: Path) -> list[str]:
    return [
        f"-oDir::Etc::SourceList={sources}",
        f"-oDir::Etc::SourceParts={scratch / 'parts'}",
        f"-oDir::State::Lists={scratch / 'lists'}",
        f"-oDir::State::status={scratch / 'status'}",
        f"-oDir::Cache={scratch}",
        f"-oDir::Cache::archives={scratch / 'archives'}",
        f"-oDir::Log={scratch}",
        "-oDebug::NoLocking=1",
        f"-oAPT::Sandbox::User={pwd.getpwuid(os.getuid()).pw_name}",
        # without this a failed update is only a warning, and the install fails with a stranger text
        "-oAPT::Update::Error-Mode=any",
    ]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=FETCH_LIMIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as error:
        raise NoAsterisk(f"{command[0]} took longer than {FETCH_LIMIT_S} s") from error
    if done.returncode != 0:
        raise NoAsterisk(f"{command[0]} failed: {_last_error(done.stderr)}")


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "dpkg"))]
    return (errors or lines or ["no message"])[-1]


def _link_sounds(sounds: Path) -> None:
    for short, full in SOUND_LINKS.items():
        if (sounds / full).is_dir() and not (sounds / short).exists():
            (sounds / short).symlink_to(full)
