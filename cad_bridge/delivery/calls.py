"""Calls to the BaRS API with an access token; a token that is not accepted is renewed once (CORE-TI-15)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from cad_bridge.delivery.token import NoTokenError, TokenSource
from cad_bridge.delivery.transport import HttpAnswer, NoAnswerError, Transport
from cad_bridge.protocol.answers import Answer, Verdict, classify_answer, no_answer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What a call came to, and the body of the answer if there was one."""

    answer: Answer
    body: bytes | None = None


class BarsCalls:
    """Sends to one BaRS API."""

    def __init__(self, transport: Transport, *, base_url: str, tokens: TokenSource | None) -> None:
        self._transport = transport
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens

    @property
    def timeout_seconds(self) -> float:
        """The most that one request can take."""
        return self._transport.timeout_seconds

    async def post_message(self, body: bytes, headers: Mapping[str, str]) -> Called:
        """POST a message to $process-message."""
        url = f"{self._base_url}/$process-message"
        return await self._twice(headers, lambda given: self._transport.post(url, body=body, headers=given))

    async def get(self, path: str, headers: Mapping[str, str]) -> Called:
        """GET a resource; `path` begins with a slash and is never logged."""
        return await self._twice(headers, lambda given: self._transport.get(f"{self._base_url}{path}", headers=given))

    async def _twice(
        self, headers: Mapping[str, str], call: Callable[[Mapping[str, str]], Awaitable[HttpAnswer]]
    ) -> Called:
        called = await self._once(headers, call)
        return await self._once(headers, call) if called.answer.verdict is Verdict.RENEW_TOKEN else called

    async def _once(
        self, headers: Mapping[str, str], call: Callable[[Mapping[str, str]], Awaitable[HttpAnswer]]
    ) -> Called:
        token = None
        try:
            token = await self._tokens.token() if self._tokens is not None else None
            got = await call({**headers, **({"Authorization": f"Bearer {token}"} if token else {})})
        except (NoAnswerError, NoTokenError) as error:
            ids = {"request_id": headers.get("X-Request-Id"), "correlation_id": headers.get("X-Correlation-Id")}
            log.warning("no answer", extra=ids | {"host": urlsplit(self._base_url).netloc, "error": str(error)})
            return Called(answer=no_answer())
        answer = classify_answer(
            got.status,
            got.headers,
            got.body,
            request_id=headers.get("X-Request-Id", ""),
            correlation_id=headers.get("X-Correlation-Id", ""),
        )
        if answer.verdict is Verdict.RENEW_TOKEN and self._tokens is not None and token is not None:
            self._tokens.forget(token)
        return Called(answer=answer, body=got.body)
