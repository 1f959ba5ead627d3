import inspect
import itertools
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.case import stages, template
from appeals.case.errors import WrongStage
from appeals.case.model import Category, Phase, RecordType, Stage
from appeals.case.stages import TRANSITIONS, Verb, next_phase
from appeals.registration import verbs
from tests.appeals.first_rows import CATEGORIES, RECORD_TYPES

DIAGRAM = Path(__file__).parents[2] / "docs" / "appeal-stages.md"


def test_the_diagram_in_the_docs_is_the_table() -> None:
    assert DIAGRAM.read_text() == stages.document(), "run python -m appeals.case.stages > " + str(
        DIAGRAM
    )


def test_a_complaint_goes_its_way() -> None:
    phase = Phase.RECEIVED
    way = []
    for verb in (Verb.ASSIGN, Verb.TAKE, Verb.RESOLVE, Verb.VERIFY, Verb.CLOSE, Verb.REOPEN):
        phase = next_phase(phase, verb)
        way.append(phase)
    assert way == [
        Phase.ACKNOWLEDGED,
        Phase.INVESTIGATING,
        Phase.RESPONDED,
        Phase.VERIFIED,
        Phase.CLOSED,
        Phase.RECEIVED,
    ]


@pytest.mark.parametrize(("phase", "verb"), list(itertools.product(Phase, Verb)))
def test_every_step_is_in_the_table_or_refused(phase: Phase, verb: Verb) -> None:
    if (phase, verb) in TRANSITIONS:
        assert next_phase(phase, verb) in Phase
        return
    with pytest.raises(WrongStage) as refused:
        next_phase(phase, verb)
    assert (refused.value.phase, refused.value.verb) == (phase, verb)


def test_the_docs_promise_only_steps_that_somebody_can_take() -> None:
    use_cases = inspect.getsource(verbs)
    offered = {verb for verb in Verb if f"Verb.{verb.name}" in use_cases}
    assert offered == set(Verb) - stages.NOT_YET
    text = DIAGRAM.read_text()
    assert all(f"`{verb}`" in text for verb in stages.NOT_YET)


def test_nothing_is_resolved_without_having_been_taken() -> None:
    before = {phase for (phase, verb) in TRANSITIONS if verb is Verb.RESOLVE}
    assert before == {Phase.INVESTIGATING}


async def test_a_new_database_begins_with_the_template(
    sessions: async_sessionmaker[AsyncSession],
) -> None:
    async with sessions() as session:
        found = await session.scalars(select(Stage).order_by(Stage.position))
        told = [{name: getattr(s, name) for name in template.STAGES[0]} for s in found]
        types = set(await session.scalars(select(RecordType.code)))
        categories = set(await session.scalars(select(Category.code)))
    assert told == list(template.STAGES)
    assert types == {each["code"] for each in RECORD_TYPES}
    assert categories == {each["code"] for each in CATEGORIES}
