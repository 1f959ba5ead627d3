"""The AMI account: may it do what it must and no more, do the events come, do the clocks agree."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta

from ami import actions
from ami.errors import AmiError
from ivr.manager import READ, WRITE, WRITE_TIMEOUT_MS
from press3.clock import now
from press3.doctor.event_filters import CLASS_OF, FOREIGN, WithoutMeaning, kept_back, passes
from press3.doctor.findings import Finding, fail, ok, warn
from press3.doctor.manager_conf import UNKNOWN, ManagerUser, read_user
from press3.doctor.patient import Patient

__all__ = ["findings"]

# What reading needs (DESIGN §4), with one command that proves it: Asterisk names only what is allowed.
_NEEDED = (
    "CoreShowChannels",
    "CoreStatus",
    "DBGet",
    "DBGetTree",
    "Getvar",
    "QueueStatus",
    "Status",
)
_TOO_MUCH = ("Command", "DBPut", "DBDelTree", "Originate", "UpdateConfig", "Setvar", "UserEvent")
# What is not seen without a class of events.
_WITHOUT = {
    "agent": "no queue and nobody whom it rings is seen",
    "call": "no call is seen",
    "dialplan": "no recording and no observed menu is seen",
    "dtmf": "no key of an observed menu is seen",
    "system": "a restart of the PBX is seen late",
    "user": "a press is seen up to a minute late",
}
_SKEW_WARN, _SKEW_FAIL = timedelta(seconds=2), timedelta(seconds=60)
_RELOAD = "then: manager reload"


async def findings(patient: Patient) -> AsyncGenerator[Finding]:
    try:
        yield await _clock(patient)
        allowed = frozenset(await actions.list_commands(patient.link))
        may_ask = "Getvar" in allowed
        user = await read_user(patient.link, patient.pbx.username) if may_ask else UNKNOWN
        for finding in (*_commands(patient, allowed, user), *_events(patient, user)):
            yield finding
    except AmiError as error:
        yield fail(
            f"{patient.name}: the PBX does not tell what we may: {error}",
            f"in manager.conf [{patient.pbx.username}]: write = {WRITE}, {_RELOAD}",
        )


def _commands(patient: Patient, allowed: frozenset[str], user: ManagerUser) -> Iterator[Finding]:
    lacking = [name for name in _NEEDED if name not in allowed]
    surplus = [name for name in _TOO_MUCH if name in allowed]
    line = f"in manager.conf [{patient.pbx.username}]: write = {WRITE}"
    has = f" (now: {','.join(sorted(user.write))})" if user.write else ""
    if lacking:
        told = "reporting" in user.write or "all" in user.write
        advice = f"the line is right, it was not loaded: {_RELOAD[6:]}" if told else ""
        yield fail(
            f"{patient.name}: the AMI user may not {', '.join(lacking)}",
            advice or f"{line}{has}, {_RELOAD}",
        )
    else:
        yield ok(f"{patient.name}: the AMI user may read all that is needed")
    if surplus:
        yield warn(
            f"{patient.name}: the AMI user may {', '.join(surplus)}, which press3 never needs",
            f"take those rights away; {line}{has}, {_RELOAD}",
        )


def _events(patient: Patient, user: ManagerUser) -> Iterator[Finding]:
    if not user.known:
        yield warn(
            f"{patient.name}: the PBX can't read its own manager.conf [{patient.pbx.username}], so "
            "which events come is not known",
            "load func_config.so; or see it in a call: press3 doctor --call",
        )
        return
    yield _classes(patient, user)
    yield from _filters(patient, user)
    if not user.timestamps:
        yield fail(
            f"{patient.name}: events carry no time of the PBX, so reaction times are only as good "
            "as the network",
            f"in manager.conf [general]: timestampevents = yes, {_RELOAD}",
        )
    if (user.write_timeout_ms or 100) < 1000:
        yield warn(
            f"{patient.name}: the PBX cuts us off when we pause for {user.write_timeout_ms or 100} ms",
            f"in manager.conf [{patient.pbx.username}]: writetimeout = {WRITE_TIMEOUT_MS}, {_RELOAD}",
        )


def _classes(patient: Patient, user: ManagerUser) -> Finding:
    rules = [r for r in patient.settings.ivr.observe if r.asterisk in (None, patient.name)]
    needed = {"call", *CLASS_OF.values()}
    if not any(rule.digit for rule in rules):
        needed.discard("dtmf")
    lacking = sorted(needed - user.read) if "all" not in user.read else []
    if lacking:
        return fail(
            f"{patient.name}: events of class {', '.join(lacking)} do not come: "
            + "; ".join(_WITHOUT[kind] for kind in lacking),
            f"in manager.conf [{patient.pbx.username}]: read = {READ} "
            f"(now: {','.join(sorted(user.read))}), {_RELOAD}",
        )
    return ok(f"{patient.name}: the AMI user gets every class of events that is needed")


def _filters(patient: Patient, user: ManagerUser) -> Iterator[Finding]:
    name, rules = patient.name, patient.settings.ivr.observe
    advice = (
        f"use the eventfilter lines of the rendered manager_press3.conf in "
        f"[{patient.pbx.username}], {_RELOAD}"
    )
    observed = [rule.context for rule in rules if rule.asterisk in (None, name) and rule.exten]
    try:
        if user.cut:
            raise WithoutMeaning("one is longer than the PBX tells")
        back = kept_back(user.filters, observed)
        foreign = [kind for kind, event in FOREIGN.items() if passes(user.filters, event)]
    except WithoutMeaning as why:
        yield warn(
            f"{name}: the event filters can't be judged ({why})",
            "see in a call what comes: press3 doctor --call",
        )
        return
    if back:
        yield fail(f"{name}: the event filter keeps back {', '.join(back)}", advice)
    elif foreign:
        yield warn(
            f"{name}: the event filter lets through {', '.join(foreign)}: needless load", advice
        )
    else:
        yield ok(f"{name}: the event filter lets through what is read, and no more")


async def _clock(patient: Patient) -> Finding:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    told = await actions.ping(patient.link)
    skew = told - now() + timedelta(seconds=(loop.time() - begun) / 2)
    said = (
        f"{abs(skew.total_seconds()):.1f} s {'ahead of' if skew > timedelta() else 'behind'} ours"
    )
    if abs(skew) >= _SKEW_FAIL:
        return fail(
            f"{patient.name}: the PBX's clock is {said}: deadlines and reports would be wrong",
            "synchronise both machines (chrony or systemd-timesyncd)",
        )
    if abs(skew) >= _SKEW_WARN:
        return warn(f"{patient.name}: the PBX's clock is {said}", "synchronise both machines")
    return ok(f"{patient.name}: the clocks agree")
