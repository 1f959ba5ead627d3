"""The client's address: what a proxy says counts only when the proxy is trusted."""

from ipaddress import ip_address, ip_network

import pytest
from multidict import CIMultiDict

from web.client import address_of, neighbourhood

OWN = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("::1"))
CASES = [
    # peer, X-Forwarded-For, Forwarded, the client
    ("203.0.113.9", ["198.51.100.1"], [], "203.0.113.9"),  # a stranger's word about themselves
    ("127.0.0.1", [], [], "127.0.0.1"),
    ("127.0.0.1", ["198.51.100.1"], [], "198.51.100.1"),
    ("::1", ["2001:db8::7"], [], "2001:db8::7"),
    ("::ffff:127.0.0.1", ["::ffff:198.51.100.1"], [], "198.51.100.1"),
    (
        "127.0.0.1",
        ["1.1.1.1, 198.51.100.1"],
        [],
        "198.51.100.1",
    ),  # 1.1.1.1 is the client's own word
    ("127.0.0.1", ["1.1.1.1", "198.51.100.1"], [], "198.51.100.1"),  # in two lines
    ("127.0.0.1", ["1.1.1.1, 198.51.100.1, 10.1.2.3"], [], "198.51.100.1"),  # two proxies
    ("127.0.0.1", ["10.1.2.3"], [], "10.1.2.3"),  # somebody inside
    ("127.0.0.1", ["198.51.100.1:4711"], [], "198.51.100.1"),
    ("127.0.0.1", ["[2001:db8::7]:4711"], [], "2001:db8::7"),
    ("127.0.0.1", ["fe80::1%eth0"], [], "fe80::1"),
    ("127.0.0.1", ["unknown"], [], "127.0.0.1"),
    ("127.0.0.1", ["1.1.1.1, '; DROP TABLE, 10.1.2.3"], [], "10.1.2.3"),
    ("127.0.0.1", [""], [], "127.0.0.1"),
    ("127.0.0.1", [", " * 500 + "198.51.100.1"], [], "198.51.100.1"),
    ("127.0.0.1", [], ["for=198.51.100.1"], "198.51.100.1"),
    ("127.0.0.1", [], ['for=1.1.1.1, For="[2001:db8::7]:4711";proto=https'], "2001:db8::7"),
    ("127.0.0.1", [], ["for=_hidden, for=10.1.2.3"], "10.1.2.3"),
    ("127.0.0.1", ["198.51.100.1"], ["for=1.1.1.1"], "198.51.100.1"),
    # A client's open quote swallowed what the proxy wrote: the proxy was taken for the client, and banned.
    ("127.0.0.1", [], ['for=", for="[2001:db8::7]:4711"'], "2001:db8::7"),
    ("127.0.0.1", [], ['for=1.1.1.1, for=", for=198.51.100.1'], "198.51.100.1"),
    ("127.0.0.1", [], ["for=1.1.1.1, by=10.1.2.3;proto=https"], "127.0.0.1"),  # it names no client
    ("127.0.0.1", [], ["for=198.51.100.1;x-for=1.1.1.1"], "198.51.100.1"),
    ("203.0.113.9", [], ["for=198.51.100.1"], "203.0.113.9"),
]


@pytest.mark.parametrize(("peer", "by_list", "by_rfc", "client"), CASES)
def test_the_first_from_the_right_that_is_no_trusted_proxy(
    peer: str, by_list: list[str], by_rfc: list[str], client: str
) -> None:
    headers = CIMultiDict(
        [*(("x-forwarded-for", line) for line in by_list), *(("forwarded", f) for f in by_rfc)]
    )
    assert address_of(peer, headers, OWN) == ip_address(client)


def test_nothing_is_trusted_unless_configured() -> None:
    headers = CIMultiDict({"X-Forwarded-For": "198.51.100.1"})
    assert address_of("127.0.0.1", headers, ()) == ip_address("127.0.0.1")
    assert address_of("", headers, OWN) is None  # a unix socket


def test_a_client_of_ipv6_has_a_whole_64_of_addresses() -> None:
    here, there = (neighbourhood(ip_address(f"2001:db8::{end}")) for end in ("1", "ffff:0:0:2"))
    assert here == there == ip_network("2001:db8::/64")
    assert neighbourhood(ip_address("2001:db8:0:1::1")) != here
    assert str(neighbourhood(ip_address("198.51.100.1"))) == "198.51.100.1/32"
