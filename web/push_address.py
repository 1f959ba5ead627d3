"""Where a screen finds the push socket: behind this server's `/ws`, or at an address of its own."""

import re

from aiohttp import web

from web.deps import DEPS, WebDeps

__all__ = ["push_sources", "push_url"]

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")


def push_url(request: web.Request) -> str:
    """Return the address that a push ticket names."""
    deps = request.app[DEPS]
    if deps.push_public_url:
        return deps.push_public_url + "/ws"
    base = deps.public_url or f"{request.scheme}://{request.host}"
    return _on_port(base.rstrip("/").replace("http", "ws", 1), deps) + "/ws"


def push_sources(request: web.Request) -> str:
    """Return what a page must be allowed to connect to besides its own host, for `connect-src`."""
    deps = request.app[DEPS]
    if deps.push_port is None and not deps.push_public_url:
        return ""
    url = push_url(request).removesuffix("/ws")
    scheme, _, authority = url.partition("://")
    if not _AUTHORITY.fullmatch(authority):
        return ""  # the Host header is a stranger's text
    # a page that came by https connects by wss, whatever we see behind the proxy
    return f"{url} wss://{authority}" if scheme == "ws" else url


def _on_port(base: str, deps: WebDeps) -> str:
    if deps.push_port is None:
        return base
    scheme, _, authority = base.partition("://")
    found = _AUTHORITY.fullmatch(authority)
    return f"{scheme}://{found[1] if found else authority}:{deps.push_port}"
