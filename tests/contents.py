"""Fixed content and frames for tests, and how to look into the message that was made of them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from cad_bridge.fhir.content import Outcome, Request
from cad_bridge.fhir.envelope import Envelope, OwnEncounter, Party

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)

Json = dict[str, Any]

REQUESTER = Party(
    service_id="https://fhir.nhs.uk/Id/dos-service-id|2000000011", ods_code="RX8", name="Northern Ambulance EOC"
)
RESPONDER = Party(
    service_id="https://fhir.nhs.uk/Id/dos-service-id|2000000021", ods_code="RYE", name="Example Clinical Assessment"
)


def envelope(
    *, from_requester: bool = True, bundle: int = 1, message: int = 1, at: datetime = NOON + timedelta(minutes=2)
) -> Envelope:
    """A frame between the two services; `bundle` and `message` number the ids."""
    ends = (REQUESTER, RESPONDER) if from_requester else (RESPONDER, REQUESTER)
    return Envelope(
        bundle_id=str(uuid.UUID(int=bundle, version=4)),
        message_id=str(uuid.UUID(int=2**64 + message, version=4)),
        created_at=at,
        sender=ends[0],
        receiver=ends[1],
        version_id="1.1.0",
        software_name="CAD Bridge",
        software_version="1.0",
        case_number_system="https://example.org/Id/case-number",
    )


def own_encounter(*, status: str = "planned") -> OwnEncounter:
    """The responder's Encounter of the case."""
    return OwnEncounter(
        full_url=f"urn:uuid:{uuid.UUID(int=77, version=4)}",
        id="own-encounter",
        case_number="CAS-0007",
        case_number_system="https://example.org/Id/cas-case-number",
        status=status,
        period_start=NOON + timedelta(minutes=1),
    )


def plain_request(**changes: Any) -> Request:
    """A fixed validation request with something of everything, as the local API takes it."""
    body: Json = {
        "use_case": "a4t1",
        "sender": REQUESTER.service_id,
        "receiver": RESPONDER.service_id,
        "case_number": "NAS-0042",
        "journey_id": "6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10",
        "clock_start": "2026-11-21T12:00:00+00:00",
        "breach_at": "2026-11-21T13:40:00+01:00",
        "timings": {
            "call_connect": "2026-11-21T11:56:12Z",
            "call_answer": "2026-11-21T11:56:20Z",
            "location_confirmed": "2026-11-21T11:57:00Z",
            "disposition": "2026-11-21T12:00:00Z",
        },
        "patient": {
            "name": {"family": "Placeholder", "given": ["Pat"], "prefix": ["Mx"]},
            "nhs_number": {"value": "9990000018", "verification": "number-present-and-verified"},
            "gender": "other",
            "birth_sex": "female",
            "birth_date": "1951-03-14",
            "estimated_age_years": 75,
            "address": {"lines": ["1 Test Street"], "city": "Testville", "postcode": "ZZ99 3VZ"},
            "general_practice": {"ods_code": "Z99999", "name": "Test Surgery"},
        },
        "contacts": [
            {"rank": 2, "relationship": "carer", "telecom": [{"rank": 1, "system": "phone", "value": "01632 960002"}]},
            {
                "rank": 1,
                "relationship": "self",
                "telecom": [
                    {"rank": 2, "system": "phone", "use": "home", "value": "01632 960001"},
                    {"rank": 1, "system": "phone", "use": "mobile", "value": "07700 900001"},
                ],
            },
        ],
        "caller": {"relationship": "daughter", "name": {"given": ["Toni"]}},
        "incident_location": {
            "status": "confirmed",
            "name": "Test House",
            "latitude": 53.7975,
            "longitude": -1.5436,
            "uprn": "72000001",
            "lines": ["1 Test Street"],
            "postcode": "ZZ99 3VZ",
            "supplementary": "Key safe",
        },
        "triage": {
            "system": {"name": "NHS Pathways", "version": "41.2.0"},
            "pathways": {
                "sg": {"code": "SG1", "display": "Group"},
                "sd": {"code": "SD1", "display": "Discriminator"},
                "dx": {"code": "Dx1", "display": "Disposition"},
            },
            "arp": "C3",
            "summary": "Fell, cannot get up.",
            "patient_expectations": "Wants to stay at home.",
        },
        "birth_sex_consent": True,
        "presenting_complaint": "Fall",
        "requested_action": "Please validate",
        "scene_safety": {"status": "unsafe", "reasons": ["Dog loose", "Icy path"]},
        "flags": [{"category": "SG", "text": "Concern about neglect", "date": "2026-11-21"}],
        "consent": {"date": "2026-11-21"},
        "practitioner": {
            "sds_role_profile_id": "T1234",
            "name": {"family": "Caller", "given": ["Chris"]},
            "role": "EMD",
        },
    }
    return Request.model_validate(body | changes)


def plain_outcome(**changes: Any) -> Outcome:
    """A fixed outcome: the ambulance is still needed, less urgently."""
    body: Json = {
        "dispatch_required": True,
        "arp": "C4",
        "clock_start": "2026-11-21T12:00:00Z",
        "disposition_at": "2026-11-21T12:20:00Z",
        "summary": "Spoke to the patient.",
        "practitioner": {"sds_role_profile_id": "T9999", "role": "Nurse", "clinician": True},
    }
    return Outcome.model_validate(body | changes)


def resources(bundle: Json, resource_type: str) -> list[Json]:
    """The resources of a type, in order."""
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == resource_type]


def only(bundle: Json, resource_type: str) -> Json:
    """The one resource of a type."""
    found = resources(bundle, resource_type)
    assert len(found) == 1
    return found[0]


def target(bundle: Json, link: Json) -> Json:
    """The resource that a reference names."""
    return next(entry["resource"] for entry in bundle["entry"] if entry["fullUrl"] == link["reference"])


def references(value: Any) -> list[str]:
    """Every reference in it."""
    if isinstance(value, dict):
        own = [value["reference"]] if isinstance(value.get("reference"), str) else []
        return own + [found for child in value.values() for found in references(child)]
    return [found for child in value for found in references(child)] if isinstance(value, list) else []


def urls(bundle: Json) -> set[str]:
    """The fullUrls of all entries."""
    return {entry["fullUrl"] for entry in bundle["entry"]}


def by_url(bundle: Json) -> dict[str, Json]:
    """The resources by fullUrl."""
    return {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}


def newer(before: Json, after: Json) -> list[str]:
    """Types of the resources whose lastUpdated rose."""
    old = by_url(before)
    return [
        resource["resourceType"]
        for url, resource in by_url(after).items()
        if url not in old or resource["meta"]["lastUpdated"] != old[url]["meta"]["lastUpdated"]
    ]
