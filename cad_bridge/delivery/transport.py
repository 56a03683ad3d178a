"""The one module that knows the HTTP client (decision 9): its successor is a change of this import."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

MAX_ANSWER_BYTES = 2 * 1024 * 1024


class NoAnswerError(Exception):
    """Nothing usable came back; the message names the kind of failure and holds no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """Status, headers and the exact body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Requests with one time limit, no redirects, no retries of its own (the outbox retries) and no proxies."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_seconds, connect=min(5.0, timeout_seconds)),
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=100, max_keepalive_connections=20),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """POST and read the answer. Raises NoAnswerError."""
        return await self._request("POST", url, body=body, headers=headers)

    async def get(self, url: str, *, headers: Mapping[str, str]) -> HttpAnswer:
        """GET and read the answer. Raises NoAnswerError."""
        return await self._request("GET", url, body=None, headers=headers)

    async def _request(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        try:
            # The client's own limits are for each step: an answer that trickles in would never meet one of them.
            async with (
                asyncio.timeout(self.timeout_seconds),
                self._client.stream(method, url, content=body, headers=dict(headers)) as response,
            ):
                return HttpAnswer(
                    status=response.status_code, headers=dict(response.headers), body=await _limited(response)
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise NoAnswerError(_cause(error)) from error


def _cause(error: BaseException) -> str:
    """What went wrong, in the words of TLS or the system: the client's own texts quote addresses (CORE-TI-19)."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLError):
            said = getattr(inner, "verify_message", None) or inner.reason
            return f"{type(error).__name__}: TLS, {said}"
        if isinstance(inner, OSError) and inner.errno is not None:
            return f"{type(error).__name__}: {errno.errorcode.get(inner.errno, inner.errno)}"
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__


async def _limited(response: httpx.Response) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise NoAnswerError("AnswerTooLarge")
        chunks.append(chunk)
    return b"".join(chunks)
