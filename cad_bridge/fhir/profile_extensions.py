"""The extensions of BaRS and UK Core: which type of value each has, or which parts.

A sender that writes a code where the definition has a CodeableConcept is understood, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir.elements import objects
from cad_bridge.fhir.structure_findings import Finding, Weight
from cad_bridge.fhir.structure_invariants import Met

Node = Mapping[str, Any]
_Wrong = tuple[Node, str, str]
"""An extension, the rule that it breaks, and what to say."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a complex extension: the types its value may have, and how often it must and may be there."""

    types: tuple[str, ...]
    least: int = 0
    most: int | None = 1


@dataclass(frozen=True, slots=True)
class Definition:
    """An extension with one value (`types`) or with `parts`."""

    name: str
    types: tuple[str, ...] = ()
    parts: Mapping[str, Part] | None = None


_BARS = "https://fhir.nhs.uk/StructureDefinition/"
_UKCORE = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
_TEXT = ("String",)
_CONCEPT = ("CodeableConcept",)

_SIMPLE: Mapping[str, tuple[str, ...]] = {
    "AdditionalContact": ("Reference",),
    "AdmissionMethod": _CONCEPT,
    "BirthSex": _CONCEPT,
    "BookingOrganization": ("Reference",),
    "ConditionEpisode": _CONCEPT,
    "ContactRank": ("PositiveInt",),
    "CopyCorrespondenceIndicator": ("Boolean",),
    "Coverage": _CONCEPT,
    "DeliveryChannel": _CONCEPT,
    "DischargeMethod": _CONCEPT,
    "EmergencyCareDischargeStatus": _CONCEPT,
    "EthnicCategory": _CONCEPT,
    "Evidence": ("Reference",),
    "MainLocation": ("Reference",),
    "MedicationPrescribingOrganizationType": _CONCEPT,
    "MedicationStatementLastIssueDate": ("DateTime",),
    "NHSNumberUnavailableReason": _CONCEPT,
    "NHSNumberVerificationStatus": _CONCEPT,
    "OtherContactSystem": _CONCEPT,
    "OutcomeOfAttendance": _CONCEPT,
    "PharmacistVerifiedIndicator": ("Boolean",),
    "PriorityReason": _CONCEPT,
    "ResidentialStatus": _CONCEPT,
    "SourceOfServiceRequest": _CONCEPT,
}
"""UK Core extensions with one value, by the last part of their URL."""

_COMPLEX: Mapping[str, Mapping[str, Part]] = {
    f"{_BARS}CDSSExtension": {
        "RequesterCDSSsoftware": Part((), most=None),
        "RequesterCDSSversion": Part(_TEXT, most=None),
    },
    f"{_BARS}LocationExtension": dict.fromkeys(
        ("UPRN", "PAF", "eastings", "northings", "what3words", "accuracy"), Part(_TEXT)
    ),
    f"{_UKCORE}AddressKey": {"type": Part(_CONCEPT, least=1), "value": Part(_TEXT, least=1)},
    f"{_UKCORE}AllergyIntoleranceEnd": {"endDate": Part(("DateTime",)), "reasonEnded": Part(_TEXT)},
    f"{_UKCORE}ContactPreference": {
        "PreferredContactMethod": Part(_CONCEPT),
        "PreferredContactTimes": Part(("String", "Timing")),
        "PreferredWrittenCommunicationFormat": Part(_CONCEPT),
    },
    f"{_UKCORE}DeathNotificationStatus": {
        "deathNotificationStatus": Part(_CONCEPT, least=1),
        "systemEffectiveDate": Part(("DateTime",)),
    },
    f"{_UKCORE}LegalStatus": {
        "legalStatusContext": Part(_CONCEPT, least=1),
        "legalStatusClassification": Part(_CONCEPT, least=1),
    },
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.triggeredBy": {
        "observation": Part(("Reference",), least=1),
        "type": Part(("Code",), least=1),
        "reason": Part(_TEXT),
    },
}

_OTHER: Mapping[str, tuple[str, ...]] = {
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.bodyStructure": ("Reference",),
    "http://hl7.org/fhir/6.0/StructureDefinition/extension-Condition.bodyStructure": ("Reference",),
    "http://hl7.org/fhir/6.0/StructureDefinition/extension-Patient.fetalStatus": ("Code",),
}

DEFINITIONS: Mapping[str, Definition] = {
    definition.name.casefold(): definition
    for definition in (
        *(Definition(f"{_UKCORE}{name}", types=types) for name, types in _SIMPLE.items()),
        *(Definition(url, types=types) for url, types in _OTHER.items()),
        *(Definition(url, parts=parts) for url, parts in _COMPLEX.items()),
    )
}
"""By URL without regard to case. An extension that is not here is kept and not judged."""


def check_extensions(extensions: Iterable[Met]) -> Iterator[Finding]:
    """What is wrong with extensions whose definition is known."""
    for node, _, resource in extensions:
        for holder, rule, text in _check(node):
            yield Finding(holder, None, rule, text, weight=Weight.IF_STRICT, within=resource)


def _check(extension: Node) -> Iterator[_Wrong]:
    url = extension.get("url")
    definition = DEFINITIONS.get(url.casefold()) if isinstance(url, str) else None
    if definition is None:
        return
    rule = definition.name.rpartition("/")[2]
    if definition.parts is None:
        yield from _value(extension, definition.types, rule)
    else:
        yield from _parts(extension, definition.parts, rule)


def _value(extension: Node, types: tuple[str, ...], rule: str) -> Iterator[_Wrong]:
    if not any(f"value{name}" in extension for name in types):
        wanted = " or ".join(f"value{name}" for name in types)
        yield extension, rule, f"This extension must have a {wanted}."


def _parts(extension: Node, parts: Mapping[str, Part], rule: str) -> Iterator[_Wrong]:
    if any(key.startswith("value") for key in extension):
        yield extension, rule, "This extension has parts and no value of its own."
    found = objects(extension.get("extension", []))
    for name, part in parts.items():
        same = [each for each in found if str(each.get("url")).casefold() == name.casefold()]
        if len(same) < part.least:
            yield extension, rule, f"This extension must have the part {name}."
        if part.most is not None and len(same) > part.most:
            yield extension, rule, f"This extension has the part {name} more than once."
        for each in same:
            if part.types:
                yield from _value(each, part.types, rule)
