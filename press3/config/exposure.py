"""What of the configuration lets strangers in or read along. press3 runs with it. Pure."""

import ipaddress
from collections.abc import Iterator

from press3.config.settings import Settings

__all__ = ["remarks"]


def remarks(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield what is open, and what to do about it."""
    yield from _cookie(settings)
    yield from _ports(settings)
    yield from _behind_a_proxy(settings)
    yield from _tickets(settings)
    yield from _shared_folders(settings)
    for pbx in settings.asterisk:
        if not pbx.tls and not _is_here(pbx.host):
            yield (
                f"[[asterisk]] {pbx.name}: AMI goes over the network to {pbx.host} without TLS; "
                "the secret and every call can be read and changed on the way",
                "tls = true (tlsenable = yes in manager.conf), or a tunnel to 127.0.0.1",
            )


def _cookie(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.http.public_url.startswith("https://") and not settings.http.is_secure:
        yield (
            "[http] public_url is https, but secure_cookie = false: "
            "browsers send the session over http too",
            "take secure_cookie out; it follows public_url",
        )


def _ports(settings: Settings) -> Iterator[tuple[str, str]]:
    http, push, metrics = settings.http, settings.push, settings.metrics
    open_ports = [("[http]", http.host)]
    open_ports += [("[push]", push.host)] if push.port is not None else []
    open_ports += [("[metrics]", metrics.host)] if metrics.port is not None else []
    for section, host in open_ports:
        if not _is_here(host):
            yield (
                f"{section} host = {host!r} is reached from the network without TLS",
                "host = '127.0.0.1' and a proxy with TLS before it (deploy/), "
                "or a firewall that only lets it through",
            )


def _behind_a_proxy(settings: Settings) -> Iterator[tuple[str, str]]:
    http = settings.http
    if http.public_url and not http.trusted_proxies:
        yield (
            "[http] public_url names a proxy, but trusted_proxies is empty: "
            "all clients count at the proxy's address",
            "trusted_proxies = ['127.0.0.1'] for a proxy on this machine",
        )
    if http.trusted_proxies and not http.public_url:
        yield (
            "[http] trusted_proxies is set, but public_url is not: push tickets say ws://, "
            "which a page that came by https may not open, and the session's cookie is not Secure",
            "public_url = 'https://…', the address that people use",
        )


def _tickets(settings: Settings) -> Iterator[tuple[str, str]]:
    http, push = settings.http, settings.push
    if not http.public_url.startswith("https://"):
        return
    if push.public_url.startswith("ws://"):
        yield (
            f"[push] public_url = {push.public_url!r}: a page that came by https "
            "may not open ws://",
            "use the wss:// address of the proxy",
        )
    if push.port is not None and not push.public_url:
        yield (
            f"[push] port = {push.port}, but no public_url: tickets lead screens to that port "
            "by wss://, where press3 speaks no TLS",
            "[push] public_url = 'wss://…' and a proxy before the port, or take [push] port out",
        )


def _shared_folders(settings: Settings) -> Iterator[tuple[str, str]]:
    mapped = {each.asterisk for each in settings.recordings.map}
    sharing = [pbx.name for pbx in settings.asterisk if pbx.name not in mapped]
    if len(sharing) > 1:
        names = ", ".join(sharing)
        yield (
            f"[recordings] roots are shared by the PBXs {names}: "
            "each may name a recording of the others",
            "give each a [[recordings.map]] with a folder of its own",
        )


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
