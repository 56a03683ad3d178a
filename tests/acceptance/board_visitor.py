"""A person at the board without a browser: keeps cookies, signs in, presses buttons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.service import EOC, OUR_CAS, PASSWORD, Running, configuration
from tests.unit.web.board_pages import Element, read

_HASH = configuration(base_url="http://127.0.0.1:9").user[0].password_hash


def user(username: str, *roles: str, services: tuple[str, ...] = (EOC, OUR_CAS)) -> dict[str, Any]:
    """A ``[[user]]`` section with the password of the tests."""
    return {
        "username": username,
        "name": f"{username.capitalize()} Person",
        "password_hash": _HASH,
        "services": list(services),
        "roles": list(roles),
    }


DOT = user("dot", "dispatcher")
CLAIRE = user("claire", "clinician", services=(OUR_CAS,))
CLIVE = user("clive", "clinician", services=(OUR_CAS,))
AUDREY = user("audrey", "auditor")
USERS = [DOT, CLAIRE, CLIVE, AUDREY]


@dataclass
class Visitor:
    """One browser's worth of cookies."""

    client: httpx.AsyncClient
    csrf: str = ""

    async def get(self, path: str, **more: Any) -> httpx.Response:
        """Open a page; redirects are not followed."""
        return await self.client.get(path, **more)

    async def page(self, path: str) -> Element:
        """A page that must be there."""
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return read(answer.text)

    async def post(self, path: str, *, csrf: str | None = None, **fields: str) -> httpx.Response:
        """Send a form, with the session's token unless another is given."""
        return await self.client.post(path, data={"csrf": self.csrf if csrf is None else csrf} | fields)

    async def try_to_sign_in(self, username: str, password: str, then: str = "") -> httpx.Response:
        """Fill in the form and send it."""
        form = await self.page(f"/board/sign-in?then={then}")
        fields = {field.attributes["name"]: field.attributes.get("value", "") for field in form.find("input")}
        return await self.client.post("/board/sign-in", data=fields | {"username": username, "password": password})

    async def sign_in(self, username: str) -> None:
        """Sign in, and take the token of the session from the board."""
        answer = await self.try_to_sign_in(username, PASSWORD)
        assert answer.status_code == 303, answer.text
        board = await self.page("/board")
        self.csrf = next(
            field.attributes["value"] for field in board.find("input") if field.attributes["name"] == "csrf"
        )


@asynccontextmanager
async def visiting(running: Running, username: str | None = None) -> AsyncIterator[Visitor]:
    """A visitor of a running service, signed in if a user name is given."""
    async with httpx.AsyncClient(base_url=running.url, timeout=15, trust_env=False) as client:
        visitor = Visitor(client)
        if username is not None:
            await visitor.sign_in(username)
        yield visitor
