"""Telephones that answer and are nobody's: what the doctor finds among the stored calls."""

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from calls.model import Call, Leg
from press3.clock import now
from press3.config.sections import AsteriskSettings, DatabaseSettings, ServiceSettings
from press3.config.settings import Settings
from press3.database import migrate, open_database
from press3.doctor.patient import Patient
from press3.doctor.readings import _answers


def a_call(n: int, *, days_ago: float = 1, pbx: str = "main") -> Call:
    at = now() - timedelta(days=days_ago)
    return Call(
        id=f"{pbx}-{n}", pbx=pbx, uniqueid=str(n), direction="in", from_raw="+79110000001",
        from_kind="public", to_raw="", started_at=at, recovered=False, transfers=[],
    )  # fmt: skip


def a_leg(n: int, extension: str, *, answered: bool = True, pbx: str = "main") -> Leg:
    at = now() if answered else None
    return Leg(call_id=f"{pbx}-{n}", uniqueid=f"{n}.1", extension=extension, answered_at=at)


async def test_answers_by_telephones_that_are_nobodys(tmp_path: Path) -> None:
    settings = Settings(
        service=ServiceSettings(data_dir=tmp_path),
        database=DatabaseSettings(url=f"sqlite+aiosqlite:///{tmp_path}/press3.db"),
    )
    await migrate(settings)
    async with open_database(settings) as database:

        async def fill(session: Any) -> None:
            session.add_all(
                [a_call(1), a_call(2), a_call(3, days_ago=30), a_call(4), a_call(5, pbx="other")]
            )
            await session.flush()
            session.add_all(
                [
                    a_leg(1, "211553"), a_leg(2, "211553"), a_leg(3, "300"),
                    a_leg(4, "400", answered=False), a_leg(4, ""), a_leg(5, "500", pbx="other"),
                ]
            )  # fmt: skip

        await database.writer.run(fill)
        patient = Patient(
            settings=settings,
            pbx=AsteriskSettings(name="main"),
            link=cast(Any, None),
            sessions=database.sessions,
        )
        async with database.sessions() as session:
            (finding,) = await _answers(patient, session)
    assert finding.level == "warn"
    assert "211553 answered 2 calls" in finding.what
    assert "--extension 211553" in finding.advice
    assert "[calls] trunks" in finding.advice
