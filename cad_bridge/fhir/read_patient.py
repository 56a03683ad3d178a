"""Patient, contacts and caller of a received message."""

from __future__ import annotations

from typing import Any

from cad_bridge.fhir import codes
from cad_bridge.fhir.content_patient import Caller, Communication, Contact, NhsNumber, Patient
from cad_bridge.fhir.content_rules import is_nhs_number
from cad_bridge.fhir.content_types import GENDERS, Code, LocalIdentifier, Organisation, is_partial_date
from cad_bridge.fhir.read_elements import (
    address_of,
    code_of,
    codings_of,
    name_of,
    relationship_of,
    same_system,
    system_of,
    telecoms_of,
)
from cad_bridge.fhir.read_nodes import Node

_RESIDENTIAL = {code: status for status, (code, _) in codes.RESIDENTIAL_STATUSES.items()}
_CONTACT_METHODS = {code: method for method, (code, _) in codes.PREFERRED_CONTACT_METHODS.items()}
_WRITTEN_FORMATS = {code: form for form, (code, _) in codes.PREFERRED_WRITTEN_FORMATS.items()}


def read_patient(node: Node, *, general_practice: Organisation | None, observed: dict[str, Any]) -> Patient:
    """The Patient resource; `observed` is what Observations say about the patient, by field."""
    number, local = _identifiers(node)
    fields: dict[str, Any] = {
        "name": name_of(node.first("name")),
        "nhs_number": number,
        "local_identifier": local,
        "telecom": telecoms_of(node),
        "gender": node.child("gender").choice(*GENDERS),
        "birth_date": _birth_date(node.child("birthDate")),
        "ethnicity": _ethnicity(node),
        "address": address_of(node.first("address")),
        "communication": communication_of(node),
        "general_practice": general_practice,
        "overseas_visitor_status": _residential_status(node),
    }
    return Patient(**fields, **observed)


def read_contacts(node: Node) -> tuple[Contact, ...]:
    """Patient.contact in the order of rank; contacts without rank come last, in the order sent."""
    contacts = [contact for contact in map(_contact, node.items("contact")) if contact]
    _check_contacts(node, contacts)
    return tuple(sorted(contacts, key=lambda contact: contact.rank or 2**31))


def read_caller(encounter: Node) -> Caller | None:
    """The third-party caller that this system's requests contain in the sender's Encounter."""
    for person in encounter.items("contained"):
        if person.child("resourceType").word != "RelatedPerson" or person.child("id").word != "caller":
            continue
        for participant in encounter.items("participant"):
            if participant.child("individual").target() == "#caller":
                participant.done()
        return person.make(
            Caller,
            relationship=relationship_of(person.items("relationship")),
            name=name_of(person.first("name")),
            telecom=telecoms_of(person),
            gender=person.child("gender").choice(*GENDERS),
            communication=communication_of(person),
        )
    return None


def communication_of(node: Node) -> Communication | None:
    """Language, interpreter and contact preference of a Patient or RelatedPerson."""
    fields: dict[str, Any] = {}
    spoken = node.first("communication")
    languages = codings_of(spoken.child("language"))
    if languages:
        fields["language"] = languages[0].child("code").token()
        fields["language_display"] = languages[0].child("display").text()
        if spoken.child("preferred").value is True:
            spoken.child("preferred").boolean()
    interpreter = extension(node, codes.INTERPRETER_EXTENSION)
    if interpreter:
        fields["interpreter_required"] = interpreter.child("valueBoolean").boolean()
    preference = extension(node, codes.CONTACT_PREFERENCE_EXTENSION)
    if preference:
        fields |= _preference(preference)
    said = {name: value for name, value in fields.items() if value is not None}
    return node.child("communication").make(Communication, **said) if said else None


def extension(node: Node, url: str) -> Node | None:
    """The first extension of that url."""
    return next((item for item in node.items("extension") if same_system(str(item.child("url").value), url)), None)


def _birth_date(node: Node) -> str | None:
    if not node.exists:
        return None
    if isinstance(node.value, str) and is_partial_date(node.value):
        return node.text()
    node.ledger.warn(node.path, "value", "This is no date of the calendar.", "CORE-BND-05")
    return None


def _identifiers(node: Node) -> tuple[NhsNumber | None, LocalIdentifier | None]:
    number: NhsNumber | None = None
    local: LocalIdentifier | None = None
    for identifier in node.items("identifier"):
        if same_system(system_of(identifier), codes.NHS_NUMBER):
            number = number or _nhs_number(identifier)
        elif local is None:
            local = _local_identifier(identifier)
    return number, local


def _local_identifier(identifier: Node) -> LocalIdentifier | None:
    value = identifier.child("value").token()
    return identifier.make(LocalIdentifier, value=value, system=system_of(identifier) or None) if value else None


def _nhs_number(identifier: Node) -> NhsNumber | None:
    value = identifier.child("value").token()
    if value is None:
        return None
    if not is_nhs_number(value):
        identifier.ledger.warn(
            f"{identifier.path}.value",
            "value",
            "The NHS number fails its check digit: do not match or look up by it.",
            "S4",
        )
    status = extension(identifier, codes.NHS_NUMBER_VERIFICATION_EXTENSION)
    traced = _value_coding(status)
    code = traced.child("code").token() if traced else None
    if traced:
        traced.child("display").text()
    verification = codes.NHS_NUMBER_VERIFICATION_ENGLAND.get(code or "", code)
    if verification is not None and verification not in codes.NHS_NUMBER_VERIFICATION_DISPLAYS:
        said = "The verification status of the NHS number is not of a published list: it counts as not verified."
        identifier.ledger.warn(f"{identifier.path}.extension", "code-invalid", said, "S11")
    return identifier.make(NhsNumber, value=value, verification=verification)


def _value_coding(found: Node | None) -> Node | None:
    codings = codings_of(found.child("valueCodeableConcept")) if found else []
    return codings[0] if codings else None


def _ethnicity(node: Node) -> Code | None:
    coding = _value_coding(extension(node, codes.ETHNIC_CATEGORY_EXTENSION))
    return code_of(coding) if coding else None


def _residential_status(node: Node) -> str | None:
    return _coded_choice(_value_coding(extension(node, codes.RESIDENTIAL_STATUS_EXTENSION)), _RESIDENTIAL)


def _preference(preference: Node) -> dict[str, Any]:
    parts = {str(part.child("url").value): part for part in preference.items("extension")}
    method = _value_coding(parts.get("PreferredContactMethod"))
    written = _value_coding(parts.get("PreferredWrittenCommunicationFormat"))
    times = parts.get("PreferredContactTimes")
    return {
        "preferred_contact_method": _coded_choice(method, _CONTACT_METHODS),
        "preferred_contact_times": times.child("valueString").text() if times else None,
        "preferred_written_format": _coded_choice(written, _WRITTEN_FORMATS),
    }


def _coded_choice(coding: Node | None, choices: dict[str, str]) -> str | None:
    """The known word for a code; an unknown one stays among what was not read."""
    if coding is None or coding.child("code").word not in choices:
        return None
    coding.child("display").text()
    return choices[coding.child("code").text() or ""]


def _contact(node: Node) -> Contact | None:
    rank = extension(node, codes.CONTACT_RANK_EXTENSION)
    relationship = relationship_of(node.items("relationship"))
    fields = {
        "rank": rank.child("valuePositiveInt").positive() if rank else None,
        "name": name_of(node.child("name")),
        "gender": node.child("gender").choice(*GENDERS),
        "telecom": telecoms_of(node),
    }
    return node.make(Contact, **fields, **({"relationship": relationship} if relationship else {}))


def _check_contacts(node: Node, contacts: list[Contact]) -> None:
    """What APP-COM-01 to APP-COM-08 want and the message lacks."""

    def warn(diagnostics: str, rule: str) -> None:
        node.ledger.warn(f"{node.path}.contact", "business-rule", diagnostics, rule)

    if not any(method.system == "phone" for contact in contacts for method in contact.telecom):
        warn("No contact can be reached by phone.", "APP-COM-01")
    if any(contact.rank is None for contact in contacts):
        warn("A contact has no rank.", "APP-COM-02")
    if contacts and sum(contact.rank == 1 for contact in contacts) != 1:
        warn("Not exactly one contact has rank 1.", "APP-COM-03")
    if any(not contact.telecom for contact in contacts):
        warn("A contact has no contact method.", "APP-COM-04")
    if any(method.rank is None for contact in contacts for method in contact.telecom):
        warn("A contact method has no rank.", "APP-COM-05")
    if any(sum(method.rank == 1 for method in contact.telecom) != 1 for contact in contacts if contact.telecom):
        warn("Not exactly one method of a contact has rank 1.", "APP-COM-06")
    if any(not item.items("relationship") for item in node.items("contact")):
        warn("A contact does not say its relationship.", "APP-COM-08")
