"""Every error that this service can answer with, and the OperationOutcome that carries it.

The catalogue is complete: an error that is not here is not given. The names and their meaning are in
docs/protocol.md, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

from cad_bridge.fhir import systems
from cad_bridge.fhir.issues import Issue, Severity

OPERATION_OUTCOME_PROFILE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"
MAX_ISSUES = 200
"""A hostile message cannot make the answer grow without limit; the last issue then says how many were left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of the receiver's error catalogue (CORE-ERR-03, CORE-ERR-06)."""

    http_status: int
    code: str
    """BaRS error code; a receiver uses REC_ codes only."""
    issue_code: str
    """FHIR IssueType of an issue that names none of its own."""
    meaning: str
    """What went wrong, in plain English; the diagnostics of a refusal that has nothing more exact to say."""

    @property
    def display(self) -> str:
        """``409 - REC_CONFLICT`` (CORE-ERR-04)."""
        return f"{self.http_status} - {self.code}"


def _bad_request(issue_code: str, meaning: str) -> Fault:
    return Fault(http_status=400, code="REC_BAD_REQUEST", issue_code=issue_code, meaning=meaning)


REQUIRED = _bad_request("required", "Something that must be given is absent.")
INVALID = _bad_request("invalid", "A header or parameter is badly formed.")
VALUE = _bad_request("value", "A value is well formed but cannot be used here.")
STRUCTURE = _bad_request("structure", "The content cannot be read.")
INVARIANT = _bad_request("invariant", "The message breaks a rule of its MessageDefinition, or no workflow fits it.")
UNSUPPORTED_FUNCTION = _bad_request("not-supported", "This function of the standard is switched off here.")
UNAUTHORIZED = Fault(
    http_status=401,
    code="REC_UNAUTHORIZED",
    issue_code="security",
    meaning="The requesting organisation, software or role is not allowed to do this here.",
)
FORBIDDEN = Fault(
    http_status=403,
    code="REC_FORBIDDEN",
    issue_code="forbidden",
    meaning="The client certificate is missing or not trusted.",
)
NOT_FOUND = Fault(
    http_status=404,
    code="REC_NOT_FOUND",
    issue_code="not-found",
    meaning="What the request is about is not held here.",
)
METHOD_NOT_ALLOWED = Fault(
    http_status=405,
    code="REC_METHOD_NOT_ALLOWED",
    issue_code="not-supported",
    meaning="This method is not allowed on this address.",
)
NOT_ACCEPTABLE = Fault(
    http_status=406,
    code="REC_NOT_ACCEPTABLE",
    issue_code="processing",
    meaning="None of the content types and versions named in Accept is served.",
)
TIMEOUT = Fault(
    http_status=408,
    code="REC_TIMEOUT",
    issue_code="timeout",
    meaning="No verdict was reached in time. Repeat the message with the same ids to learn the outcome.",
)
DUPLICATE = Fault(
    http_status=409,
    code="REC_CONFLICT",
    issue_code="duplicate",
    meaning="This message was already received and processed.",
)
CONFLICT = Fault(
    http_status=409,
    code="REC_CONFLICT",
    issue_code="conflict",
    meaning="The case has changed here or is no longer current. Read it again before you repeat the change.",
)
UNSUPPORTED_MEDIA_TYPE = Fault(
    http_status=415,
    code="REC_UNSUPPORTED_MEDIA_TYPE",
    issue_code="not-supported",
    meaning="The body is not FHIR JSON.",
)
NOT_SUPPORTED = Fault(
    http_status=422,
    code="REC_UNPROCESSABLE_ENTITY",
    issue_code="not-supported",
    meaning="The version, definition or use case of the message is not served here.",
)
TOO_COSTLY = Fault(
    http_status=422,
    code="REC_UNPROCESSABLE_ENTITY",
    issue_code="too-costly",
    meaning="The request asks for more than this service will work out at once.",
)
TOO_EARLY = Fault(
    http_status=425,
    code="REC_TOO_EARLY",
    issue_code="duplicate",
    meaning="The first attempt of this message is still being processed. Repeat it later.",
)
TOO_MANY_REQUESTS = Fault(
    http_status=429,
    code="REC_TOO_MANY_REQUESTS",
    issue_code="throttled",
    meaning="Too many requests in too short a time. Repeat the message later.",
)
SERVER_ERROR = Fault(
    http_status=500,
    code="REC_SERVER_ERROR",
    issue_code="exception",
    meaning="Something went wrong here; the message was not processed.",
)
NO_STORE = Fault(
    http_status=500,
    code="REC_SERVER_ERROR",
    issue_code="no-store",
    meaning="The message could not be stored; it was not processed.",
)
NOT_IMPLEMENTED = Fault(
    http_status=501,
    code="REC_NOT_IMPLEMENTED",
    issue_code="not-supported",
    meaning="This function of the standard is not built here.",
)
UNAVAILABLE = Fault(
    http_status=503,
    code="REC_UNAVAILABLE",
    issue_code="transient",
    meaning="This service is not available at the moment. Repeat the message later.",
)

CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {name: value for name, value in sorted(globals().items()) if isinstance(value, Fault)}
)
"""Every fault by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A verdict: this is the answer, and nothing of the message is acted on."""

    fault: Fault
    issues: tuple[Issue, ...] = ()
    ods_code: str | None = None
    """The organisation that answers, where the addressed service is known."""

    @classmethod
    def because(cls, fault: Fault, diagnostics: str, *, expression: str = "", rule: str) -> Refused:
        """One finding, with the fault's own issue code."""
        issue = Issue(
            severity=Severity.ERROR,
            code=fault.issue_code,
            expression=expression,
            diagnostics=diagnostics,
            rule=rule,
        )
        return cls(fault=fault, issues=(issue,))


def operation_outcome(
    fault: Fault,
    *,
    ods_code: str,
    outcome_id: UUID,
    issues: Sequence[Issue] = (),
    diagnostics: str | None = None,
) -> dict[str, Any]:
    """The OperationOutcome for a fault: one issue per finding that refuses (CORE-ERR-01 to CORE-ERR-11, X-26).

    Without findings there is one issue, of `diagnostics` or the fault's own meaning. `ods_code` is the code of the
    answering organisation. Warnings are not told to the sender: the message was not refused for them.
    """
    findings = [(_issue_code(fault, i), i.diagnostics, i.expression) for i in issues if i.is_error]
    if not findings:
        findings = [(fault.issue_code, diagnostics or fault.meaning, "")]
    if len(findings) > MAX_ISSUES:
        left_out = len(findings) - MAX_ISSUES + 1
        findings[MAX_ISSUES - 1 :] = [(fault.issue_code, f"{left_out} more findings are not listed.", "")]
    return {
        "resourceType": "OperationOutcome",
        "id": str(outcome_id),
        "meta": {"profile": [OPERATION_OUTCOME_PROFILE]},
        "issue": [_issue(fault, *finding, ods_code=ods_code) for finding in findings],
    }


def _issue_code(fault: Fault, issue: Issue) -> str:
    """The finding's own code, but never one that turns another conflict into a duplicate (CORE-TI-22)."""
    return fault.issue_code if fault.code == DUPLICATE.code else issue.code


def _issue(fault: Fault, issue_code: str, diagnostics: str, expression: str, *, ods_code: str) -> dict[str, Any]:
    coding = {"system": systems.HTTP_ERROR, "code": fault.code, "display": fault.display}
    issue = {
        "severity": "error",
        "code": issue_code,
        "details": {"coding": [coding]},
        "diagnostics": f"{ods_code}: {diagnostics}",
    }
    return issue | ({"expression": [expression]} if expression else {})
