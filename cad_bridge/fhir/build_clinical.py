"""Flags, consent, allergies, medications, practitioner and observations as FHIR elements."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import (
    Json,
    coded_text,
    coding,
    concept,
    contact_points,
    filled,
    free_coding,
    human_name,
    reference,
)
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.content_clinical import Allergy, Consent, Flag, Medication, Practitioner, SceneSafety
from cad_bridge.fhir.content_flag_codes import FLAG_CODE_LISTS
from cad_bridge.fhir.disclosure import tells_birth_sex


class People(NamedTuple):
    """The fullUrls that clinical statements refer to."""

    patient: str
    encounter: str
    practitioner: str


def flag_fields(flag: Flag, people: People) -> Json:
    """Elements of a Flag about the patient (APP-COM-32)."""
    return filled(
        {
            "status": "active",
            "category": [concept(_category(flag.category, flag.category_display))],
            "code": concept(_flag_code(flag), text=flag.text),
            "subject": reference(people.patient),
            "period": {"start": flag.date} if flag.date else None,
            "encounter": reference(people.encounter),
        }
    )


def scene_safety_fields(safety: SceneSafety, *, encounter_url: str, location_url: str) -> Json:
    """Elements of the scene safety Flag: its subject is the incident Location (APP-COM-35)."""
    code, display = codes.SCENE_SAFETY_CODES[safety.status]
    return filled(
        {
            "status": "active",
            "category": [concept(_category("SS", None))],
            "code": concept(coding(codes.SCENE_SAFETY, code, display), text="\n".join(safety.reasons) or None),
            "subject": reference(location_url),
            "period": {"start": safety.date} if safety.date else None,
            "encounter": reference(encounter_url),
        }
    )


def consent_fields(consent: Consent, *, patient_url: str) -> Json:
    """Elements of the Consent: direct care, implied (APP-COM-39)."""
    return filled(
        {
            "status": "active",
            "scope": concept(coding(codes.CONSENT_SCOPE, "patient-privacy")),
            "category": [concept(coding(codes.CONSENT_CATEGORIES, "DRC", "Direct Care"))],
            "patient": reference(patient_url),
            "dateTime": consent.date,
            "policyRule": concept(coding(codes.ACT_CODE, "IMPLIED"), text=consent.text),
        }
    )


def allergy_fields(allergy: Allergy, people: People) -> Json:
    """Elements of an AllergyIntolerance that was reported and not confirmed."""
    return filled(
        {
            "clinicalStatus": concept(coding(_ALLERGY_CLINICAL, "active", "Active")),
            "verificationStatus": concept(coding(_ALLERGY_VERIFICATION, "unconfirmed", "Unconfirmed")),
            "category": [allergy.category] if allergy.category else None,
            "code": coded_text(allergy.code, allergy.text),
            "patient": reference(people.patient),
            "encounter": reference(people.encounter),
            "recordedDate": allergy.date,
            "recorder": reference(people.practitioner),
            "asserter": reference(people.patient),
            "reaction": [filled({"manifestation": [{"text": allergy.reaction}], "severity": allergy.severity})]
            if allergy.reaction
            else None,
        }
    )


def medication_fields(medication: Medication, people: People, *, source_url: str) -> Json:
    """Elements of a MedicationStatement; `source_url` is who says so."""
    return filled(
        {
            "status": "active",
            "medicationCodeableConcept": coded_text(medication.code, medication.text),
            "subject": reference(people.patient),
            "context": reference(people.encounter),
            "effectiveDateTime": medication.date,
            "informationSource": reference(source_url),
            "reasonCode": [{"text": medication.reason}] if medication.reason else None,
            "dosage": [{"text": medication.dosage}] if medication.dosage else None,
        }
    )


def practitioner_fields(practitioner: Practitioner) -> Json:
    """Elements of the Practitioner."""
    identifiers = []
    if practitioner.sds_role_profile_id:
        identifiers.append({"system": codes.SDS_ROLE_PROFILE, "value": practitioner.sds_role_profile_id})
    if practitioner.local_identifier:
        local = practitioner.local_identifier
        identifiers.append(filled({"system": local.system, "value": local.value}))
    name = human_name(practitioner.name)
    return filled(
        {
            "identifier": identifiers,
            "name": [name] if name else None,
            "telecom": contact_points(practitioner.telecom),
        }
    )


def practitioner_role_fields(practitioner: Practitioner, *, practitioner_url: str, organization_url: str) -> Json:
    """Elements of the PractitionerRole."""
    role = coded_text(practitioner.role_code, practitioner.role)
    return filled(
        {
            "practitioner": reference(practitioner_url),
            "organization": reference(organization_url),
            "code": [role] if role else None,
            "specialty": [concept(free_coding(practitioner.specialty))] if practitioner.specialty else None,
        }
    )


def observations(request: Request, people: People) -> Iterator[tuple[str, Json]]:
    """Name and elements of every item that travels as an Observation."""
    for name, value in _observed(request):
        fields = {
            "status": "final",
            "code": _observation_code(name),
            "subject": reference(people.patient),
            "encounter": reference(people.encounter),
            "performer": [reference(people.practitioner)],
        }
        yield name, fields | value


_ALLERGY_CLINICAL = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_ALLERGY_VERIFICATION = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_OBSERVATION_CODES = {
    "presenting_complaint": coding(codes.SNOMED, codes.PRESENTING_COMPLAINT, "Presenting complaint"),
    "cpr_start": coding(codes.SNOMED, codes.CPR, "Cardiopulmonary resuscitation (procedure)"),
}


def _observation_code(name: str) -> Json:
    known = _OBSERVATION_CODES.get(name)
    return concept(*([known] if known else []), text=codes.OBSERVATION_LABELS[name])


def _observed(request: Request) -> Iterator[tuple[str, Json]]:
    if request.presenting_complaint or request.presenting_complaint_code:
        complaint = coded_text(request.presenting_complaint_code, request.presenting_complaint)
        yield "presenting_complaint", {"valueCodeableConcept": complaint}
    if request.timings.cpr_start:
        yield "cpr_start", {"effectiveDateTime": request.timings.cpr_start}
    yield from _observed_of_the_patient(request)
    social = request.social_context
    texts = {
        "chief_concern": request.chief_concern,
        "acuity": request.acuity,
        "patient_expectations": request.triage.patient_expectations,
        "age_group": request.patient.age_group,
        "social_circumstances": social and social.social_circumstances,
        "accommodation": social and social.accommodation,
    }
    for name, text in texts.items():
        if text:
            yield name, {"valueString": text}


def _observed_of_the_patient(request: Request) -> Iterator[tuple[str, Json]]:
    patient = request.patient
    if patient.birth_sex and tells_birth_sex(request):
        yield "birth_sex", {"valueCodeableConcept": concept(coding(*codes.BIRTH_SEXES[patient.birth_sex]))}
    for unit, (code, words) in codes.AGE_UNITS.items():
        age = getattr(patient, f"estimated_age_{unit}")
        if age is not None:
            quantity = {"value": age, "unit": words, "system": codes.UCUM, "code": code}
            yield "estimated_age", {"valueQuantity": quantity}
    household = request.social_context and request.social_context.household_composition
    if household:
        value = concept(coding(codes.HOUSEHOLD_COMPOSITION, household.code, household.display))
        yield "household_composition", {"valueCodeableConcept": value}


def _category(code: str | None, display: str | None) -> Json:
    return filled(
        {
            "system": codes.FLAG_CATEGORIES,
            "code": code,
            "display": codes.FLAG_CATEGORY_DISPLAYS.get(code or "", display),
        }
    )


def _flag_code(flag: Flag) -> Json:
    """What is flagged. BaRS demands a code: an uncoded flag repeats its category, safeguarding says unspecified."""
    list_system, displays = FLAG_CODE_LISTS.get(flag.category or "", (codes.FLAG_CATEGORIES, {}))
    if flag.code:
        return coding(flag.code_system or list_system, flag.code.code, flag.code.display)
    if flag.category == "SG":
        return coding(list_system, "U", displays["U"])
    return _category(flag.category, flag.category_display)
