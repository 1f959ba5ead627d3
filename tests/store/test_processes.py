"""Telling a living process from a dead one, from a later one with its pid, and from a stranger."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from store.processes import Process, lives, this_process


def test_this_process_lives() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert lives(me) is True


def test_a_process_that_ended_is_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19])
        process = replace(this_process(), pid=child.pid, started=started)
        assert lives(process) is True
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lives(process) is False, "a zombie does no work"
    assert lives(process) is False


def test_a_later_process_with_the_same_pid_is_another() -> None:
    me = this_process()
    assert lives(replace(me, started=me.started - 1)) is False


def test_a_process_elsewhere_can_not_be_seen() -> None:
    assert lives(replace(this_process(), host="another boot/pid:[1]")) is None
    assert lives(Process("", 1, 1)) is None


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert lives(this_process(tmp_path), tmp_path) is None


def test_a_name_with_blanks_and_parentheses(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    fields = " ".join(["S", *map(str, range(4, 22)), "4242", "0"])
    (tmp_path / "7/stat").write_text(f"7 (a) b (c) {fields}\n")
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("boot\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[1]")
    assert lives(Process("boot/pid:[1]", 7, 4242), tmp_path) is True
