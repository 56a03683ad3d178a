"""The service's local API as a CAD sees it: one request in, events out."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import httpx

from .http_client import new_client
from .identity import Json


class LocalApiError(Exception):
    """The local API answered something else than it should."""

    def __init__(self, asked: str, status: int | None, title: str) -> None:
        super().__init__(f"{asked}: {status or 'no answer'} {title}".rstrip())
        self.status = status


@dataclass(frozen=True)
class CreatedCase:
    """What a 201 tells the CAD."""

    id: str
    state: str
    case_number: str


class LocalApi:
    """A CAD's connection, and beside it that of the person who acknowledges escalations."""

    def __init__(self, base_url: str, *, cad_key: str, dispatcher_key: str | None = None) -> None:
        self._dispatcher_key = dispatcher_key or cad_key
        self._client = new_client(timeout=10.0, base_url=f"{base_url.rstrip('/')}/api/v1")
        self._client.headers["Authorization"] = f"Bearer {cad_key}"

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def request_validation(self, body: Json) -> CreatedCase:
        """`POST /validation-requests`. Raises LocalApiError unless the answer is 201 with a case."""
        return await self._create("/validation-requests", body)

    async def refer(self, body: Json) -> CreatedCase:
        """`POST /referrals`. Raises LocalApiError unless the answer is 201 with a case."""
        return await self._create("/referrals", body)

    async def update(self, case_id: str, body: Json) -> None:
        """`POST /cases/{id}/update`, with the whole body again. Raises LocalApiError."""
        await self._send("POST", f"/cases/{case_id}/update", json=body)

    async def events(self, *, after: str | None, limit: int) -> tuple[list[Json], str | None]:
        """`GET /events`: what is new, and where to go on. Raises LocalApiError."""
        query = {"limit": str(limit)} | ({"after": after} if after is not None else {})
        answer = await self._send("GET", "/events", params=query)
        body = _object(answer)
        cursor = body.get("next")
        return list(body["events"]), after if cursor is None else str(cursor)

    async def acknowledge(self, case_id: str, escalation_id: str, *, by: str) -> None:
        """`POST /cases/{id}/escalations/{eid}/acknowledge` in the name of a person. Raises LocalApiError."""
        await self._send(
            "POST",
            f"/cases/{case_id}/escalations/{escalation_id}/acknowledge",
            json={"by": by},
            headers={"Authorization": f"Bearer {self._dispatcher_key}"},
        )

    async def _create(self, path: str, body: Json) -> CreatedCase:
        answer = await self._send("POST", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        case = _object(answer)
        missing = {"id", "state", "case_number"} - set(case)
        if answer.status_code != 201 or missing:
            raise LocalApiError(f"POST {path}", answer.status_code, f"without {', '.join(sorted(missing))}")
        return CreatedCase(id=str(case["id"]), state=str(case["state"]), case_number=str(case["case_number"]))

    async def _send(
        self,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, json=json, params=params, headers=headers)
        except httpx.HTTPError as error:
            raise LocalApiError(f"{method} {path}", None, type(error).__name__) from error
        if answer.is_error:
            raise LocalApiError(f"{method} {path}", answer.status_code, _problem(answer))
        return answer


def _object(answer: httpx.Response) -> Json:
    body = answer.json()
    if not isinstance(body, dict):
        raise LocalApiError(str(answer.request.url.path), answer.status_code, "is no JSON object")
    return body


def _problem(answer: httpx.Response) -> str:
    """Title and detail of problem details (RFC 9457)."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    return " - ".join(str(body[name]) for name in ("title", "detail") if body.get(name))
