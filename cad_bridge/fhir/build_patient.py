"""Patient, caller and social context as FHIR elements."""

from __future__ import annotations

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import (
    Json,
    coding,
    concept,
    contact_points,
    filled,
    human_name,
    postal_address,
    reference,
    relationship_concept,
    resource,
)
from cad_bridge.fhir.content_patient import Caller, Communication, Contact, NhsNumber, Patient
from cad_bridge.fhir.content_types import LocalIdentifier


def patient_fields(patient: Patient, contacts: tuple[Contact, ...], *, general_practice: Json | None) -> Json:
    """Elements of the Patient; whom to call stands in Patient.contact (PAY-PAT-05)."""
    name = human_name(patient.name, use="official")
    address = postal_address(patient.address)
    return filled(
        {
            "extension": _extensions(patient),
            "identifier": _identifiers(patient.nhs_number, patient.local_identifier),
            "name": [name] if name else None,
            "telecom": contact_points(patient.telecom),
            "gender": patient.gender,
            "birthDate": patient.birth_date,
            "address": [address] if address else None,
            "contact": [_contact(contact) for contact in contacts],
            "communication": _spoken(patient.communication),
            "generalPractitioner": [general_practice] if general_practice else None,
        }
    )


def contained_caller(caller: Caller, *, patient_url: str) -> Json:
    """The third-party caller, for `Encounter.contained`: the validation message has no entry for a RelatedPerson."""
    name = human_name(caller.name)
    return resource(
        "RelatedPerson",
        {
            "extension": _communication_extensions(caller.communication),
            "patient": reference(patient_url),
            "relationship": [relationship_concept(caller.relationship)] if caller.relationship else None,
            "name": [name] if name else None,
            "telecom": contact_points(caller.telecom),
            "gender": caller.gender,
            "communication": _spoken(caller.communication),
        },
        last_updated=None,
        profiles=["http://hl7.org/fhir/StructureDefinition/RelatedPerson"],
        id="caller",
    )


def _extensions(patient: Patient) -> list[Json]:
    extensions = _communication_extensions(patient.communication)
    if patient.ethnicity:
        code = coding(codes.ETHNIC_CATEGORY, patient.ethnicity.code, patient.ethnicity.display)
        extensions.append({"url": codes.ETHNIC_CATEGORY_EXTENSION, "valueCodeableConcept": concept(code)})
    if patient.overseas_visitor_status:
        status, display = codes.RESIDENTIAL_STATUSES[patient.overseas_visitor_status]
        value = concept(coding(codes.RESIDENTIAL_STATUS, status, display))
        extensions.append({"url": codes.RESIDENTIAL_STATUS_EXTENSION, "valueCodeableConcept": value})
    return extensions


def _communication_extensions(communication: Communication | None) -> list[Json]:
    if communication is None:
        return []
    extensions: list[Json] = []
    preference = _preference(communication)
    if preference:
        extensions.append({"url": codes.CONTACT_PREFERENCE_EXTENSION, "extension": preference})
    if communication.interpreter_required is not None:
        extensions.append({"url": codes.INTERPRETER_EXTENSION, "valueBoolean": communication.interpreter_required})
    return extensions


def _preference(communication: Communication) -> list[Json]:
    parts: list[Json] = []
    if communication.preferred_contact_method:
        code, display = codes.PREFERRED_CONTACT_METHODS[communication.preferred_contact_method]
        value = concept(coding(codes.PREFERRED_CONTACT_METHOD, code, display))
        parts.append({"url": "PreferredContactMethod", "valueCodeableConcept": value})
    if communication.preferred_contact_times:
        parts.append({"url": "PreferredContactTimes", "valueString": communication.preferred_contact_times})
    if communication.preferred_written_format:
        code, display = codes.PREFERRED_WRITTEN_FORMATS[communication.preferred_written_format]
        value = concept(coding(codes.PREFERRED_WRITTEN_FORMAT, code, display))
        parts.append({"url": "PreferredWrittenCommunicationFormat", "valueCodeableConcept": value})
    return parts


def _spoken(communication: Communication | None) -> list[Json] | None:
    if communication is None or communication.language is None:
        return None
    system = codes.HUMAN_LANGUAGE if len(communication.language) == 2 else codes.LANGUAGE_TAGS
    language = coding(system, communication.language, communication.language_display)
    return [{"language": concept(language), "preferred": True}]


def _identifiers(number: NhsNumber | None, local: LocalIdentifier | None) -> list[Json]:
    identifiers = []
    if number:
        identifiers.append(
            filled(
                {
                    "extension": _verification(number.verification),
                    "system": codes.NHS_NUMBER,
                    "value": number.value,
                }
            )
        )
    if local:
        identifiers.append(filled({"system": local.system, "value": local.value}))
    return identifiers


def _verification(status: str | None) -> list[Json] | None:
    if status is None:
        return None
    display = codes.NHS_NUMBER_VERIFICATION_DISPLAYS[status]
    value = concept(coding(codes.NHS_NUMBER_VERIFICATION, status, display))
    return [{"url": codes.NHS_NUMBER_VERIFICATION_EXTENSION, "valueCodeableConcept": value}]


def _contact(contact: Contact) -> Json:
    return filled(
        {
            "extension": [{"url": codes.CONTACT_RANK_EXTENSION, "valuePositiveInt": contact.rank}],
            "relationship": [relationship_concept(contact.relationship)],
            "name": human_name(contact.name),
            "telecom": contact_points(contact.telecom),
            "gender": contact.gender,
        }
    )
