"""A log file read on from where we were, whatever rotation does to it: every line once, in order."""

import gzip
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ami.errors import LogUnreadable
from ami.log_tail import LogPosition, lines_between, oldest_line_at, read_on
from ami.queue_log import time_of

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def line(n: int) -> bytes:
    """Line `n` was written `n` seconds after START."""
    return b"%d|1.%d|q|NONE|ENTERQUEUE||x|1" % (START.timestamp() + n, n)


def write(path: Path, *numbers: int, end: bytes = b"\n") -> None:
    with path.open("ab") as log:
        for n in numbers:
            log.write(line(n) + end)


def read(
    path: Path, position: LogPosition | None = None, **options: object
) -> tuple[list[int], LogPosition | None]:
    """Return the numbers of all lines there are after `position`, and the place behind them."""
    found: list[int] = []
    while True:
        chunk = read_on(path, position, since=START, time_of=time_of, **options)  # type: ignore[arg-type]
        if not chunk.lines:
            return found, chunk.position
        found += [int(told.split(b"|")[1][2:]) for told in chunk.lines]
        position = chunk.position


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "queue_log"


def test_lines_come_once_and_the_last_only_when_it_is_whole(log: Path) -> None:
    write(log, 1, 2)
    write(log, 3, end=b"")
    found, position = read(log)
    assert found == [1, 2]
    with log.open("ab") as file:
        file.write(b"\n")
    assert read(log, position)[0] == [3]


def test_after_a_rename_the_old_file_is_read_to_its_end_first(log: Path) -> None:
    write(log, 1, 2)
    _, position = read(log)
    log.rename(log.with_name("queue_log.1"))
    write(log.with_name("queue_log.1"), 3)  # Asterisk was not told yet: it writes to the old one
    assert read(log, position)[0] == [3], "though there is no queue_log at all"
    log.touch()  # logrotate's `create`
    write(log.with_name("queue_log.1"), 4)
    found, position = read(log, position)
    assert found == [3, 4]
    write(log, 5)
    assert read(log, position)[0] == [5]


def test_rotated_twice_and_compressed_while_we_were_away(log: Path) -> None:
    write(log, 1, 2)
    _, position = read(log)
    write(log, 3)
    with gzip.open(log.with_name("queue_log.2.gz"), "wb") as packed:
        packed.write(log.read_bytes())
    old = log.stat().st_mtime
    log.unlink()
    write(log.with_name("queue_log.1"), 4, 5)
    write(log, 6)
    for age, name in ((30, "queue_log.2.gz"), (20, "queue_log.1")):
        os.utime(log.with_name(name), (old - age, old - age))
    assert read(log, position)[0] == [3, 4, 5, 6]


def test_copied_and_truncated(log: Path) -> None:
    write(log, 1, 2)
    _, position = read(log)
    write(log, 3)
    shutil.copyfile(log, log.with_name("queue_log.1"))
    os.truncate(log, 0)
    assert read(log, position)[0] == [3], "the copy has what came after our place"
    write(log, 4, 5, 6)  # now longer than the place we remember
    assert read(log, position)[0] == [3, 4, 5, 6]


def test_a_deleted_file_is_not_mistaken_for_the_one_with_its_inode(log: Path) -> None:
    write(log, 1, 2)
    _, position = read(log)
    assert position is not None
    log.write_bytes(b"")  # the same inode, other contents
    write(log, 7, 8, 9)
    chunk = read_on(log, position, since=START, time_of=time_of)
    assert chunk.lost, "whoever reads must know that lines may be missing"
    assert len(chunk.lines) == 3


def test_a_place_survives_a_restart_and_lines_that_are_too_young_wait(log: Path) -> None:
    write(log, 1, 2, 3)
    young = START + timedelta(seconds=3)

    def stop(told: bytes) -> bool:
        at = time_of(told)
        return at is not None and at >= young

    found, position = read(log, stop=stop)
    assert found == [1, 2]
    assert position is not None
    again = LogPosition(inode=position.inode, offset=position.offset, head=bytes(position.head))
    assert read(log, again)[0] == [3]


def test_bad_bytes_and_endless_lines_do_not_stop_the_reading(log: Path) -> None:
    write(log, 1)
    with log.open("ab") as file:
        file.write(b"\0\xff|\x80\n" + b"x" * 5000 + b"\n")
    write(log, 2)
    position, seen = None, []
    for _ in range(100):
        chunk = read_on(log, position, since=START, time_of=time_of, limit_bytes=1024)
        seen += chunk.lines
        position = chunk.position
    assert seen[0] == line(1)
    assert seen[-1] == line(2)


def test_a_long_log_is_entered_in_the_middle(log: Path) -> None:
    write(log, *range(1000))
    since = START + timedelta(seconds=700)
    for at, first in ((since, 700), (START - timedelta(days=1), 0)):
        chunk = read_on(log, None, since=at, time_of=time_of)
        assert chunk.lines[0] == line(first)
    assert not read_on(log, None, since=START + timedelta(days=1), time_of=time_of).lines


def test_a_period_over_several_files(log: Path) -> None:
    write(log.with_name("queue_log-20261120"), *range(10))
    old = START.timestamp() + 9
    os.utime(log.with_name("queue_log-20261120"), (old, old))
    write(log, *range(10, 20))
    found = lines_between(log, START + timedelta(seconds=8), START + timedelta(seconds=12), time_of)
    assert list(found) == [line(n) for n in range(8, 12)]
    assert oldest_line_at(log, time_of) == START


def test_a_log_that_is_not_there_is_said(log: Path) -> None:
    with pytest.raises(LogUnreadable, match="queue_log can't be read"):
        read(log)


@settings(max_examples=200)
@given(count=st.integers(0, 60), since=st.integers(-2, 62), noise=st.sets(st.integers(0, 60)))
def test_the_first_line_of_a_time_is_found_whatever_stands_between(
    tmp_path_factory: pytest.TempPathFactory, count: int, since: int, noise: set[int]
) -> None:
    log = tmp_path_factory.mktemp("log") / "queue_log"
    with log.open("wb") as file:
        for n in range(count):
            file.write(b"no line\n" if n in noise else line(n) + b"\n")
    at = START + timedelta(seconds=since)
    chunk = read_on(log, None, since=at, time_of=time_of)
    told = [t for each in chunk.lines if (t := time_of(each)) is not None]
    wanted = [START + timedelta(seconds=n) for n in range(max(since, 0), count) if n not in noise]
    assert told == wanted


class Rotations(RuleBasedStateMachine):
    """Writing, reading, renaming, copy-and-truncate in any order: nothing lost, nothing twice."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.log = self.folder / "queue_log"
        self.log.touch()
        self.open = self.log.open("ab")
        self.written = self.files = self.clock = 0
        self.seen: list[int] = []
        self.position: LogPosition | None = None

    @rule(count=st.integers(1, 3))
    def asterisk_writes(self, count: int) -> None:
        for _ in range(count):
            self.open.write(line(self.written) + b"\n")
            self.written += 1
        self.open.flush()
        self._age(Path(f"/proc/self/fd/{self.open.fileno()}"))

    @rule()
    def we_read(self) -> None:
        found, self.position = read(self.log, self.position)
        self.seen += found

    @rule(told=st.booleans())
    def renamed(self, told: bool) -> None:
        """`told`: Asterisk is told at once (logger reload); else it goes on in the old file."""
        if not self.log.exists() or not self.log.stat().st_size:
            return
        if os.fstat(self.open.fileno()).st_ino != self.log.stat().st_ino:
            self._reopen()
            return
        self.files += 1
        self.log.rename(self.folder / f"queue_log.{1000 - self.files}")
        self.log.touch()
        if told:
            self._reopen()

    @rule()
    def copied_and_truncated(self) -> None:
        same = os.fstat(self.open.fileno()).st_ino == self.log.stat().st_ino
        if not same or not self.log.stat().st_size:
            return
        self.files += 1
        copy = self.folder / f"queue_log.{1000 - self.files}"
        shutil.copyfile(self.log, copy)
        self._age(copy)
        os.truncate(self.log, 0)

    def _reopen(self) -> None:
        self.open.close()
        self.open = self.log.open("ab")

    def _age(self, path: Path) -> None:
        """Asterisk's files differ in age by more than a clock tick."""
        self.clock += 1
        at = START.timestamp() + self.clock
        os.utime(path, (at, at))

    @invariant()
    def nothing_twice_and_in_order(self) -> None:
        assert self.seen == list(range(len(self.seen)))

    def teardown(self) -> None:
        self.we_read()
        assert self.seen == list(range(self.written))
        self.open.close()
        self._folder.cleanup()


TestRotations = Rotations.TestCase
TestRotations.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
