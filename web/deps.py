"""What the web server works with: given to it, never looked up."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from appeals.case.entry import EntryKinds
from people.signin import SignInRules
from store.writer import Writer

__all__ = ["DEPS", "Address", "LinkView", "Network", "Reconcile", "WebDeps"]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Reconcile = Callable[[AsyncSession, date, AbstractSet[int]], Awaitable[Mapping[str, Any]]]
"""Of a day, without the appeals whose numbers are given: they are about the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView:
    """The connection to one PBX: `connecting`, `up`, `refused` (login), `down` or `closed`.

    `starting`: not yet known whether another process serves the PBX. `standby`: one does, this one
    takes over when it goes. `stuck`: the database refuses what the PBX tells.
    """

    pbx: str
    state: str
    since: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class WebDeps:
    """`links` tells the state of every PBX connection. `reconcile` reads a day afresh from the PBX and
    compares (CONTRACT `GET /reconciliation`); None when this process has no telephony. `push_socket`
    is the private socket that `/ws` leads to; None: no push here. `static_dir` holds the built screen.
    `language` is that of a screen whose person has chosen none. `timezone` is the IANA name of the zone whose days count.
    `public_url` (`https://host`) is used in the push ticket when a proxy hides it; None: the
    request's own host. `push_port`: push listens there and not behind `/ws`; `push_public_url`
    (`wss://host`) is where screens find it when a proxy hides that. `secure_cookie`: the screen is reached by https only.
    `trusted_proxies` may say whose request they pass on (`web.client`); from anybody else it is not believed.
    `entry_kinds`: what the entries in a history may be.
    `sign_in`: what locks, how long sessions last, whether a second factor is needed.
    """

    sessions: async_sessionmaker[AsyncSession]
    writer: Writer
    now: Callable[[], datetime]
    data_dir: Path
    entry_kinds: EntryKinds
    timezone: str = "UTC"
    language: str = "ru"
    links: Callable[[], Sequence[LinkView]] = lambda: ()
    reconcile: Reconcile | None = None
    push_socket: Path | None = None
    static_dir: Path | None = None
    secure_cookie: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    sign_in: SignInRules = field(default_factory=SignInRules)
    public_url: str | None = None
    push_port: int | None = None
    push_public_url: str | None = None
    body_limit_bytes: int = 65_536
    listening_pause_s: float = 600


DEPS: web.AppKey[WebDeps] = web.AppKey("deps", WebDeps)
