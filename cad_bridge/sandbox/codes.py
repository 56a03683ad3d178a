"""Code systems and codes of the standard that the sandbox writes."""

from __future__ import annotations

from collections.abc import Mapping

from .identity import Json

_NHS = "https://fhir.nhs.uk/CodeSystem/"
MESSAGE_EVENTS = _NHS + "message-events-bars"
MESSAGE_REASONS = _NHS + "message-reason-bars"
MESSAGE_CATEGORY = _NHS + "message-category-servicerequest"
USE_CASES = _NHS + "usecases-categories-bars"
ENCOUNTER_REASON = _NHS + "message-reason-encounter"
REJECTED_REASONS = _NHS + "rejected-reasons-bars"
RESPONSE_OUTCOMES = _NHS + "response-outcome-codes"
ARP = _NHS + "arp-priority-codes"
FLAG_CATEGORIES = _NHS + "flag-categories-bars"
SCENE_SAFETY = _NHS + "scene-safety-codes-bars"
LOCATION_TYPES = _NHS + "location-types-bars"
CONSENT_CATEGORIES = _NHS + "consent-categories-bars"
PATHWAYS_SG = _NHS + "pathways-sg-codes"
PATHWAYS_SD = _NHS + "pathways-sd-codes"
PATHWAYS_DX = _NHS + "pathways-dx-codes"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
SNOMED = "http://snomed.info/sct"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
SDS_ROLE_PROFILE = "https://fhir.nhs.uk/Id/sds-role-profile-id"
CAD_ID = "urn:oid:2.16.840.1.113883.2.1.3.2.4.18.20"
"""System of the CAD id that an ITK acknowledgement carries (APP4-VS-22)."""

USE_CASE_NAMES: Mapping[str, str] = {
    "a3t1": "999 - CAS Referral",
    "a4t1": "999 - CAS Validation",
    "a4t2": "999 - Falls",
    "a4t3": "999 - Community Services",
    "a6t1": "CAD to CAD Out of Area Referral",
    "a6t2": "CAD to CAD Call Assist Request",
    "a6t3": "CAD to CAD Mutual Aid Request",
}
CATEGORY_NAMES: Mapping[str, str] = {"validation": "For Validation", "referral": "Transfer of Care"}
ARP_NAMES: Mapping[str, str] = {
    "C1": "Cat1 Life Threatening",
    "C2": "Cat2 Emergency",
    "C3": "Cat3 Urgent",
    "C4": "Cat4 Less Urgent",
    "C4T": "Cat4 Less Urgent - transport",
    "C5": "Non Ambulance",
    "HCP1": "HCP1 Life Threatening",
    "HCP2": "HCP2 Emergency",
    "HCP3": "HCP3 Urgent",
    "HCP4": "HCP4 Less Urgent",
    "HP4T": "HCP4 Less Urgent - transport",
}
REJECTED_REASON_NAMES: Mapping[str, str] = {
    "RRNA": "Requested resource not available within timescale",
    "OTH": "Other",
    "FC": "Failed Contact",
}
"""FC is in a published example, not in the published code system."""
SCENE_SAFETY_NAMES: Mapping[str, str] = {
    "S": "The Scene is safe",
    "U": "The Scene is unsafe",
    "UNK": "Unknown",
}


def coding(system: str, code: str, display: str | None = None) -> Json:
    """One Coding."""
    held = {"system": system, "code": code}
    return held | {"display": display} if display else held


def concept(system: str, code: str, display: str | None = None, *, text: str | None = None) -> Json:
    """A CodeableConcept with one coding and, if given, text."""
    held: Json = {"coding": [coding(system, code, display)]}
    return held | {"text": text} if text else held


def category(use_case: str, *, text: str | None = None) -> Json:
    """The single ServiceRequest.category with its two codings (CORE-CN-09)."""
    kind = "validation" if use_case.startswith("a4") else "referral"
    held: Json = {
        "coding": [
            coding(MESSAGE_CATEGORY, kind, CATEGORY_NAMES[kind]),
            coding(USE_CASES, use_case, USE_CASE_NAMES[use_case]),
        ]
    }
    return held | {"text": text} if text else held
