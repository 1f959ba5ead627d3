"""What the web server is given: views of the running service that `web` may not reach by itself."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web as aiohttp_web
from sqlalchemy.ext.asyncio import AsyncSession

import web
from appeals.reconciliation import read as reconciliation
from people.signin import SignInRules
from press3.config.settings import Settings
from press3.database import Database
from press3.features import entry_kinds
from press3.metrics import service_registry
from press3.telephony_parts import logs_by_pbx, number_rules
from recordings.worker import RecordingWorker
from telephony.press_reader import PbxReader
from telephony.serving import Telephony
from web.app import build, figures
from web.deps import LinkView, Reconcile, WebDeps

__all__ = ["link_view", "metrics_app", "web_app"]


def web_app(
    settings: Settings,
    database: Database,
    *,
    telephony: Sequence[Telephony],
    recordings: RecordingWorker,
    push_socket: Path | None,
    push_port: int | None,
) -> aiohttp_web.Application:
    """Return the web application of a running service."""

    def links() -> list[LinkView]:
        return [link_view(each) for each in telephony]

    return build(
        WebDeps(
            sessions=database.sessions,
            writer=database.writer,
            now=database.now,
            data_dir=settings.service.data_dir,
            entry_kinds=entry_kinds(),
            timezone=settings.service.timezone,
            language=settings.service.language,
            links=links,
            reconcile=_reconciliation(settings, telephony),
            push_socket=push_socket,
            push_port=push_port,
            push_public_url=settings.push.public_url or None,
            static_dir=Path(web.__file__).parent / "static",
            secure_cookie=settings.http.is_secure,
            trusted_proxies=settings.http.proxies,
            sign_in=_sign_in_rules(settings),
            public_url=settings.http.public_url or None,
        )
    )


def _reconciliation(settings: Settings, telephony: Sequence[Telephony]) -> Reconcile:
    logs = logs_by_pbx(settings, number_rules(settings))

    async def reconcile_day(
        session: AsyncSession, day: date, hidden: AbstractSet[int]
    ) -> Mapping[str, Any]:
        reader = PbxReader([each.link for each in telephony], logs)
        return await reconciliation.run(session, day, settings.zone, reader, hidden=hidden)

    return reconcile_day


def _sign_in_rules(settings: Settings) -> SignInRules:
    return SignInRules(
        session=timedelta(hours=settings.auth.session_h),
        idle=timedelta(hours=settings.auth.idle_h),
        totp=settings.auth.totp,
    )


def metrics_app(
    telephony: Sequence[Telephony], recordings: RecordingWorker
) -> aiohttp_web.Application:
    """Return the application of the metrics' own port."""
    return figures(service_registry(telephony, recordings))


def link_view(telephony: Telephony) -> LinkView:
    """Return what screens and `/readyz` are told of one PBX."""
    link = telephony.link
    if (stuck_since := telephony.stuck_since()) is not None:
        reason = "the database refuses to store events; they are kept and tried again"
        return LinkView(pbx=telephony.pbx, state="stuck", since=stuck_since, reason=reason)
    if telephony.failed_since is not None:
        reason = "a fault of press3 keeps this PBX from being served; it is begun anew, see the log"
        return LinkView(
            pbx=telephony.pbx, state="down", since=telephony.failed_since, reason=reason
        )
    if telephony.pipeline is None:
        return _not_serving(telephony)
    return LinkView(
        pbx=telephony.pbx,
        state=link.state.value,
        since=link.state_since,
        reason=link.state_reason,
    )


def _not_serving(telephony: Telephony) -> LinkView:
    """Whether another process serves the PBX is known when its lease was found in another's hands."""
    state, reason = "starting", "press3 is starting"
    if telephony.lease.held_by_another:
        state, reason = "standby", "another process serves this PBX"
    return LinkView(pbx=telephony.pbx, state=state, since=telephony.link.state_since, reason=reason)
