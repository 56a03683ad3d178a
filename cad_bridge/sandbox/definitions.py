"""The published MessageDefinitions that Applications 4 and 6 use: which resources, and how many (CORE-MH-11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

_ROOT = "https://fhir.nhs.uk/MessageDefinition/bars-message-"
VALIDATION_REQUEST = _ROOT + "servicerequest-request-validation"
REFERRAL_REQUEST = _ROOT + "servicerequest-request-referral"
CANCELLED_REQUEST = _ROOT + "servicerequest-request-cancelled"
VALIDATION_INTERIM = _ROOT + "servicerequest-response-validation-interim"
VALIDATION_FULL = _ROOT + "servicerequest-response-validation-full"
REFERRAL_SHORT = _ROOT + "servicerequest-response-referral-short"
REFERRAL_SHORT_ALIAS = _ROOT + "servicerequest-request-response-short"
"""What the published App 6 responses cite; it was never published itself (X-38)."""

REQUEST_EVENT = "servicerequest-request"
RESPONSE_EVENT = "servicerequest-response"

Count = tuple[int, int | None]
_ONE: Count = (1, 1)
_SOME: Count = (1, None)
_ANY: Count = (0, None)


@dataclass(frozen=True)
class Definition:
    """What a message of one kind may hold."""

    url: str
    version: str
    """As published; also the Bundle.meta.versionId of a message that follows it (CORE-VER-08)."""
    event: str
    counts: Mapping[str, Count]
    """Least and most of each resource type; None is no upper limit. No other type is allowed."""


_PEOPLE: dict[str, Count] = {"Practitioner": _SOME, "PractitionerRole": _SOME}
_CLINICAL: dict[str, Count] = {
    "Observation": _ANY,
    "Flag": _ANY,
    "MedicationStatement": _ANY,
    "AllergyIntolerance": _ANY,
    "Consent": _SOME,
    "HealthcareService": _ONE,
}
_FULL: dict[str, Count] = {
    "MessageHeader": _ONE,
    "ServiceRequest": _ONE,
    "Patient": _ONE,
    "Encounter": _ONE,
    "CarePlan": _ONE,
    "Location": _ONE,
    "Organization": (2, None),
} | _PEOPLE
_SHORT: dict[str, Count] = {
    "MessageHeader": _ONE,
    "ServiceRequest": _ONE,
    "Patient": _ONE,
    "Encounter": (2, 2),
    "Organization": _SOME,
    "HealthcareService": _ANY,
} | _PEOPLE

DEFINITIONS: Mapping[str, Definition] = {
    definition.url: definition
    for definition in (
        Definition(VALIDATION_REQUEST, "1.1.0", REQUEST_EVENT, _FULL | _CLINICAL),
        Definition(
            REFERRAL_REQUEST,
            "1.0.0-beta",
            REQUEST_EVENT,
            _FULL
            | _CLINICAL
            | {"Location": _ANY}
            | dict.fromkeys(
                ("Questionnaire", "QuestionnaireResponse", "Condition", "Task", "Communication", "Procedure"), _ANY
            ),
        ),
        Definition(
            CANCELLED_REQUEST,
            "1.0.0",
            REQUEST_EVENT,
            {"MessageHeader": _ONE, "ServiceRequest": _ONE, "Patient": _ONE, "Organization": (2, None)},
        ),
        Definition(VALIDATION_INTERIM, "1.1.0", RESPONSE_EVENT, _SHORT),
        Definition(VALIDATION_FULL, "1.1.0", RESPONSE_EVENT, _FULL | _CLINICAL | {"Encounter": (2, 3)}),
        Definition(REFERRAL_SHORT, "1.0.0-beta", RESPONSE_EVENT, _SHORT),
    )
}
"""By canonical URL."""


def count_problems(types: list[str], definition: Definition, *, update: bool = False) -> list[str]:
    """What is missing, too many or not allowed among the resource types of a bundle.

    An update carries what changed, and the receiver's Encounter beside the sender's, as every published update does:
    there nothing but the MessageHeader and the ServiceRequest is demanded, and two Encounters are allowed.
    """
    held = Counter(types)
    problems = [f"{name} is not allowed" for name in held if name not in definition.counts]
    for name, count in definition.counts.items():
        least, most = _loosened(name, count) if update else count
        if held[name] < least or (most is not None and held[name] > most):
            problems.append(f"{name} {held[name]} times, not {least}..{'*' if most is None else most}")
    return problems


def _loosened(name: str, count: Count) -> Count:
    least, most = count
    return (least if name in {"MessageHeader", "ServiceRequest"} else 0), (2 if name == "Encounter" else most)
