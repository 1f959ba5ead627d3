"""Everything that can be looked at without a call, in the order in which it is mended."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from press3.config.sections import AsteriskSettings, ObserveSettings
from press3.config.settings import Settings
from press3.doctor import dialplan, machine, past, pbx_logs, readings, recording, rights, telephones
from press3.doctor.database import opened
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.patient import Patient
from press3.errors import Press3Error
from press3.one_link import one_link

__all__ = ["examine"]

_OLDEST, _NEWEST = (16, 28), 22


async def examine(settings: Settings, say: Callable[[str], None], file: Path | None = None) -> bool:
    """Say every finding; return whether nothing failed. `file` is where `settings` came from."""
    fine = True
    async with aclosing(_findings(settings, file)) as findings:  # `say` may fail: a closed pipe
        async for finding in findings:
            say(str(finding))
            fine = fine and finding.level != "fail"
    return fine


async def _findings(settings: Settings, file: Path | None) -> AsyncGenerator[Finding]:
    for finding in machine.findings(settings, file):
        yield finding
    async with opened(settings) as (state, sessions):
        yield state
        if not settings.asterisk:
            yield fail("no [[asterisk]] in the configuration", "add one; see config.toml")
        for pbx in settings.asterisk:
            async with aclosing(_pbx(settings, pbx, sessions)) as findings:
                async for finding in findings:
                    yield finding
    for rule in settings.ivr.observe:
        yield _observed(settings, rule)


async def _pbx(
    settings: Settings, pbx: AsteriskSettings, sessions: async_sessionmaker[AsyncSession] | None
) -> AsyncGenerator[Finding]:
    try:
        async with one_link(pbx) as link:
            yield ok(f"{pbx.name}: AMI login as {pbx.username!r}")
            yield _version(pbx, link.version)
            patient = Patient(settings=settings, pbx=pbx, link=link, sessions=sessions)
            for part in (rights, dialplan, telephones, readings, recording, pbx_logs, past):
                async with aclosing(part.findings(patient)) as findings:
                    async for finding in findings:
                        yield finding
    except Press3Error as error:
        yield Finding("fail", str(error))


def _observed(settings: Settings, rule: ObserveSettings) -> Finding:
    durable = "let key 3 do Goto(press3-complaint,s,1) of the rendered dialplan"
    pbxs = [pbx for pbx in settings.asterisk if rule.asterisk in (None, pbx.name)]
    if rule.leads_to and all(pbx.queue_log or pbx.cdr for pbx in pbxs):
        return warn(
            f"observed menu {rule.context}: presses of times when press3 is away are found again only "
            f"when the caller gets into queue {rule.leads_to}",
            f"to make all of them durable, {durable}",
        )
    return warn(
        f"observed menu {rule.context}: its presses are known only while press3 runs",
        f"to make them durable, {durable}",
    )


def _version(pbx: AsteriskSettings, version: str) -> Finding:
    parts = tuple(int(part) for part in version.split("~")[0].split(".")[:2] if part.isdigit())
    if parts < _OLDEST:
        return fail(f"{pbx.name}: Asterisk {version} is older than 16.28", "upgrade Asterisk")
    if parts[0] > _NEWEST:
        return warn(
            f"{pbx.name}: Asterisk {version} is newer than press3 was tried with",
            "make a test call: press3 doctor --call",
        )
    return ok(f"{pbx.name}: Asterisk {version}")
