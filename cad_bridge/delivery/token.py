"""Access tokens of the BaRS API: client credentials with a signed JWT (CORE-SEC-01), one request at a time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import jwt
import orjson

from cad_bridge.delivery.transport import NoAnswerError, Transport

# The API refuses an assertion that is valid for more than five minutes; a fast clock must not push it over that.
_ASSERTION_LIFE = timedelta(minutes=4)
_RENEW_AT = 0.8
"""Part of a token's life after which a new one is fetched."""


class NoTokenError(Exception):
    """No access token could be had; the message says why, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Where tokens come from and how we prove who we are."""

    url: str
    client_id: str
    key_id: str
    private_key_file: Path


def signed(claims: Mapping[str, object], settings: TokenSettings) -> str:
    """Claims signed with our private key. Raises NoTokenError."""
    try:
        key = settings.private_key_file.read_text(encoding="ascii")
        return jwt.encode(dict(claims), key, algorithm="RS512", headers={"kid": settings.key_id})
    except (OSError, ValueError, TypeError, jwt.PyJWTError) as error:
        raise NoTokenError(f"the private key cannot be used: {type(error).__name__}") from error


class TokenSource:
    """Fetches, keeps and renews the access token."""

    def __init__(self, settings: TokenSettings, *, transport: Transport, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._transport = transport
        self._now = now
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._renew_at: datetime | None = None

    async def token(self) -> str:
        """A token that is still good. Raises NoTokenError."""
        async with self._lock:
            if self._token is None or self._renew_at is None or self._now() >= self._renew_at:
                await self._fetch()
            assert self._token is not None
            return self._token

    def forget(self, token: str) -> None:
        """The API did not accept this token: the next caller gets a new one."""
        if token == self._token:
            self._token = None

    async def _fetch(self) -> None:
        form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self._assertion(),
            }
        )
        try:
            answer = await self._transport.post(
                self._settings.url,
                body=form.encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            )
        except NoAnswerError as error:
            raise NoTokenError(f"the token server did not answer: {error}") from error
        if answer.status != 200:
            raise NoTokenError(f"the token server answered {answer.status}")
        self._take(answer.body)

    def _take(self, body: bytes) -> None:
        try:
            said = orjson.loads(body)
            token, life = str(said["access_token"]), timedelta(seconds=float(said["expires_in"]) * _RENEW_AT)
            self._renew_at = self._now() + life
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise NoTokenError("the token server's answer could not be read") from error
        self._token = token

    def _assertion(self) -> str:
        client = self._settings.client_id
        claims = {
            "iss": client,
            "sub": client,
            "aud": self._settings.url,
            "jti": str(uuid.uuid4()),
            "exp": int((self._now() + _ASSERTION_LIFE).timestamp()),
        }
        return signed(claims, self._settings)
