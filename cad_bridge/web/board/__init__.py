"""The board at `/board`: pages for dispatchers and clinicians. What they promise is in docs/board.md."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from cad_bridge.store.sessions import BoardSession, sessions_of
from cad_bridge.web.board import actions, routes, signin, stream
from cad_bridge.web.board.pages import PREFIX, STATIC, CachedStaticFiles, error_page
from cad_bridge.web.board.passwords import Passwords, Throttle
from cad_bridge.web.board.sharing import Gathered
from cad_bridge.web.board.state import BoardState, SignInNeededError
from cad_bridge.web.board.watch import Watch
from cad_bridge.web.context import WebContext

__all__ = ["close", "error_page", "mount"]


def mount(app: FastAPI, context: WebContext) -> None:
    """Add the board to the application."""

    async def sessions(tokens: Collection[str]) -> dict[str, BoardSession]:
        return await sessions_of(context.database, tokens, now=context.now())

    app.state.board = BoardState(
        passwords=Passwords(context.users),
        throttle=Throttle(context.now),
        watch=Watch(context),
        sessions=Gathered(sessions),
    )
    app.mount(f"{PREFIX}/static", CachedStaticFiles(directory=STATIC), name="board-static")
    for router in (signin.router, stream.router, routes.router, actions.router):
        app.include_router(router, include_in_schema=False)
    app.add_exception_handler(SignInNeededError, _to_sign_in)


async def close(app: FastAPI) -> None:
    """End what the boards of the application have under way; to be called before its database is let go."""
    state: BoardState = app.state.board
    await state.watch.close()
    await state.sessions.close()


async def _to_sign_in(request: Request, _error: Exception) -> Response:
    """Sign in first; after a GET, go on where one wanted to go."""
    where = request.url.path if request.method == "GET" else ""
    return RedirectResponse(f"{PREFIX}/sign-in?then={quote(where)}", 303)
