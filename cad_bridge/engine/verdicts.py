"""The answer to a BaRS message, and the window of time in which it has to be given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from cad_bridge.fhir.issues import Issue
from cad_bridge.protocol.errors import Fault, Refused, operation_outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Status and body of an answer on the BaRS side."""

    status: int
    body: bytes
    issues: tuple[Issue, ...] = ()


@dataclass(slots=True)
class AnswerWindow:
    """Whether the sender is still waiting.

    The edge sets `expired` when it answers 408; the worker sets `committing` just before its commit. Each looks at the
    other's mark first and neither yields in between, so that a time-out is decided before the commit or not at all.
    """

    expired: bool = False
    committing: bool = field(default=False)


def refusal(refused: Refused, *, new_id: UUID, ods_code: str) -> Reply:
    """The OperationOutcome of a refusal; `ods_code` speaks where the addressed service is not known."""
    outcome = operation_outcome(
        refused.fault, issues=refused.issues, ods_code=refused.ods_code or ods_code, outcome_id=new_id
    )
    return Reply(status=refused.fault.http_status, body=orjson.dumps(outcome), issues=tuple(refused.issues))


def plain_refusal(fault: Fault, *, new_id: UUID, ods_code: str, diagnostics: str | None = None) -> Reply:
    """The OperationOutcome of a fault that is about no element of the message."""
    outcome = operation_outcome(fault, diagnostics=diagnostics, ods_code=ods_code, outcome_id=new_id)
    return Reply(status=fault.http_status, body=orjson.dumps(outcome))


def issue_as_json(issue: Issue) -> dict[str, Any]:
    """A finding as it is kept with the message and shown on the case."""
    return {
        "severity": issue.severity.value,
        "code": issue.code,
        "expression": issue.expression,
        "diagnostics": issue.diagnostics,
        "rule": issue.rule,
    }
