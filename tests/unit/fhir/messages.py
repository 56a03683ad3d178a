"""Conforming messages of every payload, made as raw JSON from the guide's tables alone, about invented people.

`message(sort)` makes a new object on each call, which a test may break.
"""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID, uuid5

from cad_bridge.fhir.payload_view import Kind

Json = dict[str, Any]

NHS = "https://fhir.nhs.uk"
UKCORE = "https://fhir.hl7.org.uk"
THL7 = "http://terminology.hl7.org/CodeSystem"
SNOMED = "http://snomed.info/sct"
STAMP = "2026-03-02T10:15:30.1234567+00:00"
LATER_STAMP = "2026-03-02T10:25:30.1234567+00:00"
_SPACE = UUID("6f0b2f9e-6b0e-4c39-9d53-1f9f4a1c7a10")


class Sort(NamedTuple):
    """A message by payload, use case and kind."""

    payload: str
    use_case: str
    kind: Kind


SORTS = (
    Sort("3", "a3t1", "request"),
    Sort("3", "a3t1", "update"),
    Sort("V", "a4t1", "request"),
    Sort("V", "a4t2", "update"),
    Sort("I", "a4t1", "interim"),
    Sort("I", "a4t3", "rejection"),
    Sort("F", "a4t1", "final"),
    Sort("6", "a6t1", "request"),
    Sort("6", "a6t3", "update"),
    Sort("S", "a6t1", "status-response"),
    Sort("SR", "a6t2", "rejection"),
    Sort("C", "a4t1", "cancellation"),
    Sort("C", "a6t1", "cancellation"),
)


def url(key: str) -> str:
    """The fullUrl of the entry that plays the part `key`."""
    return f"urn:uuid:{uuid5(_SPACE, key)}"


def ref(key: str) -> Json:
    return {"reference": url(key)}


def concept(system: str, code: str, display: str) -> Json:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def bars(name: str, code: str, display: str) -> Json:
    return concept(f"{NHS}/CodeSystem/{name}", code, display)


def resource(resource_type: str, key: str, profile: str | None = None, **elements: Any) -> Json:
    """A resource with its identity: id, profile, time."""
    return {
        "resourceType": resource_type,
        "id": str(uuid5(_SPACE, f"id {key}")),
        "meta": {
            "lastUpdated": STAMP,
            "profile": [profile or f"{UKCORE}/StructureDefinition/UKCore-{resource_type}"],
        },
        **elements,
    }


def header(sort: Sort) -> Json:
    is_answer = sort.payload[0] in "IFS"
    definition = {
        "3": "request-referral",
        "V": "request-validation",
        "I": "response-validation-interim",
        "F": "response-validation-full",
        "6": "request-referral",
        "S": "response-referral-short",
        "C": "request-cancelled",
    }[sort.payload[0]]
    event = "servicerequest-response" if is_answer else "servicerequest-request"
    reason = "update" if sort.kind in ("update", "cancellation") else "new"
    made = resource(
        "MessageHeader",
        "header",
        f"{NHS}/StructureDefinition/BARSMessageHeader-{event}",
        extension=[
            {
                "url": f"{NHS}/StructureDefinition/CDSSExtension",
                "extension": [
                    {"url": "RequesterCDSSsoftware", "valueString": "Pathways"},
                    {"url": "RequesterCDSSversion", "valueString": "41.1.0"},
                ],
            }
        ],
        eventCoding={"system": f"{NHS}/CodeSystem/message-events-bars", "code": event},
        destination=[{"receiver": ref("receiver"), "endpoint": f"{NHS}/Id/dos-service-id|2000000022"}],
        sender=ref("sender"),
        source={"name": "Test CAD", "endpoint": f"{NHS}/Id/dos-service-id|2000000011"},
        reason=bars("message-reason-bars", reason, reason),
        focus=[ref("responder-encounter" if is_answer else "request")],
        definition=f"{NHS}/MessageDefinition/bars-message-servicerequest-{definition}",
    )
    if is_answer:
        made["response"] = {"identifier": str(uuid5(_SPACE, "bundle of the request")), "code": "ok"}
    return made


def service_request(sort: Sort) -> Json:
    is_validation = sort.use_case.startswith("a4")
    profile = "validation" if is_validation else "referral"
    category = ("validation", "For Validation") if is_validation else ("referral", "Transfer of Care")
    coding = bars("message-category-servicerequest", *category)["coding"]
    coding += bars("usecases-categories-bars", sort.use_case, "as published")["coding"]
    made = resource(
        "ServiceRequest",
        "request",
        f"{NHS}/StructureDefinition/BARSServiceRequest-request-{profile}",
        status="revoked" if sort.payload == "C" else "active",
        intent="plan",
        category=[{"coding": coding}],
        subject=ref("patient"),
        encounter=ref("requester-encounter"),
        occurrencePeriod={"start": "2026-03-02T10:15:30Z", "end": "2026-03-02T10:45:30Z"},
        authoredOn="2026-03-02T10:15:00Z",
    )
    if sort.payload in ("3", "V", "F", "6", "C"):
        made["basedOn"] = [ref("plan")]
    if sort.payload != "C":
        made |= {"requester": ref("call-handler"), "performer": [ref("service")]}
    if sort.payload in ("3", "V", "F", "6"):
        made["locationReference"] = [ref("incident")]
    return made


def encounter(key: str, status: str, case_number: str, owner: str, **elements: Any) -> Json:
    return resource(
        "Encounter",
        key,
        identifier=[{"system": f"https://{owner}.example.nhs.uk/Id/case-number", "value": case_number}],
        status=status,
        **{"class": {"system": f"{THL7}/v3-ActCode", "code": "EMER", "display": "emergency"}},
        subject=ref("patient"),
        episodeOfCare=[{"reference": "EpisodeOfCare/0c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01"}],
        period={"start": "2026-03-02T10:05:00Z"},
        **elements,
    )


def requester_encounter(sort: Sort) -> Json:
    status = "finished" if sort.payload == "3" else "triaged"
    history = [
        {"status": "planned", "period": {"start": "2026-03-02T10:04:50Z", "end": "2026-03-02T10:04:55Z"}},
        {"status": "arrived", "period": {"start": "2026-03-02T10:04:55Z", "end": "2026-03-02T10:05:00Z"}},
        {"status": "in-progress", "period": {"start": "2026-03-02T10:05:00Z", "end": "2026-03-02T10:15:00Z"}},
    ]
    made = encounter("requester-encounter", status, "CAD-1001", "cad", statusHistory=history)
    if sort.payload in ("3", "V", "F", "6"):
        made["location"] = [{"location": ref("incident"), "status": "active"}]
    return made


def responder_encounter(sort: Sort) -> Json:
    if sort.kind == "rejection":
        status, reason = "cancelled", bars("rejected-reasons-bars", "OTH", "Other")
    elif sort.payload == "F":
        status = "finished"
        reason = bars("message-reason-encounter", "validation-triage-outcome", "Validation of triage outcome")
    else:
        status = "in-progress"
        reason = bars("message-reason-encounter", "validation-triage-outcome", "Validation of triage outcome")
    history = [{"status": "planned", "period": {"start": "2026-03-02T10:16:00Z"}}]
    return encounter("responder-encounter", status, "CAS-77", "cas", reasonCode=[reason], statusHistory=history)


def care_plan(sort: Sort) -> Json:
    outcomes = [
        bars("pathways-sg-codes", "SG1001", "Symptom group"),
        bars("arp-priority-codes", "C3", "Cat3 Urgent"),
        {"text": "Fell in the garden, cannot get up.\nAwake, breathing normally."},
    ]
    return resource(
        "CarePlan",
        "plan",
        status="completed" if sort.payload in ("3", "F") else "active",
        intent="plan",
        subject=ref("patient"),
        encounter=ref("responder-encounter" if sort.payload == "F" else "requester-encounter"),
        period={"start": "2026-03-02T10:12:00Z"},
        author=ref("call-handler-role"),
        activity=[{"outcomeCodeableConcept": outcomes}],
    )


def patient() -> Json:
    rank = {"url": f"{UKCORE}/StructureDefinition/Extension-UKCore-ContactRank", "valuePositiveInt": 1}
    return resource(
        "Patient",
        "patient",
        identifier=[{"system": f"{NHS}/Id/nhs-number", "value": "9434765919"}],
        name=[{"use": "official", "family": "TESTPATIENT", "given": ["Robin", "Ash"]}],
        gender="other",
        birthDate="1947-02-03",
        contact=[
            {
                "extension": [rank],
                "relationship": [concept(f"{THL7}/v3-RoleCode", "ONESELF", "self")],
                "telecom": [{"system": "phone", "value": "07700 900123", "rank": 1}],
            }
        ],
    )


def organization(key: str, name: str, ods_code: str) -> Json:
    identifier = [{"system": f"{NHS}/Id/ods-organization-code", "value": ods_code}]
    return resource("Organization", key, identifier=identifier, name=name)


def people() -> list[tuple[str, Json]]:
    identifier = [{"system": f"{NHS}/Id/sds-role-profile-id", "value": "555000111222"}]
    return [
        ("call-handler", resource("Practitioner", "call-handler", identifier=identifier)),
        (
            "call-handler-role",
            resource(
                "PractitionerRole",
                "call-handler-role",
                practitioner=ref("call-handler"),
                organization=ref("sender"),
            ),
        ),
        (
            "service",
            resource(
                "HealthcareService",
                "service",
                identifier=[{"system": f"{NHS}/Id/dos-service-id", "value": "2000000022"}],
                active=True,
                providedBy=ref("receiver"),
                name="Test Clinical Assessment Service",
            ),
        ),
    ]


def location(key: str, code: str, display: str) -> Json:
    parts = [{"url": "eastings", "valueString": "429157"}, {"url": "northings", "valueString": "433956"}]
    return resource(
        "Location",
        key,
        extension=[{"url": f"{NHS}/StructureDefinition/LocationExtension", "extension": parts}],
        type=[bars("location-types-bars", code, display)],
        name="The garden",
        address={"line": ["1 Made-up Street"], "city": "Leeds", "postalCode": "LS1 4AP"},
        position={"longitude": -1.5581, "latitude": 53.8008},
    )


def flag(key: str, category: Json, code: Json, subject: str) -> Json:
    profile = f"{NHS}/StructureDefinition/BARSFlag-scene-safety" if key == "scene-safety" else None
    return resource(
        "Flag",
        key,
        profile or "http://hl7.org/fhir/StructureDefinition/Flag",
        status="active",
        category=[category],
        code=code,
        subject=ref(subject),
        encounter=ref("requester-encounter"),
    )


def clinical() -> list[tuple[str, Json]]:
    """What every full payload may carry of the patient and the scene."""
    scene = (
        bars("flag-categories-bars", "SS", "Scene Safety"),
        bars("scene-safety-codes-bars", "S", "The Scene is safe"),
    )
    alert = (
        bars("flag-categories-bars", "RA", "Reasonable Adjustment"),
        bars("reasonable-adjustment-codes-bars", "RA1", "Hearing"),
    )
    return [
        ("scene-safety", flag("scene-safety", *scene, "incident")),
        ("adjustment", flag("adjustment", *alert, "patient")),
        (
            "medicine",
            resource(
                "MedicationStatement",
                "medicine",
                status="active",
                medicationCodeableConcept={"text": "Aspirin"},
                subject=ref("patient"),
            ),
        ),
        (
            "observation",
            resource(
                "Observation",
                "observation",
                status="final",
                code={"text": "Patient Estimated Age"},
                subject=ref("patient"),
                encounter=ref("requester-encounter"),
                valueQuantity={"value": 79, "unit": "years", "system": "http://unitsofmeasure.org", "code": "a"},
            ),
        ),
        (
            "consent",
            resource(
                "Consent",
                "consent",
                status="active",
                scope=concept(f"{THL7}/consentscope", "patient-privacy", "Privacy Consent"),
                category=[bars("consent-categories-bars", "DRC", "Direct Care")],
                patient=ref("patient"),
                dateTime="2026-03-02T10:06:00Z",
                policyRule=concept(f"{THL7}/v3-ActCode", "IMPLIED", "implied"),
            ),
        ),
        (
            "allergy",
            resource(
                "AllergyIntolerance",
                "allergy",
                clinicalStatus=concept(f"{THL7}/allergyintolerance-clinical", "active", "Active"),
                code={"text": "Penicillin"},
                patient=ref("patient"),
                encounter=ref("requester-encounter"),
                recorder=ref("call-handler"),
                asserter=ref("patient"),
            ),
        ),
    ]


def cad_to_cad() -> list[tuple[str, Json]]:
    """What only Application 6 carries."""
    yes, no = (
        {"system": SNOMED, "code": "78064003", "display": "Breathing"},
        {"system": SNOMED, "code": "1023001", "display": "Not breathing"},
    )
    options = [{"valueCoding": yes}, {"valueCoding": no}]
    asked_if = [{"question": "0", "operator": "=", "answerCoding": yes}]
    questions = [
        {
            "linkId": "0",
            "text": "Is the patient breathing?",
            "type": "choice",
            "required": True,
            "answerOption": options,
        },
        {
            "linkId": "1",
            "text": "Is the patient awake?",
            "type": "choice",
            "enableWhen": asked_if,
            "required": True,
            "answerOption": [{"valueCoding": {"system": SNOMED, "code": "428913001", "display": "Awake"}}],
        },
    ]
    return [
        (
            "condition",
            resource(
                "Condition",
                "condition",
                clinicalStatus=concept(f"{THL7}/condition-clinical", "active", "Active"),
                category=[concept(SNOMED, "33962009", "Chief complaint")],
                code={"text": "Fall"},
                subject=ref("patient"),
                encounter=ref("requester-encounter"),
            ),
        ),
        (
            "task",
            resource(
                "Task",
                "task",
                status="requested",
                intent="plan",
                code={"text": "Assess"},
                authoredOn="2026-03-02T10:14:00Z",
            ),
        ),
        (
            "questionnaire",
            resource(
                "Questionnaire",
                "questionnaire",
                identifier=[{"value": "PTS"}],
                name="PTS",
                title="Pre-triage sieve",
                status="active",
                date="2025-01-01",
                publisher="Test",
                item=questions,
            ),
        ),
        (
            "answers",
            resource(
                "QuestionnaireResponse",
                "answers",
                extension=[
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-reason",
                        "valueCodeableConcept": {"text": "Pre-triage sieve"},
                    }
                ],
                questionnaire=f"{NHS}/Questionnaire/PTS",
                status="completed",
                subject=ref("patient"),
                encounter=ref("requester-encounter"),
                item=[
                    {"linkId": "0", "text": "Is the patient breathing?", "answer": [{"valueCoding": yes}]},
                ],
            ),
        ),
        (
            "cpr",
            resource(
                "Procedure",
                "cpr",
                status="in-progress",
                code=concept(SNOMED, "89666000", "Cardiopulmonary resuscitation"),
                subject=ref("patient"),
                encounter=ref("requester-encounter"),
                performedPeriod={"start": "2026-03-02T10:07:00Z"},
            ),
        ),
        (
            "note",
            resource(
                "Communication",
                "note",
                status="completed",
                topic={"text": "Call log"},
                encounter=ref("requester-encounter"),
                sent="2026-03-02T10:08:00Z",
                payload=[{"contentString": "Caller will wait at the gate."}],
            ),
        ),
        ("caller", location("caller", "CLOC", "Caller Location")),
    ]


def message(sort: Sort) -> Json:
    """A message that every rule is silent about."""
    entries: list[tuple[str, Json]] = [("header", header(sort)), ("request", service_request(sort))]
    if sort.payload != "C":
        entries.append(("requester-encounter", requester_encounter(sort)))
    if sort.payload[0] in "IFS":
        entries.append(("responder-encounter", responder_encounter(sort)))
    entries += [
        ("patient", patient()),
        ("sender", organization("sender", "Test Ambulance Service", "RX8")),
        ("receiver", organization("receiver", "Test CAS", "RY1")),
    ]
    if sort.payload != "C":
        entries += people()
    if sort.payload in ("3", "V", "F", "6"):
        entries += [
            ("plan", care_plan(sort)),
            ("incident", location("incident", "ILOC", "Incident Location")),
            *clinical(),
        ]
    if sort.payload == "6":
        entries += cad_to_cad()
    return {
        "resourceType": "Bundle",
        "id": str(uuid5(_SPACE, f"bundle {sort}")),
        "meta": {
            "versionId": "1.1.0",
            # What an update does not change keeps its own time (CORE-BND-04).
            "lastUpdated": LATER_STAMP if sort.kind == "update" else STAMP,
            "profile": [f"{NHS}/StructureDefinition/BARSBundleMessage"],
        },
        "type": "message",
        "timestamp": "2026-03-02T10:15:31Z",
        "entry": [{"fullUrl": url(key), "resource": each} for key, each in entries],
    }
