"""What a check has to say about a message: one `Issue` per finding, never the first one only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """FHIR IssueSeverity. An `ERROR` refuses the message, a `WARNING` is recorded and shown to the user."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One finding in a received message.

    `diagnostics` is plain English for a person and never holds a value taken from the message,
    because any value may be patient data (CORE-ERR-09).
    """

    severity: Severity
    code: str
    """FHIR IssueType, such as ``required``, ``structure``, ``invariant``, ``value``."""
    expression: str
    """FHIRPath of the element, such as ``Bundle.entry[3].resource.status``."""
    diagnostics: str
    rule: str
    """The id of the rule that speaks: a requirement id, a defects.md number, or a FHIR invariant."""

    @property
    def is_error(self) -> bool:
        """Whether this finding alone refuses the message."""
        return self.severity is Severity.ERROR
