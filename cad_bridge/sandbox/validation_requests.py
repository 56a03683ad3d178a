"""A validation request about a made-up patient, its update and its cancellation (Application 4, requester)."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass
from datetime import datetime

from .codes import (
    ARP,
    ARP_NAMES,
    CONSENT_CATEGORIES,
    CONSENT_SCOPE,
    FLAG_CATEGORIES,
    LOCATION_TYPES,
    NHS_NUMBER,
    PATHWAYS_DX,
    PATHWAYS_SD,
    PATHWAYS_SG,
    ROLE_CODE,
    SCENE_SAFETY,
    SCENE_SAFETY_NAMES,
    category,
    concept,
)
from .definitions import CANCELLED_REQUEST, DEFINITIONS, REQUEST_EVENT, VALIDATION_REQUEST
from .identity import DOS_SERVICE_ID, Json, ServiceIdentity, split_service_id
from .message import Message
from .resources import (
    BARS_PROFILE,
    EMERGENCY,
    UK_CORE,
    entry,
    instant,
    message_bundle,
    message_header,
    meta,
    organization,
    practitioner,
    practitioner_role,
    reference,
    touched,
    urn,
)
from .synthetic import Person

_CALL_HANDLER = ("224608005", "Administrative healthcare staff")
_CONTACT_RANK = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-ContactRank"


@dataclass(frozen=True)
class ValidationCase:
    """What a requester wants validated. Times are aware."""

    use_case: str
    case_number: str
    person: Person
    call_connect: datetime
    clock_start: datetime
    breach_at: datetime
    arp: str = "C3"
    scene_safety: str = "S"
    summary: str = "Palpitations since this morning, more breathless on the stairs, no chest pain, alert."
    journey_id: str = ""


def validation_request(case: ValidationCase, *, source: ServiceIdentity, target: str, now: datetime) -> Json:
    """A new request (APP4-VR-02 to -07), every entry under a fullUrl of its own."""
    url = {name: urn() for name in _ENTRY_NAMES}
    receiver = ServiceIdentity(target, "UNKNOWN", "Receiving service")
    header = message_header(
        event=REQUEST_EVENT,
        reason="new",
        definition=VALIDATION_REQUEST,
        focus_url=url["request"],
        source=source,
        sender_url=url["sender"],
        destination=target,
        receiver_url=url["receiver"],
        now=now,
    )
    return message_bundle(
        [
            entry(urn(), header),
            entry(url["request"], _service_request(case, url, now)),
            entry(url["service"], _healthcare_service(target, url, now)),
            entry(url["encounter"], _encounter(case, source, url, now)),
            entry(url["care_plan"], _care_plan(case, url, now)),
            entry(url["patient"], _patient(case.person, now)),
            entry(url["location"], _location(case.person, now)),
            entry(url["flag"], _scene_safety(case, url, now)),
            entry(url["consent"], _consent(url, now)),
            entry(url["sender"], organization(source, now)),
            entry(url["receiver"], _unnamed_organization(receiver, now)),
            entry(url["handler"], practitioner("SB100001", "Handler", "Casey", now)),
            entry(url["role"], practitioner_role(url["handler"], url["sender"], _CALL_HANDLER, now)),
        ],
        version=DEFINITIONS[VALIDATION_REQUEST].version,
        now=now,
    )


def with_issued_ids(request: Json, answer: Json) -> Json:
    """The request with the ids that the 200 issued, for every later message (CORE-SYNC-05)."""
    issued = {held["fullUrl"]: held["resource"].get("id") for held in answer.get("entry", [])}
    known = copy.deepcopy(request)
    for held in known["entry"]:
        if issued.get(held["fullUrl"]):
            held["resource"]["id"] = issued[held["fullUrl"]]
    return known


def update_request(known: Json, *, summary: str, breach_at: datetime | None, now: datetime) -> Json:
    """The request again with reason update; lastUpdated moves only where content changed (CORE-BND-04)."""
    message = Message(_next_message(known, now))
    message.header["reason"]["coding"][0]["code"] = "update"
    care_plan = message.one("CarePlan")
    care_plan |= touched(care_plan, now)
    care_plan["activity"][0]["outcomeCodeableConcept"][-1] = {"text": summary}
    if breach_at is not None:
        request = message.service_request
        request |= touched(request, now)
        request["occurrencePeriod"]["end"] = instant(breach_at)
    return message.bundle


def cancellation(known: Json, *, status: str, reason: str, now: datetime) -> Json:
    """The cancellation: header, ServiceRequest, Patient, Organizations (CORE-CAN-04, -05, -09)."""
    message = Message(_next_message(known, now))
    header = message.header
    header["reason"]["coding"][0]["code"] = "update"
    header["definition"] = CANCELLED_REQUEST
    request = message.service_request
    request |= touched(request, now) | {"status": status, "reasonCode": [{"text": reason}]}
    kept = {"MessageHeader", "ServiceRequest", "Patient", "Organization"}
    entries = [held for held in message.entries if held["resource"]["resourceType"] in kept]
    return message_bundle(entries, version=DEFINITIONS[CANCELLED_REQUEST].version, now=now)


_ENTRY_NAMES = (
    "request", "service", "encounter", "care_plan", "patient", "location", "flag", "consent",
    "sender", "receiver", "handler", "role",
)  # fmt: skip


def _next_message(known: Json, now: datetime) -> Json:
    bundle = copy.deepcopy(known)
    bundle["id"] = str(uuid.uuid4())
    bundle["meta"]["lastUpdated"] = instant(now)
    bundle["timestamp"] = instant(now)
    header = Message(bundle).header
    header |= touched(header, now)
    return bundle


def _service_request(case: ValidationCase, url: dict[str, str], now: datetime) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "meta": meta(now, BARS_PROFILE + "BARSServiceRequest-request-validation"),
        "basedOn": [reference(url["care_plan"])],
        "status": "active",
        "intent": "plan",
        "category": [category(case.use_case)],
        "subject": reference(url["patient"]),
        "encounter": reference(url["encounter"]),
        "occurrencePeriod": {"start": instant(now), "end": instant(case.breach_at)},
        "authoredOn": instant(now),
        "requester": reference(url["handler"]),
        "performer": [reference(url["service"])],
        "locationReference": [reference(url["location"])],
    }


def _healthcare_service(target: str, url: dict[str, str], now: datetime) -> Json:
    return {
        "resourceType": "HealthcareService",
        "meta": meta(now, UK_CORE + "HealthcareService"),
        "identifier": [{"system": DOS_SERVICE_ID, "value": split_service_id(target)[1]}],
        "active": True,
        "providedBy": reference(url["receiver"]),
        "name": "Receiving service",
    }


def _unnamed_organization(identity: ServiceIdentity, now: datetime) -> Json:
    """As most published messages have it: the receiver without an identifier (defect S8)."""
    return {
        "resourceType": "Organization",
        "meta": meta(now, UK_CORE + "Organization"),
        "name": identity.name,
    }


def _encounter(case: ValidationCase, source: ServiceIdentity, url: dict[str, str], now: datetime) -> Json:
    return {
        "resourceType": "Encounter",
        "id": url["encounter"].removeprefix("urn:uuid:"),
        "meta": meta(now, UK_CORE + "Encounter"),
        "identifier": [
            {"system": f"https://fhir.sandbox.example/{source.ods_code}/Id/case-number", "value": case.case_number}
        ],
        "status": "triaged",
        "class": dict(EMERGENCY),
        "subject": reference(url["patient"]),
        "episodeOfCare": [{"reference": f"EpisodeOfCare/{case.journey_id or uuid.uuid4()}"}],
        "period": {"start": instant(case.call_connect)},
    }


def _care_plan(case: ValidationCase, url: dict[str, str], now: datetime) -> Json:
    return {
        "resourceType": "CarePlan",
        "meta": meta(now, UK_CORE + "CarePlan"),
        "status": "active",
        "intent": "plan",
        "subject": reference(url["patient"]),
        "encounter": reference(url["encounter"]),
        "period": {"start": instant(case.clock_start)},
        "activity": [
            {
                "outcomeCodeableConcept": [
                    concept(PATHWAYS_SG, "SG1137", "Palpitations"),
                    concept(PATHWAYS_SD, "SD4033", "AMB new/worsening breathlessness"),
                    concept(PATHWAYS_DX, "Dx0122", "Emergency Ambulance Response (Category 3)"),
                    concept(ARP, case.arp, ARP_NAMES[case.arp]),
                    {"text": case.summary},
                ]
            }
        ],
    }


def _patient(person: Person, now: datetime) -> Json:
    return {
        "resourceType": "Patient",
        "meta": meta(now, UK_CORE + "Patient"),
        "identifier": [{"system": NHS_NUMBER, "value": person.nhs_number}],
        "name": [{"use": "official", "family": person.family, "given": [person.given], "prefix": [person.prefix]}],
        "gender": person.gender,
        "birthDate": person.birth_date,
        "address": [{"use": "home", "line": [person.line], "city": person.city, "postalCode": person.postcode}],
        "contact": [
            {
                "extension": [{"url": _CONTACT_RANK, "valuePositiveInt": 1}],
                "relationship": [concept(ROLE_CODE, "ONESELF", "self")],
                "telecom": [{"system": "phone", "use": "mobile", "value": person.phone, "rank": 1}],
            }
        ],
    }


def _location(person: Person, now: datetime) -> Json:
    return {
        "resourceType": "Location",
        "meta": meta(now, UK_CORE + "Location"),
        "extension": [
            {
                "url": BARS_PROFILE + "LocationExtension",
                "extension": [
                    {"url": "eastings", "valueString": str(person.easting)},
                    {"url": "northings", "valueString": str(person.northing)},
                ],
            }
        ],
        "type": [concept(LOCATION_TYPES, "ILOC", "Incident Location")],
        "address": {"line": [person.line], "city": person.city, "postalCode": person.postcode, "country": "UK"},
        "position": {"longitude": person.longitude, "latitude": person.latitude},
    }


def _scene_safety(case: ValidationCase, url: dict[str, str], now: datetime) -> Json:
    return {
        "resourceType": "Flag",
        "meta": meta(now, BARS_PROFILE + "BARSFlag-scene-safety"),
        "status": "active",
        "category": [concept(FLAG_CATEGORIES, "SS", "Scene Safety")],
        "code": concept(SCENE_SAFETY, case.scene_safety, SCENE_SAFETY_NAMES[case.scene_safety]),
        "subject": reference(url["location"]),
        "encounter": reference(url["encounter"]),
    }


def _consent(url: dict[str, str], now: datetime) -> Json:
    return {
        "resourceType": "Consent",
        "meta": meta(now, UK_CORE + "Consent"),
        "status": "active",
        "scope": concept(CONSENT_SCOPE, "patient-privacy"),
        "category": [concept(CONSENT_CATEGORIES, "DRC", "Direct Care")],
        "patient": reference(url["patient"]),
        "dateTime": now.date().isoformat(),
        "policyRule": concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMPLIED"),
    }
