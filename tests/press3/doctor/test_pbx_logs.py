"""What the doctor says of queue_log and the CDR file."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ami.connection import AmiLink
from press3.config.settings import Settings
from press3.doctor import pbx_logs
from press3.doctor.findings import Finding
from press3.doctor.patient import Patient
from tests.telephony.test_press_reader import KEY, NOW, PRESSED, line, link, peer  # noqa: F401 - fixtures

OLD = line(NOW - timedelta(days=3), "NONE|NONE|NONE|QUEUESTART|")
PRESS = line(PRESSED, f"1.7|press3|NONE|PRESS3|{KEY}")


async def said(link: AmiLink, **main: Any) -> Finding:  # noqa: F811 - the fixture
    settings = Settings(asterisk=[{"name": "main", **main}])  # type: ignore[list-item]
    patient = Patient(settings=settings, pbx=settings.asterisk[0], link=link, sessions=None)
    (finding,) = [finding async for finding in pbx_logs.findings(patient)]
    return finding


@pytest.mark.parametrize(
    ("text", "level", "what"),
    [
        (OLD + PRESS, "ok", "is read and being written"),
        (OLD, "warn", "has no line of the last day"),
        (OLD + line(PRESSED, "NONE|NONE|NONE|RELOAD|"), "warn", "lacks 1 of 1 presses"),
        (
            OLD + PRESS + line(PRESSED, "1.7|q|Anna | Desk|CONNECT|"),
            "warn",
            "1 lines of the last day",
        ),
        (OLD + line(PRESSED, "1.7|q|Anna | Desk|CONNECT|"), "fail", "can't be understood"),
    ],
)
async def test_queue_log(
    link: AmiLink,  # noqa: F811 - the fixture
    tmp_path: Path,
    text: str,
    level: str,
    what: str,
) -> None:
    log = tmp_path / "queue_log"
    log.write_text(text)
    finding = await said(link, queue_log=log)
    assert (finding.level, what in finding.what) == (level, True), finding
    assert (level == "ok") == (finding.advice == "")


async def test_a_file_that_is_not_there(link: AmiLink, tmp_path: Path) -> None:  # noqa: F811
    finding = await said(link, cdr=tmp_path / "Master.csv")
    assert finding.level == "fail"
    assert "Master.csv can't be read" in finding.what


async def test_a_file_of_cdr_custom(link: AmiLink, tmp_path: Path) -> None:  # noqa: F811
    row = '"c","1","6","x","PJSIP/t-1","","Hangup","","{0}","{0}","{0}",1,1,"ANSWERED","D","","1795297986.4"\n'
    file = tmp_path / "Master.csv"
    file.write_text(row.format(f"{PRESSED:%F %T}"))
    finding = await said(link, cdr=file)
    assert finding.level == "fail"
    assert "cdr_custom wrote this file" in finding.what
