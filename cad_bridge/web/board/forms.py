"""What every form of the board has to carry, and what happens where it does not."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from cad_bridge.web.board.state import Viewer


async def fields_of(request: Request) -> Mapping[str, str]:
    """The text fields of a posted form, read by hand: a wrong form is answered with a page, and kept nowhere."""
    form = await request.form(max_files=0, max_fields=20)
    return {name: value for name, value in form.items() if isinstance(value, str)}


Fields = Annotated[Mapping[str, str], Depends(fields_of)]


def check_csrf(viewer: Viewer, fields: Mapping[str, str]) -> None:
    """Refuse a POST that does not carry the token of the session. Raises HTTPException 403."""
    if not hmac.compare_digest(viewer.session.csrf.encode(), fields.get("csrf", "").encode()):
        raise HTTPException(403)


def check_role(viewer: Viewer, roles: frozenset[str]) -> None:
    """Refuse what the person's roles do not cover. Raises HTTPException 403."""
    if not viewer.may(roles):
        raise HTTPException(403)
