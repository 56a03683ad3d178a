"""Signing in and out."""

from __future__ import annotations

import hmac
import logging
import math
import secrets
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from cad_bridge.store import sessions
from cad_bridge.store.sessions import BoardSession
from cad_bridge.web.board.forms import Fields, check_csrf
from cad_bridge.web.board.pages import PREFIX, page, render
from cad_bridge.web.board.state import COOKIE, Context, SignedIn, State, token_hash, viewer_of
from cad_bridge.web.context import User, WebContext, context_of

log = logging.getLogger(__name__)

router = APIRouter(prefix=PREFIX)

_FORM_COOKIE = "cad_bridge_sign_in"
_FORM_PATH = f"{PREFIX}/sign-in"
_WRONG = "The user name or the password is not right."


@router.get("/sign-in")
async def sign_in_form(request: Request, then: str = "") -> Response:
    """The form; for those who are signed in, the board."""
    if await viewer_of(request) is not None:
        return RedirectResponse(_inside(then), 303)
    return _form(context_of(request), then=then)


@router.post("/sign-in")
async def sign_in(request: Request, context: Context, state: State, fields: Fields) -> Response:
    """Check the password and begin a session."""
    username, then, csrf = (fields.get(name, "") for name in ("username", "then", "csrf"))
    if not _is_from_our_form(request, csrf):
        return _form(context, then=then, error="The page was open for too long. Try again.", status=403)
    locked = state.throttle.locked_for(username)
    if locked is not None:
        return _locked(context, then, locked)
    user = await state.passwords.user(username, fields.get("password", ""))
    if user is None:
        state.throttle.failed(username)
        # The name that was typed is not logged: people type passwords there.
        log.warning("a board sign-in failed", extra={"known_user": username in context.users})
        return _form(context, then=then, username=username, error=_WRONG, status=401)
    state.throttle.succeeded(username)
    return await _begin(context, user, request, then)


def _locked(context: WebContext, then: str, locked: timedelta) -> Response:
    seconds = math.ceil(locked.total_seconds())
    error = f"Too many tries failed for this user name. Try again in {seconds} seconds."
    answer = _form(context, then=then, error=error, status=429)
    answer.headers["Retry-After"] = str(seconds)
    return answer


async def _begin(context: WebContext, user: User, request: Request, then: str) -> Response:
    """A new session with a new token, whatever the browser brought (no session is ever taken over)."""
    token, now = secrets.token_urlsafe(32), context.now()
    session = BoardSession(
        token_sha256=token_hash(token),
        username=user.username,
        csrf=secrets.token_urlsafe(32),
        expires_at=now + context.session_life,
    )
    old = request.cookies.get(COOKIE)
    if old:
        await sessions.end_session(context.database, token_hash(old))
    await sessions.open_session(context.database, session, now=now)
    log.info("signed in on the board", extra={"user": user.username})
    answer = RedirectResponse(_inside(then), 303)
    life = int(context.session_life.total_seconds())
    _set_cookie(answer, context, COOKIE, token, path=PREFIX, max_age=life)
    answer.delete_cookie(_FORM_COOKIE, path=_FORM_PATH)
    return answer


@router.post("/sign-out")
async def sign_out(context: Context, viewer: SignedIn, fields: Fields) -> Response:
    """End the session and have the browser forget what it holds."""
    check_csrf(viewer, fields)
    await sessions.end_session(context.database, viewer.session.token_sha256)
    log.info("signed out of the board", extra={"user": viewer.user.username})
    answer = RedirectResponse(_FORM_PATH, 303)
    answer.delete_cookie(COOKIE, path=PREFIX)
    answer.headers["Clear-Site-Data"] = '"cookies", "storage"'
    return answer


def _form(context: WebContext, *, then: str, username: str = "", error: str = "", status: int = 200) -> Response:
    """The form with a token that stands in a cookie as well: another site can set neither."""
    csrf = secrets.token_urlsafe(32)
    html = render("sign_in.html", csrf=csrf, then=_inside(then), username=username, error=error)
    answer = page(html, status=status)
    _set_cookie(answer, context, _FORM_COOKIE, csrf, path=_FORM_PATH, max_age=3600)
    return answer


def _is_from_our_form(request: Request, csrf: str) -> bool:
    expected = request.cookies.get(_FORM_COOKIE, "")
    return bool(expected) and hmac.compare_digest(expected.encode(), csrf.encode())


def _inside(then: str) -> str:
    """Where to go on: a page of the board, and no other site's."""
    is_page = then.startswith(f"{PREFIX}/") and "\\" not in then and then.isprintable() and "//" not in then
    return then if is_page else PREFIX


def _set_cookie(answer: Response, context: WebContext, name: str, value: str, *, path: str, max_age: int) -> None:
    answer.set_cookie(
        name, value, path=path, max_age=max_age, httponly=True, secure=context.secure_cookie, samesite="strict"
    )
