"""Errors of the local API: problem details (RFC 9457), with a path for every field and no value of any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from cad_bridge.engine.requests import RequestRefusedError


@dataclass(slots=True)
class ProblemError(Exception):
    """An answer of the local API that is not a success."""

    status: int
    title: str
    detail: str = ""
    errors: Sequence[dict[str, Any]] = field(default_factory=tuple)
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the problem details (RFC 9457, section 3.2)."""

    def response(self) -> JSONResponse:
        """The problem as an HTTP response."""
        body: dict[str, Any] = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = list(self.errors)
        body |= self.more
        headers = _HEADERS.get(self.status)
        return JSONResponse(body, status_code=self.status, media_type="application/problem+json", headers=headers)


_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}


def not_found(what: str) -> ProblemError:
    """404; also for what exists but is none of the caller's business."""
    return ProblemError(HTTPStatus.NOT_FOUND, f"No such {what}")


def no_database() -> ProblemError:
    """503: the database fails us; whether what was asked is kept cannot be told."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database does not answer",
        "Send it again, a new request with the same Idempotency-Key: nothing is done twice.",
    )


def does_not_fit(why: str) -> ProblemError:
    """409: the command does not fit the state of the case."""
    return ProblemError(HTTPStatus.CONFLICT, "This does not fit the state of the case", why)


def invalid(errors: Sequence[dict[str, Any]]) -> ProblemError:
    """422: the body breaks a rule; `errors` hold path and message."""
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "The request breaks a rule", errors=errors)


def refused(error: RequestRefusedError) -> ProblemError:
    """409 or 422: the engine refused the content, by field."""
    errors = [{"path": problem.path, "message": problem.message} for problem in error.problems]
    title = "This does not fit what is there already" if error.status == 409 else "The request breaks a rule"
    return ProblemError(error.status, title, errors=errors)


def field_errors(raw: Sequence[Any]) -> list[dict[str, Any]]:
    """Path and message of pydantic's errors. Inputs are left out: any value may be patient data."""
    return [_field_error(item) for item in raw]


def _field_error(item: Mapping[str, Any]) -> dict[str, Any]:
    if item["type"] == "json_invalid":
        message = f"is no JSON from character {item['loc'][-1]} on: {item['ctx']['error']}"
        return {"path": "", "message": message}
    path = ".".join(str(part) for part in item["loc"] if part != "body")
    return {"path": path, "message": str(item["msg"]).removeprefix("Value error, ")}


def unreadable() -> ProblemError:
    """400: nothing can be said of any field."""
    errors = [{"path": "", "message": "is no JSON in UTF-8, or is nested without end"}]
    return ProblemError(HTTPStatus.BAD_REQUEST, "The body cannot be read", errors=errors)


_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "What is wrong, by field; never a value.",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_TOLD = {
    400: "The body cannot be read.",
    401: "No valid key.",
    403: "The client has no role for it.",
    404: "There is no such thing, or it is none of the client's business.",
    409: "It does not fit what is there already.",
    415: "The body is not called JSON.",
    422: "The request breaks a rule; every field that does is named.",
    503: "The database does not answer; send it again.",
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": what, "content": {"application/problem+json": {"schema": _PROBLEM_SCHEMA}}}
    for status, what in _TOLD.items()
}
"""What any call of the local API may be answered with, for its description (RFC 9457)."""
