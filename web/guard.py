"""The security headers of every answer."""

from aiohttp import web

from web.push_address import push_sources

__all__ = ["BARE_HEADERS", "guard"]

# Styles are also set by scripts (waveform, charts), which browsers count as inline; scripts are our own only.
_CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'{push}",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Of an answer that is given before it is known what was asked for.
BARE_HEADERS = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", **_HEADERS}


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers on whatever is sent, and say nothing of the software (`on_response_prepare`)."""
    sources = push_sources(request)
    policy = _CSP.format(push=f" {sources}" if sources else "")
    response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)
