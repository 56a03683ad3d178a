"""Messages of a remote system, as raw JSON: made by the sandbox, which shares no line with the service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cad_bridge.sandbox import validation_requests as raw
from cad_bridge.sandbox.identity import ServiceIdentity
from cad_bridge.sandbox.synthetic import PEOPLE

REQUESTER = ServiceIdentity("https://fhir.nhs.uk/Id/dos-service-id|2000000091", "RX9", "Remote Ambulance EOC")


def validation_request(
    *, destination: str, case_number: str = "EMAS-1", summary: str = "Palpitations", breach_in: timedelta | None = None
) -> dict[str, Any]:
    """A new validation request from a remote AST."""
    now = datetime.now(UTC)
    case = raw.ValidationCase(
        use_case="a4t1",
        case_number=case_number,
        person=PEOPLE[0],
        summary=summary,
        call_connect=now - timedelta(minutes=8),
        clock_start=now - timedelta(minutes=4),
        breach_at=now + (breach_in or timedelta(minutes=40)),
    )
    return raw.validation_request(case, source=REQUESTER, target=destination, now=now)


def update(known: dict[str, Any], answer: dict[str, Any], *, summary: str) -> dict[str, Any]:
    """An update of a request that was answered."""
    return raw.update_request(
        raw.with_issued_ids(known, answer), summary=summary, breach_at=None, now=datetime.now(UTC)
    )


def cancellation(known: dict[str, Any], answer: dict[str, Any], *, status: str = "revoked") -> dict[str, Any]:
    """A cancellation of a request that was answered."""
    issued = raw.with_issued_ids(known, answer)
    return raw.cancellation(issued, status=status, reason="Patient called back", now=datetime.now(UTC))
