"""Sending through the proxy as a BaRS sender must: token, headers, ids, and retries with the very same bytes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import httpx

from .clock import Clock
from .credentials import ASSERTION_TYPE, ClientCredentials
from .http_client import new_client
from .identity import ODS_CODE, Json, ServiceIdentity, encode_header, encode_target
from .outcomes import FHIR_JSON

ACCEPT = "application/fhir+json; version=1.1.0"


@dataclass(frozen=True)
class ProxyAddress:
    """Where the proxy is."""

    base_url: str
    """FHIR base URL."""
    token_url: str


@dataclass(frozen=True)
class Sent:
    """A message or read that left, and how it ended."""

    request_id: str
    correlation_id: str
    target: str
    body: bytes
    attempts: int
    status: int | None
    """Of the last attempt; None where no answer came."""
    answer: Json | None
    """The JSON of the last answer."""
    delivered: bool
    """200, or the 409 duplicate that proves an earlier attempt (CORE-TI-16)."""


class Verdict(Enum):
    """What an attempt means."""

    DELIVERED = "delivered"
    RETRY = "retry"
    RENEW_TOKEN = "renew token"  # noqa: S105 - what to do, not a secret
    REFUSED = "refused"


class ProxySender:
    """Sends for one service. One token at a time, renewed at 80 % of its life."""

    def __init__(
        self,
        identity: ServiceIdentity,
        *,
        proxy: ProxyAddress,
        credentials: ClientCredentials,
        clock: Clock,
        max_attempts: int = 8,
        timeout: float = 10.0,
    ) -> None:
        self._identity = identity
        self._proxy = proxy
        self._credentials = credentials
        self._clock = clock
        self._max_attempts = max_attempts
        self._client = new_client(timeout=timeout)
        self._token: tuple[str, datetime] | None = None
        self._token_lock = asyncio.Lock()

    async def aclose(self) -> None:
        """Closes the connections to the proxy."""
        await self._client.aclose()

    async def post(self, body: bytes, *, target: str, correlation_id: str, use_context: str) -> Sent:
        """Posts a message under a new X-Request-Id until it is delivered, refused or given up."""
        headers = self._headers(target, correlation_id) | {"Content-Type": FHIR_JSON, "use-context": use_context}
        return await self._send("POST", "$process-message", headers=headers, body=body, target=target)

    async def read(self, service_request_id: str, *, target: str, correlation_id: str) -> Sent:
        """Reads a ServiceRequest back, as must be done before an update or a cancellation (CORE-CAN-01)."""
        headers = self._headers(target, correlation_id)
        return await self._send("GET", f"ServiceRequest/{service_request_id}", headers=headers, body=b"", target=target)

    async def _send(self, method: str, path: str, *, headers: dict[str, str], body: bytes, target: str) -> Sent:
        answer: httpx.Response | None = None
        verdict = Verdict.RETRY
        attempt = 0
        while attempt < self._max_attempts and verdict in {Verdict.RETRY, Verdict.RENEW_TOKEN}:
            if attempt:
                await self._clock.wait(0.25 * 2 ** (attempt - 1))
            attempt += 1
            answer = await self._attempt(method, path, headers=headers, body=body)
            verdict = read_verdict(answer, headers)
            if verdict is Verdict.RENEW_TOKEN:
                self._token = None
        return Sent(
            request_id=headers["X-Request-Id"],
            correlation_id=headers["X-Correlation-Id"],
            target=target,
            body=body,
            attempts=attempt,
            status=answer.status_code if answer is not None else None,
            answer=_json(answer),
            delivered=verdict is Verdict.DELIVERED,
        )

    async def _attempt(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes
    ) -> httpx.Response | None:
        try:
            authorised = {**headers, "Authorization": f"Bearer {await self._bearer()}"}
            return await self._client.request(
                method, f"{self._proxy.base_url}/{path}", headers=authorised, content=body
            )
        except httpx.HTTPError:
            return None

    async def _bearer(self) -> str:
        async with self._token_lock:
            if self._token is None or self._clock.now() >= self._token[1]:
                self._token = await self._new_token()
            return self._token[0]

    async def _new_token(self) -> tuple[str, datetime]:
        asked_at = self._clock.now()
        answer = await self._client.post(
            self._proxy.token_url,
            data={
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": self._credentials.assertion(audience=self._proxy.token_url, now=asked_at),
            },
        )
        answer.raise_for_status()
        token = answer.json()
        return token["access_token"], asked_at + timedelta(seconds=int(token["expires_in"]) * 0.8)

    def _headers(self, target: str, correlation_id: str) -> dict[str, str]:
        return {
            "X-Request-Id": str(uuid.uuid4()),
            "X-Correlation-Id": correlation_id,
            "NHSD-Target-Identifier": encode_target(target),
            "NHSD-End-User-Organisation": encode_header(
                {
                    "resourceType": "Organization",
                    "identifier": [{"system": ODS_CODE, "value": self._identity.ods_code}],
                    "name": self._identity.name,
                }
            ),
            "NHSD-Requesting-Software": encode_header(
                {
                    "resourceType": "Device",
                    "identifier": [{"system": "https://sandbox.example/Id/device", "value": "cad-bridge-sandbox"}],
                    "deviceName": [{"name": "cad_bridge sandbox", "type": "manufacturer-name"}],
                    "version": [{"value": "1.0"}],
                }
            ),
            "Accept": ACCEPT,
        }


def read_verdict(answer: httpx.Response | None, sent: Mapping[str, str]) -> Verdict:
    """What an attempt means for its sender (CORE-TI-10 to -17)."""
    if answer is None or not _echoes_ids(answer, sent):
        return Verdict.RETRY
    if answer.status_code == 200:
        return Verdict.DELIVERED
    code, issue = _error(_json(answer))
    if code is None:
        return Verdict.RETRY
    if (code, issue) == ("REC_CONFLICT", "duplicate"):
        return Verdict.DELIVERED
    if answer.status_code == 401 and code.endswith("UNAUTHORIZED"):
        return Verdict.RENEW_TOKEN
    transient = code.endswith(("TIMEOUT", "TOO_MANY_REQUESTS", "UNAVAILABLE", "TOO_EARLY"))
    return Verdict.RETRY if transient or answer.status_code == 500 else Verdict.REFUSED


def _echoes_ids(answer: httpx.Response, sent: Mapping[str, str]) -> bool:
    return all(answer.headers.get(name) == sent[name] for name in ("X-Request-Id", "X-Correlation-Id"))


def _json(answer: httpx.Response | None) -> Json | None:
    if answer is None:
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _error(body: Json | None) -> tuple[str | None, str | None]:
    try:
        issue = (body or {})["issue"][0]
        return issue["details"]["coding"][0]["code"], issue["code"]
    except (KeyError, IndexError, TypeError):
        return None, None
