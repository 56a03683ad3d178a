"""What the board keeps in the memory of a node, and who is signed in."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated

from fastapi import Depends, Request

from cad_bridge.store.sessions import BoardSession
from cad_bridge.web.board.passwords import Passwords, Throttle
from cad_bridge.web.board.sharing import Gathered
from cad_bridge.web.board.watch import Watch
from cad_bridge.web.context import User, WebContext, context_of

COOKIE = "cad_bridge_board"
DISPATCHING = frozenset({"dispatcher", "cad", "admin"})
CLINICAL = frozenset({"clinician", "admin"})
ACKNOWLEDGING = DISPATCHING | CLINICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardState:
    """One for each application."""

    passwords: Passwords
    throttle: Throttle
    watch: Watch
    sessions: Gathered[str, BoardSession]
    """Session by the hash of its token. Every page and every fetch of an open board asks for one."""


def state_of(request: Request) -> BoardState:
    """The board's state of the application that serves a request."""
    state: BoardState = request.app.state.board
    return state


class SignInNeededError(Exception):
    """Nobody is signed in, or the session has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A signed-in person."""

    user: User
    session: BoardSession

    @property
    def by(self) -> str:
        """How the audit trail names the person."""
        return f"{self.user.name} ({self.user.username})"

    def may(self, roles: frozenset[str]) -> bool:
        """Whether the person has one of the roles."""
        return bool(self.user.roles & roles)


def token_hash(token: str) -> str:
    """What the database knows of a cookie."""
    return sha256(token.encode()).hexdigest()


async def viewer_of(request: Request) -> Viewer | None:
    """Who is signed in, if anybody; the user must still be configured."""
    context = context_of(request)
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    session = await state_of(request).sessions.get(token_hash(token))
    user = context.users.get(session.username) if session is not None else None
    return Viewer(user=user, session=session) if user is not None and session is not None else None


async def signed_in(request: Request) -> Viewer:
    """Who is signed in. Raises SignInNeededError."""
    viewer = await viewer_of(request)
    if viewer is None:
        raise SignInNeededError
    return viewer


Context = Annotated[WebContext, Depends(context_of)]
State = Annotated[BoardState, Depends(state_of)]
SignedIn = Annotated[Viewer, Depends(signed_in)]
