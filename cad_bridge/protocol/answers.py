"""What another system's answer means for a message that we sent (docs/protocol.md, section 4).

The BaRS code decides before the HTTP status, because the guide gives the same code several statuses (X-19).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from cad_bridge.fhir import systems
from cad_bridge.fhir.elements import as_list, as_object, child, objects, text
from cad_bridge.protocol.headers import CORRELATION_ID, REQUEST_ID


class Verdict(StrEnum):
    """What to do next with the message."""

    DELIVERED = "delivered"
    DUPLICATE = "duplicate"
    """Delivered by an earlier attempt whose answer was lost (CORE-TI-16)."""
    RETRY = "retry"
    """The same bytes and ids again, later."""
    RENEW_TOKEN = "renew-token"  # noqa: S105 - a verdict, not a secret
    """A new access token, then once more with the same ids (CORE-TI-15)."""
    CONFLICT = "conflict"
    """Read the case again, show it, let the change be made anew (CORE-TI-17, CORE-UPD-08)."""
    REFUSED = "refused"
    """Not to be repeated as it is."""


class Origin(StrEnum):
    """Who spoke (CORE-ERR-17)."""

    API = "API"
    PROXY = "BaRS"
    RECEIVER = "receiver"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reading of one answer."""

    verdict: Verdict
    origin: Origin
    advice: str
    """One or two sentences for the user: what happened and what to do, without codes (CORE-ERR-13)."""
    http_status: int | None = None
    code: str | None = None
    """BaRS code as it was sent, for the local log (CORE-ERR-14)."""
    issue_code: str | None = None
    diagnostics: str | None = None
    """The other party's words, for the audit. Not for users, and not for logs: it is not ours to vouch for."""
    retry_after: timedelta | None = None
    """The least time to wait that the other party asked for."""

    @property
    def is_delivered(self) -> bool:
        """Whether the other party holds the message."""
        return self.verdict in {Verdict.DELIVERED, Verdict.DUPLICATE}


@dataclass(frozen=True, slots=True)
class _Problem:
    code: str | None
    issue_code: str | None
    diagnostics: str | None

    @property
    def name(self) -> str:
        """The code without its prefix; PROXY_ and none are the same (CORE-ERR-07)."""
        code = (self.code or "").upper()
        return next((code.removeprefix(p) for p in ("REC_", "SEND_", "PROXY_") if code.startswith(p)), code)

    @property
    def origin(self) -> Origin:
        code = (self.code or "").upper()
        if code.startswith("REC_"):
            return Origin.RECEIVER
        return Origin.API if code.startswith("SEND_") else Origin.PROXY


_RETRYABLE = frozenset({"TIMEOUT", "TOO_MANY_REQUESTS", "TOO_EARLY", "UNAVAILABLE", "SERVICE_UNAVAILABLE"})
_NO_ERRORS = ("warning", "information")
_TRANSIENT_STATUS = frozenset({408, 425, 429})
_FINAL = frozenset(
    {
        "BAD_REQUEST",
        "UNAUTHORIZED",
        "FORBIDDEN",
        "NOT_FOUND",
        "METHOD_NOT_ALLOWED",
        "NOT_ACCEPTABLE",
        "CONFLICT",
        "UNSUPPORTED_MEDIA_TYPE",
        "UNPROCESSABLE_ENTITY",
        "NOT_IMPLEMENTED",
    }
)
"""Codes that a repetition would not change, under whatever status they come."""

_DELIVERED = "The other service has received the message."
_UNKNOWN = (
    "It is not certain that the other service has received the message. It is being sent again; you need do nothing."
)
_BUSY = "The other service could not take the message just now. It is being sent again; you need do nothing."
_ACCESS = "The message was not let through yet: our access has to be renewed. It is being sent again."
_CONFLICT = (
    "The case has changed at the other service or is no longer current there. "
    "Read its current state and decide whether your change is still needed."
)
_PHONE = "Hand the case over by phone"
_BY_CODE = {
    "UNAUTHORIZED": f"The other service does not allow our organisation to do this. {_PHONE}.",
    "FORBIDDEN": f"The connection between the two services is not trusted. {_PHONE} and tell support.",
    "NOT_FOUND": "The case or service that this is about is not known there. Check the service, or phone them.",
    "METHOD_NOT_ALLOWED": f"The other service does not offer this function. {_PHONE}.",
    "NOT_ACCEPTABLE": f"The two systems do not speak the same version. {_PHONE} and tell support.",
    "UNSUPPORTED_MEDIA_TYPE": f"The other service cannot read our messages. {_PHONE} and tell support.",
    "UNPROCESSABLE_ENTITY": f"The other service does not handle such requests. Choose another, or {_PHONE.lower()}.",
    "NOT_IMPLEMENTED": f"The other service does not offer this function. {_PHONE}.",
}
_NO_ROUTE = f"The chosen service cannot be reached electronically. Choose another, or {_PHONE.lower()}."
_REFUSED = "The other service did not accept the message. Check the details of the case, or hand it over by phone."
_OUR_FAULT = (
    "The message could not be sent because of a fault in our system. Hand the case over by phone and tell support."
)


def no_answer() -> Answer:
    """No response arrived: the connection failed or was cut (CORE-TI-10)."""
    return Answer(verdict=Verdict.RETRY, origin=Origin.NETWORK, advice=_UNKNOWN)


def classify_answer(
    status: int, headers: Mapping[str, str], body: bytes, *, request_id: str, correlation_id: str
) -> Answer:
    """Read an answer to the message that was sent with these two ids.

    Never raises, whatever the other side sends. Only a 200, or a 409 that says duplicate, is a delivery, and only
    with both ids as we sent them (CORE-TI-11, CORE-SYNC-07).
    """
    given = {name.lower(): value.strip() for name, value in headers.items()}
    problem = _problem(body)
    answer = _judge(status, problem, echoed=_is_echoed(given, request_id=request_id, correlation_id=correlation_id))
    return replace(
        answer,
        http_status=status,
        code=problem.code if problem else None,
        issue_code=problem.issue_code if problem else None,
        diagnostics=problem.diagnostics if problem else None,
        retry_after=_retry_after(given),
    )


def _judge(status: int, problem: _Problem | None, *, echoed: bool) -> Answer:
    if _wants_token(status, problem):
        return Answer(verdict=Verdict.RENEW_TOKEN, origin=problem.origin if problem else Origin.API, advice=_ACCESS)
    if not echoed:
        return Answer(verdict=Verdict.RETRY, origin=_origin(problem), advice=_UNKNOWN)
    if status == 200 and problem is None:
        return Answer(verdict=Verdict.DELIVERED, origin=Origin.RECEIVER, advice=_DELIVERED)
    if problem is None or status < 400:
        return Answer(verdict=Verdict.RETRY, origin=_origin(problem), advice=_UNKNOWN)
    return _judge_problem(status, problem)


def _judge_problem(status: int, problem: _Problem) -> Answer:
    if problem.name == "CONFLICT" and status == 409:
        return _judge_conflict(problem)
    if _is_transient(status, problem):
        return Answer(verdict=Verdict.RETRY, origin=problem.origin, advice=_BUSY)
    return Answer(verdict=Verdict.REFUSED, origin=problem.origin, advice=_advice(problem))


def _judge_conflict(problem: _Problem) -> Answer:
    duplicate = problem.origin is Origin.RECEIVER and problem.issue_code == "duplicate"
    if duplicate:
        return Answer(verdict=Verdict.DUPLICATE, origin=problem.origin, advice=_DELIVERED)
    return Answer(verdict=Verdict.CONFLICT, origin=problem.origin, advice=_CONFLICT)


def _wants_token(status: int, problem: _Problem | None) -> bool:
    """401 from anyone but the receiver, whose 401 is about the organisation; SEND_FORBIDDEN (CORE-TI-15)."""
    if problem is None or problem.code is None:
        return status == 401
    if problem.name == "UNAUTHORIZED":
        return problem.origin is not Origin.RECEIVER
    return problem.code.upper() == "SEND_FORBIDDEN"


def _is_transient(status: int, problem: _Problem) -> bool:
    if problem.issue_code in {"too-costly", "too costly"}:
        return False
    if problem.name in _RETRYABLE or problem.name == "SERVER_ERROR":
        return True
    return problem.name not in _FINAL and (status in _TRANSIENT_STATUS or status >= 500)


def _advice(problem: _Problem) -> str:
    if problem.origin is not Origin.RECEIVER:
        return _NO_ROUTE if problem.name == "NOT_FOUND" else _OUR_FAULT
    return _BY_CODE.get(problem.name, _REFUSED)


def _is_echoed(given: Mapping[str, str], *, request_id: str, correlation_id: str) -> bool:
    """Whether both ids came back; UUIDs are compared without case."""
    pairs = ((REQUEST_ID, request_id), (CORRELATION_ID, correlation_id))
    return all(given.get(name.lower(), "").lower() == sent.lower() for name, sent in pairs)


def _origin(problem: _Problem | None) -> Origin:
    return problem.origin if problem and problem.code else Origin.NETWORK


def _problem(body: bytes) -> _Problem | None:
    """The error in an OperationOutcome; ``None`` where the body is none, or reports no error (CORE-ERR-18).

    Of several issues the first counts, but the pair that means duplicate only where all of them say so.
    """
    outcome = _json_object(body)
    if outcome.get("resourceType") != "OperationOutcome":
        return None
    issues = [issue for issue in objects(outcome.get("issue")) if issue.get("severity") not in _NO_ERRORS]
    problems = [_Problem(_bars_code(i), text(i.get("code")), text(i.get("diagnostics"))) for i in issues]
    return next((p for p in problems if p.issue_code != "duplicate"), problems[0] if problems else None)


def _bars_code(issue: Mapping[str, Any]) -> str | None:
    codings = [as_object(c) for c in as_list(child(issue.get("details"), "coding"))]
    known = [c for c in codings if systems.canonical(text(c.get("system")) or "") == systems.HTTP_ERROR]
    return next((code for c in (*known, *codings) if (code := text(c.get("code")))), None)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        return as_object(json.loads(body))
    except (ValueError, RecursionError):
        return {}


def _retry_after(given: Mapping[str, str]) -> timedelta | None:
    """Retry-After in seconds, or as a date against the answer's own Date: no clock of ours is asked."""
    value = given.get("retry-after", "")
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=min(int(value[:9]), 86_400))
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(given.get("date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return max(wait, timedelta(0))
