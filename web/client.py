"""Whose request it is, as an address: the client behind the proxies that the configuration trusts.

Anybody can write `X-Forwarded-For`. It counts only when the connection comes from a trusted proxy, and
only as far back as trusted proxies wrote it: the first address from the right that is no trusted proxy.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web
from multidict import MultiMapping

from web.deps import DEPS, Address, Network

__all__ = ["address_of", "came_by_proxy", "client_address", "is_trusted", "neighbourhood", "place"]

_HOPS = 32  # no honest chain is longer
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*("[^"]*"|[^;,\s]*)', re.IGNORECASE)
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


def client_address(request: web.Request) -> Address | None:
    """Return the address of the client; None when the connection has none (a unix socket, or it is gone)."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    host = peer[0] if isinstance(peer, tuple) else ""
    return address_of(host, request.headers, request.app[DEPS].trusted_proxies)


def address_of(peer: str, headers: MultiMapping[str], trusted: Sequence[Network]) -> Address | None:
    """Return the client's address for a connection from `peer`; None when `peer` is no address.

    `X-Forwarded-For` counts before `Forwarded` (RFC 7239): a proxy that writes only the latter must
    remove the former. What is no address ends the way back: the proxy that passed it on is answered for.
    """
    found = _parsed(peer)
    if found is None or not _among(found, trusted):
        return found
    for text in _way_back(headers):
        hop = _parsed(text)
        if hop is None:
            break
        found = hop
        if not _among(hop, trusted):
            break
    return found


def came_by_proxy(request: web.Request) -> bool:
    """Return whether a trusted proxy passed the request on, and said so."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    says_so = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return (
        says_so
        and isinstance(peer, tuple)
        and is_trusted(peer[0], request.app[DEPS].trusted_proxies)
    )


def is_trusted(peer: str, trusted: Sequence[Network]) -> bool:
    """Return whether connections from `peer` are those of a trusted proxy."""
    address = _parsed(peer)
    return address is not None and _among(address, trusted)


def place(client: Address | str | None) -> str:
    """Return the name under which a client's connections are counted, all of its neighbourhood alike."""
    address = _parsed(client) if isinstance(client, str) else client
    return "" if address is None else str(neighbourhood(address))


def neighbourhood(address: Address) -> Network:
    """Return what one client can move about in: the address itself, of IPv6 its /64."""
    if isinstance(address, IPv6Address):
        return IPv6Network((address, 64), strict=False)
    return IPv4Network(address)


def _way_back(headers: MultiMapping[str]) -> Iterator[str]:
    """Yield the addresses that proxies wrote, nearest first."""
    written = ",".join(headers.getall("X-Forwarded-For", ()))
    if written:
        yield from reversed(written.split(",")[-_HOPS:])
        return
    for element in _elements(",".join(headers.getall("Forwarded", ()))):
        found = _FOR.search(element)
        yield found[1] if found is not None else ""


def _elements(forwarded: str) -> Iterator[str]:
    """Yield the elements of `Forwarded`, the last first: a client's open quote must not swallow the proxy's."""
    parts = forwarded.split(",")[-_HOPS:]
    while parts:
        element = parts.pop()
        while element.count('"') % 2 and parts:
            element = f"{parts.pop()},{element}"
        yield element


def _parsed(text: str) -> Address | None:
    text = text.strip().strip('"').partition("%")[0]
    if (with_port := _WITH_PORT.fullmatch(text)) is not None:
        text = with_port[1] or with_port[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _among(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
