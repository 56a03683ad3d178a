"""Templates, static files and HTML answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cad_bridge.web.board.presenters import moments

HERE = Path(__file__).parent
STATIC = HERE / "static"
PREFIX = "/board"

_environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def _fingerprint(name: str) -> str:
    path = STATIC / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else "missing"


def static_url(name: str) -> str:
    """Where a static file is; its fingerprint makes browsers fetch a new release's anew."""
    return f"{PREFIX}/static/{name}?v={_fingerprint(name)}"


_environment.globals.update(
    static_url=static_url,
    prefix=PREFIX,
    soon_seconds=moments.SOON_SECONDS,
    urgent_seconds=moments.URGENT_SECONDS,
    level_words=moments.LEVEL_WORDS,
    max_silence_seconds=moments.MAX_SILENCE_SECONDS,
)


def render(template: str, **values: Any) -> str:
    """A template with its values. Raises UndefinedError for a name that is not given."""
    return _environment.get_template(template).render(**values)


def page(html: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """An HTML answer; the application adds its security headers."""
    return HTMLResponse(html, status_code=status, headers=dict(headers or {}))


_EXPLANATIONS = {
    401: "Sign in to go on.",
    403: "You may not do that here, or the page was open for too long. Go back to the board and try again.",
    404: "There is no such page or case here, or it is not one of your services'.",
    405: "This page cannot be used in that way.",
    413: "That was too much to send.",
    500: "Something went wrong here, and it has been logged. Act on what your CAD shows.",
    503: "The database does not answer. Act on what your CAD shows, and try again.",
}


def error_page(path: str, status: int) -> HTMLResponse | None:
    """The error as a page, if the path is one of the board's."""
    if path != PREFIX and not path.startswith(f"{PREFIX}/"):
        return None
    explanation = _EXPLANATIONS.get(status, "The page could not be shown.")
    phrase = HTTPStatus(status).phrase
    return page(render("error.html", title=phrase, explanation=explanation), status=status)


class CachedStaticFiles(StaticFiles):
    """Static files that browsers keep: their address changes with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept for a year if it was asked for by its fingerprint."""
        response = await super().get_response(path, scope)
        asked_by_fingerprint = scope.get("query_string", b"").startswith(b"v=")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if asked_by_fingerprint else "no-cache"
        )
        return response
