"""What only CAD to CAD referrals carry: presenting complaint, CPR, log entries and tasks as FHIR elements."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_clinical import People
from cad_bridge.fhir.build_elements import Json, coded_text, coding, concept, filled, reference
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.content_triage import LogEntry, RequestedAction, ResourceRequest

_CONDITION_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"


def complaint_fields(request: Request, people: People) -> Json | None:
    """Elements of the Condition: the presenting complaint (APP6-REF-19); None if it is not known."""
    if not (request.presenting_complaint or request.presenting_complaint_code):
        return None
    return {
        "clinicalStatus": concept(coding(_CONDITION_CLINICAL, "active", "Active")),
        "category": [concept(coding(codes.SNOMED, codes.PRESENTING_COMPLAINT, "Presenting complaint"))],
        "code": coded_text(request.presenting_complaint_code, request.presenting_complaint),
        "subject": reference(people.patient),
        "encounter": reference(people.encounter),
    }


def resuscitation_fields(started: datetime, people: People) -> Json:
    """Elements of the Procedure: CPR is under way (APP6-REF-20, APP6-TIM-06)."""
    return {
        "status": "in-progress",
        "code": concept(coding(codes.SNOMED, codes.CPR, "Cardiopulmonary resuscitation (procedure)")),
        "subject": reference(people.patient),
        "encounter": reference(people.encounter),
        "performedPeriod": {"start": started},
    }


def log_entries(request: Request) -> Iterator[tuple[str, str, LogEntry]]:
    """Role, topic and entry of everything in the call log and the crew notes (APP6-REF-17)."""
    for index, entry in enumerate(request.call_log):
        yield f"Communication/call-log/{index}", codes.CALL_LOG_ENTRY, entry
    for index, entry in enumerate(request.crew_notes):
        yield f"Communication/crew-note/{index}", codes.CREW_NOTE, entry


def log_entry_fields(entry: LogEntry, topic: str, people: People) -> Json:
    """Elements of the Communication."""
    return {
        "status": "completed",
        "subject": reference(people.patient),
        "topic": {"text": topic},
        "encounter": reference(people.encounter),
        "sent": entry.at,
        "payload": [{"contentString": entry.text}],
    }


def tasks(request: Request) -> Iterator[tuple[str, RequestedAction]]:
    """Role and content of every Task: the resource asked for, and actions of a clinician's triage."""
    if request.resource_requested:
        yield "Task/resource", request.resource_requested
    for index, action in enumerate(request.actions):
        yield f"Task/{index}", action


def task_fields(action: RequestedAction, people: People, *, authored_on: datetime, owner_url: str) -> Json:
    """Elements of the Task (APP6-REF-15, APP6-REF-16); `description` says in words how many are asked for."""
    resource = action if isinstance(action, ResourceRequest) else None
    number = resource.number if resource else None
    marked = {"id": codes.RESOURCE_REQUESTED} if resource else {}
    period = filled({"start": action.not_before, "end": action.by})
    return filled(
        {
            "status": "requested",
            "intent": "plan",
            "code": marked | coded_text(action.code, action.text),
            "description": resource.in_words if resource else action.text,
            "for": reference(people.patient),
            "encounter": reference(people.encounter),
            "authoredOn": authored_on,
            "requester": reference(people.practitioner),
            "owner": reference(owner_url),
            "restriction": {"period": period} if period else None,
            "input": [{"type": {"text": codes.HOW_MANY}, "valuePositiveInt": number}] if number else None,
        }
    )
