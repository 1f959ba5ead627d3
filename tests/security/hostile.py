"""What nobody sends by mistake: for paths, queries, cursors, headers and bodies. Generated, not listed by route."""

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

__all__ = ["BODIES", "CURSORS", "HEADERS", "IN_FIELDS", "IN_PATHS", "IN_QUERIES", "PATHS"]

_LONG = ("x" * 255, "x" * 256, "x" * 5_000, "%d0%b6" * 200)
_NO_TEXT = ("%00", "%ff", "%ed%a0%80", "%c0%ae", "%f4%90%80%80", "a%00b", "%ef%bf%be")
_ODD_TEXT = ("%e2%80%ae", "%f0%9f%98%80", "%cc%88" * 50, "%0d%0aX:%20y", "%1b[2J", "%09", "%20")
_CODE = (
    "'",
    "%22",
    "%27%20or%201=1--",
    "%3cscript%3e",
    "$(id)",
    "%25n",
    "${x}",
    "%%",
    "{{7*7}}",
    "\\",
)
_NUMBERS = (
    "0", "-1", "1.5", "1e9", "1e400", "NaN", "Infinity", "0x10", "+1", "1_000", "%d9%a3", "%c2%b2",
    "2147483648", "9223372036854775808", "9" * 30, "9" * 4_000,
)  # fmt: skip
_TIMES = (
    "2026-13-45", "2026-11-29", "2026-11-29T00:00:00", "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00", "2026-11-29T25:00:00Z", "0000-01-01T00:00:00Z", "1e18", "-1",
    "2026-11-29T00:00:00%2B99:99", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z",
)  # fmt: skip

IN_PATHS = (*_NO_TEXT, *_ODD_TEXT, *_NUMBERS, "..", "%2e%2e%2f", "1%2f2", "1;x", "1,2", *_LONG[:3])
IN_QUERIES = ("", *_LONG, *_NO_TEXT, *_ODD_TEXT, *_CODE, *_NUMBERS, *_TIMES, "true", "null", "[]")

PATHS = (
    *("/" + each for each in (*_LONG, *_NO_TEXT, *_ODD_TEXT, *_CODE[:4])),
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/x", "//evil.test/", "/./.", "/" * 500,
    "/assets/" + "x" * 256, "/assets/%00", "/assets/../index.html", "/api", "/api/", "/api/v1", "/api/v1/",
    "/api/v1/" + "x" * 256, "/api/v2/appeals", "/api/v1/appeals/", "/api/v1//appeals", "/api/v1/%61ppeals",
    "/ws", "/metrics", "/readyz?x=1", "/healthz?" + "x" * 4_000, "/?" + "&".join(["a=b"] * 1_000),
    "*", "http://other.test/", "/x#y", "/\u00e9".encode().decode("latin-1"),
)  # fmt: skip


def _cursors() -> Iterator[str]:
    values: list[Any] = [
        None, True, -1, 0, 1, 2**31, 2**63, 10**40, 1.5, 1e308, "", "x", "\0", "\ud800", "x" * 60, [], {}, [[1]],
        "2026-11-29T00:00:00", "2026-11-29T00:00:00+00:00", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00", "2026-11-29", "not a date",
    ]  # fmt: skip
    places = [[], *([v] for v in values), *map(list, itertools.product(values, values))]
    for place in [*places, [1, 2, 3], {"a": 1}, "text", 7, None]:
        yield _encoded(json.dumps(place))
    for text in ("", "[", "[1", "[NaN]", "[Infinity]", "[" * 100, "[1e999]", '["\\ud800"]', "\x00"):
        yield _encoded(text)
    yield from (
        "!",
        "%00",
        "%ff",
        "A",
        "====",
        "x" * 200,
        "x" * 201,
        "W10",
        "%d0%b6",
        "-_-_",
        "W10=",
    )


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


CURSORS = tuple(_cursors())

IN_FIELDS: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**31, 2**63, 10**30, "", " ", "\0", "a\0b", "\ud800", "\u202e", "x" * 300, "x" * 60_000,
    [], {}, [[]], {"a": {}}, ["x"] * 2_000, "2026-11-29T00:00:00", "9999-12-31T23:59:59-14:00", "'; drop table appeals --",
)  # fmt: skip

BODIES: tuple[bytes, ...] = (
    b"{", b"[]", b"null", b"true", b'"x"', b"1e999", b"NaN", b"-", b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\x00",
    b"[" * 50_000, b'{"a":' * 5_000, b'{"x": ' + b"9" * 5_000 + b"}", b'{"a": 1, "a": 2}', b'{"": 1}', b'{"\\ud800": 1}',
    b"{" + b",".join(b'"k%d": 1' % n for n in range(5_000)) + b"}",
    b'{"' + b"k" * 60_000 + b'": 1}', b'{"\\u0000": "\\u0000"}', b"x" * 65_536, b"x" * 70_000, b"{} {}", b"{}\n" * 100,
)  # fmt: skip

HEADERS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("Origin", "http://["),), (("Origin", "null"),), (("Origin", ""),), (("Origin", "http://x:99999"),),
    (("Origin", "http://a"), ("Origin", "http://b")), (("Origin", "\x7f"),),
    (("Host", ""),), (("Host", "["),), (("Host", "a b"),), (("Host", "x:99999"),), (("Host", "a"), ("Host", "b")),
    (("Host", "evil.test/@x"),), (("Host", "x" * 3_000),),
    (("Authorization", "Bearer"),), (("Authorization", "Bearer \x80"),), (("Authorization", "Bearer " + "x" * 5_000),),
    (("Authorization", "Basic ="),), (("Authorization", "Bearer a"), ("Authorization", "Bearer b")),
    (("Cookie", "press3_session"),), (("Cookie", "press3_session=\x80; ="),), (("Cookie", ";" * 2_000),),
    (("If-Match", '"0"'),), (("If-Match", '"' + "9" * 40 + '"'),), (("If-Match", "\x80"),), (("If-Match", 'W/"1"'),),
    (("Idempotency-Key", ""),), (("Idempotency-Key", "x" * 200),), (("Idempotency-Key", "\u0436"),),
    (("Range", "bytes=9-1"),), (("Range", "bytes=-"),), (("Range", "bytes=" + "9" * 40 + "-"),), (("Range", "x"),),
    (("Range", "bytes=0-0,5-5"),), (("If-Modified-Since", "yesterday"),), (("If-None-Match", '"'),),
    (("If-Range", "x"),), (("Accept-Encoding", "gzip;q=x"),), (("Accept", "\x80"),), (("Accept-Language", "x" * 3_000),),
    (("Expect", "100-continue"),), (("Expect", "a miracle"),), (("Content-Type", "text/plain"),),
    (("Content-Type", "multipart/form-data; boundary="),), (("Content-Type", "application/json; charset=utf-7"),),
    (("Content-Type", "\x80"),), (("Content-Encoding", "gzip"),), (("Content-Encoding", "x"),),
    (("Content-Length", "1"), ("Content-Length", "2")), (("Content-Length", "-1"),), (("Content-Length", "x"),),
    (("Transfer-Encoding", "x"),), (("Transfer-Encoding", "chunked, chunked"),),
    (("X-Forwarded-For", "1.2.3.4, x"),), (("X-Forwarded-For", "," * 2_000),), (("Forwarded", 'for="['),),
    (("X-Press3-Guest", "0"),), (("Upgrade", "h2c"), ("Connection", "Upgrade")), (("X-HTTP-Method-Override", "DELETE"),),
    (("Bad Name", "x"),), (("", "x"),), (("X-\u0436", "x"),), (("X", "a\x00b"),), (("X", "a\nb"),),
    tuple((f"X-{n}", "x" * 50) for n in range(200)), tuple((f"X-{n}", "x" * 4_000) for n in range(20)),
)  # fmt: skip
