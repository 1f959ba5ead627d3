"""What serving a PBX takes of the configuration: its link, its rules, its logs, who handles a changed call."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from ami.connection import LinkSettings
from ami.tls import TlsSettings
from appeals.intake import follow_up, presses
from appeals.links import verbs as links
from calls import storage
from calls.keep import KeepRules
from calls.numbers import NumberRules
from calls.story import CallChange
from calls.triggers import ObservedRule, TriggerRules
from press3.config.ami_secret import secret_of
from press3.config.sections import AsteriskSettings
from press3.config.settings import Settings
from press3.database import Database
from push import pops
from recordings import linker
from telephony.pbx_logs import ObservedKey, PbxLogs, logs_of
from telephony.recorder import ChangeHandler, Stored
from telephony.serving import PbxSettings, Telephony

__all__ = [
    "appeal_handlers",
    "change_handlers",
    "keep_rules",
    "link_settings",
    "logs_by_pbx",
    "number_rules",
    "pbx_logs",
    "telephony_of",
    "trigger_rules",
]


def telephony_of(
    pbx: AsteriskSettings,
    settings: Settings,
    database: Database,
    *,
    handlers: tuple[ChangeHandler, ...],
    on_stored: Callable[[Stored], None],
) -> Telephony:
    """Return what serves `pbx`; raises ConfigError when its secret can't be used."""
    numbers = number_rules(settings)
    parts = PbxSettings(
        link=link_settings(pbx),
        numbers=numbers,
        triggers=trigger_rules(settings, pbx.name),
        keep=keep_rules(settings),
        logs=pbx_logs(settings, pbx, numbers),
    )
    return Telephony(
        parts,
        sessions=database.sessions,
        writer=database.writer,
        now=database.now,
        handlers=handlers,
        on_stored=on_stored,
    )


def number_rules(settings: Settings) -> NumberRules:
    """Return how this configuration reads numbers and extensions."""
    calls = settings.calls
    return NumberRules(
        country=calls.country,
        internal=calls.internal,
        interfaces=tuple(calls.interface),
        withheld=tuple(calls.withheld),
        trunks=tuple(calls.trunks),
        trunk_contexts=tuple(calls.trunk_contexts),
        phone_contexts=tuple(calls.phone_contexts),
    )


def trigger_rules(settings: Settings, pbx: str) -> TriggerRules:
    """Return what counts as a press on `pbx`."""
    rules = [rule for rule in settings.ivr.observe if rule.asterisk in (None, pbx)]
    return TriggerRules(
        observed=tuple(
            ObservedRule(context=rule.context, exten=rule.exten, digit=rule.digit) for rule in rules
        )
    )


def keep_rules(settings: Settings) -> KeepRules:
    """Return which calls are stored."""
    calls = settings.calls
    return KeepRules(internal=calls.keep == "all", ignore=calls.ignore or None)


def change_handlers(intake: presses.IntakeSettings) -> tuple[ChangeHandler, ...]:
    """Return what each package does with a changed call, in this order: a pop names its appeal."""

    async def store_call(session: AsyncSession, change: CallChange, *, now: datetime) -> None:
        await storage.store_change(session, change)

    return (store_call, linker.on_change, *appeal_handlers(intake), pops.on_change)


def appeal_handlers(intake: presses.IntakeSettings) -> tuple[ChangeHandler, ...]:
    """Return what appeals do with a changed call: open, link, then write down what it means for them."""
    return (
        partial(presses.on_change, settings=intake),
        links.on_change,
        partial(follow_up.on_change, departments=intake.departments),
    )


def link_settings(pbx: AsteriskSettings) -> LinkSettings:
    """Return the link's settings; raises ConfigError when the secret can't be used."""
    return LinkSettings(
        pbx=pbx.name,
        host=pbx.host,
        port=pbx.port,
        username=pbx.username,
        secret=secret_of(pbx),
        tls=TlsSettings(ca=pbx.tls_ca, name=pbx.tls_name) if pbx.tls else None,
    )


def pbx_logs(settings: Settings, pbx: AsteriskSettings, numbers: NumberRules) -> PbxLogs:
    """Return what the configuration says of the logs of `pbx`."""
    menus = [
        ObservedKey(rule.context, rule.exten, rule.leads_to)
        for rule in settings.ivr.observe
        if rule.asterisk in (None, pbx.name)
    ]
    return logs_of(
        pbx.name, queue_log_file=pbx.queue_log, cdr_file=pbx.cdr, menus=menus, numbers=numbers
    )


def logs_by_pbx(settings: Settings, numbers: NumberRules) -> dict[str, PbxLogs]:
    """Return the same of every PBX, by its name."""
    return {pbx.name: pbx_logs(settings, pbx, numbers) for pbx in settings.asterisk}
