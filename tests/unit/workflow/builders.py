"""Cases and commands for the tests of the workflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cad_bridge.workflow.case import Case, dispatch_by
from cad_bridge.workflow.commands import FinalReceived
from cad_bridge.workflow.vocabulary import Priority, Side, UseCase

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
CASE_ID = UUID("00000000-0000-4000-8000-000000000001")


def requester_case(**changes: Any) -> Case:
    """A C3 case under validation with forty minutes to its breach."""
    case = Case(
        id=CASE_ID,
        side=Side.REQUESTER,
        use_case=UseCase.CAS_VALIDATION,
        state="pending",
        version=3,
        arp=Priority.C3,
        clock_start=NOW - timedelta(minutes=5),
        breach_at=NOW + timedelta(minutes=40),
        dispatch_by=dispatch_by(Priority.C3, NOW - timedelta(minutes=5)),
        remote_case_number="CAS-1",
        delivered=True,
        triage={"arp": "C3", "summary": "Palpitations"},
    )
    return case.evolve(**changes)


def responder_case(**changes: Any) -> Case:
    """The same case as the responder holds it."""
    return requester_case(side=Side.RESPONDER, state="received", remote_case_number="YAS-1").evolve(**changes)


def final(**changes: Any) -> FinalReceived:
    """A final response; by default hear and treat, no ambulance."""
    values: dict[str, Any] = {
        "dispatch_required": False,
        "contradictory": False,
        "arp": Priority.C5,
        "clock_start": NOW - timedelta(minutes=5),
        "message_time": NOW,
        "outcome": {"summary": "Advice given"},
    }
    return FinalReceived(**values | changes)
