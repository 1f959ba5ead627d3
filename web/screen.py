"""The built screen: its files, and its one page at every address."""

import asyncio
from pathlib import Path

from aiohttp import web

from web.deps import DEPS
from web.problems import ApiError

__all__ = ["screen"]

_PAGE = "index.html"
_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>press3</title>
<h1>The screen is not built</h1>
<p>press3 is running; its screen must be built once from a source tree:</p>
<pre>make ui</pre>
<p>An installed wheel brings it built. The interface for programs is at
<a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
</html>"""
_FOR_EVER = "public, max-age=31536000, immutable"  # names under assets/ carry a hash of the content


async def screen(request: web.Request) -> web.StreamResponse:
    """Send a file of the screen, or its page: the screen finds its own way from the address."""
    path = request.match_info["path"]
    static = request.app[DEPS].static_dir
    found = await asyncio.to_thread(_find, static, path) if static is not None else None
    if found is None:
        return web.Response(text=_NOT_BUILT, content_type="text/html", status=503)
    if found.name == _PAGE:
        return await asyncio.to_thread(_page, found, request.app[DEPS].language)
    lasting = found.parent.name == "assets"
    return web.FileResponse(found, headers={"Cache-Control": _FOR_EVER if lasting else "no-cache"})


def _page(file: Path, language: str) -> web.Response:
    """Return the page in `language`: its first tag says in which the screen starts."""
    text = file.read_text(encoding="utf-8").replace('<html lang="ru">', f'<html lang="{language}">')
    return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-cache"})


def _find(static: Path, path: str) -> Path | None:
    """Return the file to send for `path`, never one outside `static`; None when nothing is built."""
    page = static / _PAGE
    if not page.is_file():
        return None
    try:
        wanted = (static / path).resolve()
        if wanted.is_relative_to(static.resolve()) and wanted.is_file():
            return wanted
    except (OSError, ValueError):  # a name too long for a file, or U+0000 in it
        pass
    if path.startswith("assets/"):
        raise ApiError("not-found", f"There is no file /{path}.")
    return page
