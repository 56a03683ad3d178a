"""What BaRS demands of content that is sent, beyond its shape. Rules name the field at fault, never its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from cad_bridge.fhir.codes import (
    AMPDS,
    ARP,
    ARP_DISPLAYS,
    FLAG_CATEGORY_DISPLAYS,
    NHS_NUMBER_VERIFICATION_DISPLAYS,
    PATHWAYS_DX,
    PATHWAYS_SD,
    PATHWAYS_SG,
    PATHWAYS_TEMPLATE,
    RESPONSE_OUTCOMES,
    TRIAGE_SYSTEM_ALIASES,
)
from cad_bridge.fhir.content_arp import needs_ambulance
from cad_bridge.fhir.content_flag_codes import FLAG_CODE_LISTS

if TYPE_CHECKING:
    from cad_bridge.fhir.content import Outcome, Request
    from cad_bridge.fhir.content_clinical import Flag, Practitioner
    from cad_bridge.fhir.content_patient import Communication, Contact, NhsNumber
    from cad_bridge.fhir.content_place import Location
    from cad_bridge.fhir.content_triage import TriageCodes, TriageSystem
    from cad_bridge.fhir.content_types import Telecom

APPROVED_TRIAGE_SYSTEMS = frozenset({"nhs pathways", "pathways", "paccs", "nhs pathways paccs", "ampds"})
"""Clinical decision support systems that ECPAG approved (APP-COM-41), in lower case."""

Path = tuple[str | int, ...]


class Breach(NamedTuple):
    """One broken rule: where, a stable code, and what is wrong in words."""

    loc: Path
    code: str
    message: str


def breaches(title: str, found: Iterable[Breach]) -> None:
    """Raise pydantic.ValidationError with all of `found`, each at its own path; return if there is none."""
    errors = [
        InitErrorDetails(type=PydanticCustomError(breach.code, breach.message), loc=breach.loc, input=None)
        for breach in found
    ]
    if errors:
        raise ValidationError.from_exception_data(title, errors, hide_input=True)


def is_nhs_number(value: str) -> bool:
    """Whether it has ten digits of which the last is the modulus 11 check digit of the others."""
    if len(value) != 10 or not (value.isascii() and value.isdigit()):
        return False
    weighted = sum(int(digit) * weight for digit, weight in zip(value, range(10, 1, -1), strict=False))
    check = 11 - weighted % 11
    return check != 10 and check % 11 == int(value[-1])


def request_rules(request: Request) -> Iterator[Breach]:
    """Every rule that a request to be sent breaks; `content_rules_referral` has those of CAD to CAD."""
    yield from _addressing(request)
    yield from _times(request)
    yield from _nhs_number(request.patient.nhs_number)
    yield from _contacts(request.contacts, needed=not is_cad_to_cad(request))
    yield from _locations(request)
    yield from _triage(request)
    yield from _flags(request.flags)
    yield from _practitioner(request.practitioner)
    yield from _methods(request.patient.telecom, ("patient", "telecom"))
    yield from _methods(request.caller.telecom if request.caller else (), ("caller", "telecom"))
    yield from _language(request.patient.communication, ("patient", "communication", "language"))
    yield from _language(
        request.caller.communication if request.caller else None, ("caller", "communication", "language")
    )
    if request.consent.date is None:
        yield Breach(("consent", "date"), "missing", "the date of consent is needed")


def outcome_rules(outcome: Outcome) -> Iterator[Breach]:
    """Every rule that an outcome to be sent breaks."""
    yield from _arp(outcome.arp, ("arp",))
    if outcome.dispatch_required is not (needs_ambulance(outcome.arp) or False):
        yield Breach(
            ("arp",), "contradiction", "C5 means that no ambulance is needed, every other category that one is"
        )
    if outcome.triage:
        yield from _triage_system(outcome.triage.system, ("triage", "system"))
        yield from _other_codes(outcome.triage, ("triage", "other_codes"))
    if outcome.incident_location:
        yield from _location(outcome.incident_location, ("incident_location",))
        if outcome.incident_location.type != "incident":
            yield Breach(("incident_location", "type"), "value", "must be incident")
    yield from _flags(outcome.flags or ())
    yield from _practitioner(outcome.practitioner)


def _language(communication: Communication | None, at: Path) -> Iterator[Breach]:
    language = communication.language if communication else None
    if language is not None and not _LANGUAGE.fullmatch(language):
        yield Breach(at, "value", "must be a language code such as en, or q4 for British Sign Language")


_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{1,8})*|q[1-5]", re.ASCII)
"""BCP 47, and the codes of UK Core for Braille and sign languages."""


def is_cad_to_cad(request: Request) -> bool:
    """Whether it goes from one ambulance service to another (Application 6)."""
    return request.use_case.startswith("a6")


def _addressing(request: Request) -> Iterator[Breach]:
    if request.receiver is None and request.use_case != "a6t1":
        yield Breach(("receiver",), "missing", "the receiver is needed")


def _times(request: Request) -> Iterator[Breach]:
    timings = request.timings
    if timings.call_connect is None and timings.call_answer is None:
        yield Breach(("timings",), "missing", "call_connect or, if it is not known, call_answer is needed")
    # A validation without one may get its service's default: that is for whoever opens it.
    if request.breach_at is None and request.use_case == "a3t1":
        yield Breach(("breach_at",), "missing", "the call-back time is needed")
    if request.breach_at is not None and request.breach_at <= request.clock_start:
        yield Breach(("breach_at",), "value", "must be later than clock_start")
    if timings.location_confirmed is not None and request.incident_location.status != "confirmed":
        yield Breach(("incident_location", "status"), "value", "a location confirmed at a known time is confirmed")


def _nhs_number(number: NhsNumber | None) -> Iterator[Breach]:
    if number is None:
        return
    if not is_nhs_number(number.value):
        yield Breach(("patient", "nhs_number", "value"), "nhs_number", "is not a valid NHS number")
    if number.verification is not None and number.verification not in NHS_NUMBER_VERIFICATION_DISPLAYS:
        yield Breach(("patient", "nhs_number", "verification"), "value", "is not a verification status")


def _contacts(contacts: tuple[Contact, ...], *, needed: bool) -> Iterator[Breach]:
    """APP-COM-01 to APP-COM-06. For CAD to CAD no contact is demanded."""
    if needed and not any(method.system == "phone" for contact in contacts for method in contact.telecom):
        yield Breach(("contacts",), "missing", "a contact who can be reached by phone is needed")
    if contacts and sum(contact.rank == 1 for contact in contacts) != 1:
        yield Breach(("contacts",), "value", "exactly one contact has rank 1")
    for index, contact in enumerate(contacts):
        yield from _contact(contact, ("contacts", index))


def _contact(contact: Contact, at: Path) -> Iterator[Breach]:
    if contact.rank is None:
        yield Breach((*at, "rank"), "missing", "every contact has a rank")
    if not contact.telecom:
        yield Breach((*at, "telecom"), "missing", "every contact has a contact method")
    elif sum(method.rank == 1 for method in contact.telecom) != 1:
        yield Breach((*at, "telecom"), "value", "exactly one contact method has rank 1")
    for index, method in enumerate(contact.telecom):
        if method.rank is None:
            yield Breach((*at, "telecom", index, "rank"), "missing", "every contact method has a rank")
    yield from _methods(contact.telecom, (*at, "telecom"))


def _methods(methods: tuple[Telecom, ...], at: Path) -> Iterator[Breach]:
    """FHIR rule cpt-2."""
    for index, method in enumerate(methods):
        if method.system is None:
            yield Breach((*at, index, "system"), "missing", "every contact method has a system")


def _locations(request: Request) -> Iterator[Breach]:
    yield from _location(request.incident_location, ("incident_location",))
    if request.incident_location.type != "incident":
        yield Breach(("incident_location", "type"), "value", "must be incident")
    for index, location in enumerate(request.other_locations):
        at: Path = ("other_locations", index)
        yield from _location(location, at)
        if location.type == "incident":
            yield Breach((*at, "type"), "value", "must be caller, rendezvous or other")
        if location.status is not None:
            yield Breach((*at, "status"), "value", "only the incident location is provisional or confirmed")


def _location(location: Location, at: Path) -> Iterator[Breach]:
    """APP-COM-09 to APP-COM-11 and APP-COM-15."""
    if location.type == "other" and location.type_text is None:
        yield Breach((*at, "type_text"), "missing", "an other location says what it is")
    if (location.latitude is None) != (location.longitude is None):
        yield Breach((*at, "longitude"), "missing", "latitude and longitude come together")
    if (location.easting is None) != (location.northing is None):
        yield Breach((*at, "northing"), "missing", "easting and northing come together")
    position = location.position
    if position is None and location.altitude is not None:
        yield Breach((*at, "altitude"), "value", "an altitude goes with latitude and longitude")
    if position and not position.is_in_the_uk:
        swapped = position.swapped.is_in_the_uk
        message = "latitude and longitude are exchanged" if swapped else "lies outside the United Kingdom"
        yield Breach((*at, "latitude"), "value", message)
    if not location.can_be_placed:
        message = "needs coordinates, grid reference, what3words, UPRN, PAF key, or an address with postcode"
        yield Breach(at, "missing", message)


def _triage(request: Request) -> Iterator[Breach]:
    """APP-COM-40 and APP-COM-41; a CAD to CAD referral may be sent before triage."""
    triage = request.triage
    yield from _triage_system(triage.system, ("triage", "system"))
    yield from _other_codes(triage, ("triage", "other_codes"))
    if triage.arp is not None:
        yield from _arp(triage.arp, ("triage", "arp"))
    if request.use_case == "a3t1" and triage.arp not in {None, "C5"}:
        yield Breach(("triage", "arp"), "value", "a Category 5 referral is for C5 only")
    if is_cad_to_cad(request):
        return
    for name in ("system", "arp", "summary"):
        if getattr(triage, name) is None:
            yield Breach(("triage", name), "missing", "is needed")
    pathways = triage.pathways
    if not triage.ampds and not (pathways and pathways.sg and pathways.sd and pathways.dx):
        yield Breach(("triage",), "missing", "either the ampds code or the pathways codes sg, sd and dx are needed")


def _other_codes(triage: TriageCodes, at: Path) -> Iterator[Breach]:
    for index, code in enumerate(triage.other_codes):
        if code.system in _SYSTEMS_WITH_A_FIELD:
            yield Breach((*at, index, "system"), "value", "codes of this system have a field of their own")


_SYSTEMS_WITH_A_FIELD = frozenset(
    {PATHWAYS_SG, PATHWAYS_SD, PATHWAYS_DX, PATHWAYS_TEMPLATE, AMPDS, ARP, RESPONSE_OUTCOMES, *TRIAGE_SYSTEM_ALIASES}
)


def _triage_system(system: TriageSystem | None, at: Path) -> Iterator[Breach]:
    if system and system.version is None:
        yield Breach((*at, "version"), "missing", "is needed")
    if system and system.name.strip().lower() not in APPROVED_TRIAGE_SYSTEMS:
        yield Breach((*at, "name"), "value", "must be NHS Pathways, PaCCS or AMPDS")


def _arp(arp: str, at: Path) -> Iterator[Breach]:
    if arp not in ARP_DISPLAYS:
        yield Breach(at, "value", f"must be one of {', '.join(ARP_DISPLAYS)}")


def _flags(flags: tuple[Flag, ...]) -> Iterator[Breach]:
    for index, flag in enumerate(flags):
        yield from _flag(flag, ("flags", index))


def _flag(flag: Flag, at: Path) -> Iterator[Breach]:
    """APP-COM-32: category and code come from BaRS lists and belong together."""
    if flag.category is None:
        yield Breach((*at, "category"), "missing", "every flag has a category")
    elif flag.category == "SS":
        yield Breach((*at, "category"), "value", "scene safety has a field of its own")
    elif flag.category not in FLAG_CATEGORY_DISPLAYS:
        yield Breach((*at, "category"), "value", "is not a flag category")
    if flag.category_display is not None:
        yield Breach((*at, "category_display"), "value", "follows from the category")
    if flag.code is None:
        if flag.code_system is not None:
            yield Breach((*at, "code"), "missing", "a code system without a code")
        return
    if flag.category in FLAG_CODE_LISTS:
        yield from _listed_flag_code(flag, at)
    elif flag.code_system is None:
        yield Breach((*at, "code_system"), "missing", "this category has no code list of its own")
    elif flag.code.display is None:
        yield Breach((*at, "code", "display"), "missing", "is needed")


def _listed_flag_code(flag: Flag, at: Path) -> Iterator[Breach]:
    code = flag.code
    if flag.code_system is not None:
        yield Breach((*at, "code_system"), "value", "codes of this category come from its own list")
    if code is None or code.code in FLAG_CODE_LISTS[flag.category or ""][1]:
        return
    if any(code.code in displays for _, displays in FLAG_CODE_LISTS.values()):
        yield Breach((*at, "code"), "value", "belongs to another category")
    elif code.display is None:
        yield Breach((*at, "code", "display"), "missing", "is needed for a code that is not in the published list")


def _practitioner(practitioner: Practitioner) -> Iterator[Breach]:
    if practitioner.sds_role_profile_id is None and practitioner.local_identifier is None:
        yield Breach(("practitioner", "sds_role_profile_id"), "missing", "this or a local_identifier is needed")
    if practitioner.local_identifier and practitioner.local_identifier.system is None:
        yield Breach(("practitioner", "local_identifier", "system"), "missing", "is needed")
    for name in ("ods_code", "name"):
        if practitioner.organisation and getattr(practitioner.organisation, name) is None:
            yield Breach(("practitioner", "organisation", name), "missing", "is needed")
    yield from _methods(practitioner.telecom, ("practitioner", "telecom"))
