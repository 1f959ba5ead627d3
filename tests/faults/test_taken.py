"""Who must be registered: by SIPp's log and Asterisk's own."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.callers import _pressed
from tests.faults.taken import Taken

NUMBER, CHANNEL = "+79110000001", "PJSIP/anonymous-00000007"
CALLER = f"[…] NOTICE[1][C-00000001] Ext. 7495: caller {NUMBER} {CHANNEL}\n"
AT_3 = (
    f'[…] VERBOSE[1] pbx.c: Executing [3@press3-menu:1] Goto("{CHANNEL}", "press3-complaint,s,1")\n'
)


def test_a_key_is_taken_when_the_dialplan_comes_to_it(tmp_path: Path) -> None:
    log = tmp_path / "dialplan"
    taken = Taken(log)
    log.write_text(CALLER)
    assert taken.numbers() == set()
    log.write_text(CALLER + AT_3[:40])  # a line half written
    assert taken.numbers() == set()
    log.write_text(CALLER + AT_3)
    assert taken.numbers() == {NUMBER}
    log.write_text(CALLER + AT_3 + CALLER.replace("0001 P", "0002 P"))  # the channel's name again
    assert taken.numbers() == {NUMBER}


def test_another_menu_has_a_step_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "dialplan"
    log.write_text(CALLER + AT_3)
    assert Taken(log, "3@ivr-7:1").numbers() == set()
    log.write_text(CALLER + AT_3.replace("press3-menu", "ivr-7"))
    assert Taken(log, "3@ivr-7:1").numbers() == {NUMBER}


@pytest.mark.parametrize(
    ("acknowledged", "taken", "stayed_s", "wanted"),
    [
        (True, True, 0.4, (True, False)),
        (True, False, 0.4, (False, True)),
        (True, False, 1.6, (True, False)),  # nobody's hang-up takes so long to be overtaken
        (True, False, None, (True, False)),  # the other side ended the call
        (False, True, 5, (False, False)),
    ],
)
def test_who_must_be_registered(
    tmp_path: Path,
    acknowledged: bool,
    taken: bool,
    stayed_s: float | None,
    wanted: tuple[bool, bool],
) -> None:
    rows = [("S", 1000.0, "2 INFO", "INFO sip:1@h SIP/2.0")]
    if acknowledged:
        rows.append(("R", 1000.1, "2 INFO", "SIP/2.0 200 OK"))
    if stayed_s is not None:
        rows.append(("S", 1000 + stayed_s, "3 BYE", "BYE sip:1@h SIP/2.0"))
    log = tmp_path / "sipp.log"
    log.write_text(
        "".join(
            f"day\ttime\t{at}\t{way}\tid\tCSeq: {cseq}\t{line}\n" for way, at, cseq, line in rows
        )
    )
    press = _pressed(NUMBER, log, {NUMBER} if taken else ())
    assert press is not None
    assert (press.sure, press.overtaken) == wanted
    assert (press.hung_up_at is None) == (stayed_s is None)
    if press.hung_up_at is not None:
        assert press.hung_up_at - press.at == timedelta(seconds=stayed_s or 0)
