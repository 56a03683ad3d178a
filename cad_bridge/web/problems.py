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
    return [
        {"path": ".".join(str(part) for part in item["loc"] if part != "body"), "message": str(item["msg"])}
        for item in raw
    ]
