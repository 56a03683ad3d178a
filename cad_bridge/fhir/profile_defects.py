"""What real senders and the published examples get wrong, and what a reader of the message should know of it.

The rules are numbers of the list of known defects (S.., V..) or requirement ids. None of these refuses a message for a
tolerant service; `TOLERATED` not even for a strict one: help must not wait for a swapped position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cad_bridge.fhir import codes, systems
from cad_bridge.fhir.elements import as_object, objects, text
from cad_bridge.fhir.facts import read_instant
from cad_bridge.fhir.payload_refusals import (
    LARGEST_EASTING,
    LARGEST_NORTHING,
    is_grid_metres,
    is_in_uk,
    parts_of,
)
from cad_bridge.fhir.payload_view import MessageView, Node, codings
from cad_bridge.fhir.profile_walk import Collected
from cad_bridge.fhir.structure_findings import Finding

TOLERATED = frozenset({"S1", "S2", "S3"})

_LINE_BREAK_AS_TEXT = re.compile(r"\\n|(?<![\w/])/n(?![a-z])")
_UCUM = "http://unitsofmeasure.org"
_NOT_BREATHING = "1023001"
_PRE_TRIAGE_SIEVE = "https://fhir.nhs.uk/Questionnaire/PTS"
_FLAG_CODES_MISSPELT = "https://fhir.nhs.uk/flag-codes-bars"
_REJECTED_REASONS = frozenset({"RRNA", "OTH"})
_SCENE_SAFETY_CODES = frozenset(code for code, _ in codes.SCENE_SAFETY_CODES.values())


def check_defects(view: MessageView, collected: Collected) -> Iterator[Finding]:
    """Every known defect that the message has."""
    for location in view.by_type.get("Location", []):
        yield from _position(location)
        yield from _grid_and_property(location)
    for identifier in collected.identifiers:
        yield from _identifier(identifier)
    for quantity in collected.quantities:
        yield from _unit(quantity)
    for flag in view.by_type.get("Flag", []):
        yield from _flag(flag)
    for plan in view.by_type.get("CarePlan", []):
        yield from _plan(view, plan)
    for response in view.by_type.get("QuestionnaireResponse", []):
        yield from _pre_triage_sieve(response)
    yield from _encounters(view)
    yield from _times(view)
    yield from _absent(view)


def is_nhs_number(value: str) -> bool:
    """Whether ten digits pass the modulus 11 check."""
    if len(value) != 10 or not value.isascii() or not value.isdigit():
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(value, range(10, 1, -1), strict=False)) % 11
    return check != 10 and check % 11 == int(value[9])


def _position(location: Node) -> Iterator[Finding]:
    position = as_object(location.get("position"))
    if not position or is_in_uk(position):
        return
    if is_in_uk({"latitude": position.get("longitude"), "longitude": position.get("latitude")}):
        said = "Latitude and longitude seem to be swapped; a person must confirm the place."
    else:
        said = "The position is not in the UK and is not used."
    yield Finding(location, "position", "S1", said, "value")


def _grid_and_property(location: Node) -> Iterator[Finding]:
    parts = parts_of(location)
    grid = (parts.get("eastings"), LARGEST_EASTING), (parts.get("northings"), LARGEST_NORTHING)
    if any(value is not None and not is_grid_metres(value, largest) for value, largest in grid):
        yield Finding(
            location, "extension", "S2", "Eastings and northings are not metres on the National Grid.", "value"
        )
    uprn = parts.get("uprn")
    if uprn is not None and (not uprn.isdigit() or uprn.startswith("0")):
        yield Finding(location, "extension", "S3", "The UPRN has leading zeros or is no number.", "value")


def _identifier(identifier: Node) -> Iterator[Finding]:
    system, value = text(identifier.get("system")), text(identifier.get("value"))
    if system is None:
        return
    canonical = systems.canonical(system)
    if canonical != system:
        yield Finding(identifier, "system", "S5", f"The system is written otherwise than {canonical}.", "value")
    if canonical == systems.NHS_NUMBER and value is not None and not is_nhs_number(value.replace(" ", "")):
        said = "The NHS number fails its check digit; it is kept and not used to find the patient."
        yield Finding(identifier, "value", "S4", said, "value")


def _unit(quantity: Node) -> Iterator[Finding]:
    system = quantity.get("system")
    if isinstance(system, str) and system != _UCUM and "ucum" in system.lower():
        yield Finding(quantity, "system", "V17", f"The system of UCUM units is {_UCUM}.", "value")


def _flag(flag: Node) -> Iterator[Finding]:
    for coding in codings(flag.get("code")):
        if coding.get("system") == codes.SCENE_SAFETY and str(coding.get("code")) not in _SCENE_SAFETY_CODES:
            said = "The scene safety code is not known and is taken as unsafe."
            yield Finding(coding, "code", "V11", said, "code-invalid")
        if coding.get("system") == _FLAG_CODES_MISSPELT:
            yield Finding(
                coding, "system", "FLAG-CODES", f"The system is read as {codes.REASONABLE_ADJUSTMENT}.", "value"
            )


def _plan(view: MessageView, plan: Node) -> Iterator[Finding]:
    author = view.target(plan.get("author"))
    if author is not None and author.get("resourceType") == "Practitioner":
        yield Finding(plan, "author", "S25", "The author of a plan is the role of a clinician, not a Practitioner.")
    for activity in objects(plan.get("activity", [])):
        for outcome in objects(activity.get("outcomeCodeableConcept", [])):
            if _LINE_BREAK_AS_TEXT.search(str(outcome.get("text", ""))):
                yield Finding(outcome, "text", "S17", "The text writes line breaks as characters.", "value")


def _pre_triage_sieve(response: Node) -> Iterator[Finding]:
    if response.get("questionnaire") != _PRE_TRIAGE_SIEVE:
        return
    items = objects(response.get("item", []))
    answers = {
        str(item.get("linkId")): as_object(answer.get("valueCoding")).get("code")
        for item in items
        for answer in objects(item.get("answer", []))
    }
    if answers.get("0") == _NOT_BREATHING and answers.keys() & {"1", "2"}:
        said = "A question was answered that is only asked of a patient who breathes."
        yield Finding(response, "item", "S21", said)


def _encounters(view: MessageView) -> Iterator[Finding]:
    named: set[str] = set()
    for encounter in view.by_type.get("Encounter", []):
        for identifier in objects(encounter.get("identifier", [])):
            system = identifier.get("system")
            if isinstance(system, str) and system in named:
                said = "Two Encounters have case numbers of the same system; they are told apart by their part."
                yield Finding(identifier, "system", "S23", said, "value")
            named.add(str(system))
        for coding in codings(encounter.get("reasonCode", [])):
            is_reason = systems.canonical(str(coding.get("system"))) == systems.REJECTED_REASON
            if is_reason and str(coding.get("code")) not in _REJECTED_REASONS:
                said = "The reason of the rejection is not in the published list; its text is shown."
                yield Finding(coding, "code", "V12", said, "code-invalid")


def _times(view: MessageView) -> Iterator[Finding]:
    newest = read_instant(as_object(view.bundle.get("meta")).get("lastUpdated"))
    if newest is None:
        return
    for resources in view.by_type.values():
        for resource in resources:
            meta = resource.get("meta")
            updated = read_instant(as_object(meta).get("lastUpdated"))
            if updated is not None and updated > newest:
                yield Finding(meta, "lastUpdated", "S16", "The resource is newer than the message that holds it.")


def _absent(view: MessageView) -> Iterator[Finding]:
    if view.payload in ("3", "V", "F") and not _has_priority(view):
        said = "No ambulance response priority is given: it is unknown, and must not be taken for a low one."
        holder = view.only("CarePlan") or view.bundle
        yield Finding(holder, "activity" if holder is not view.bundle else "entry", "APP-COM-40", said)
    if view.payload in ("3", "V", "6") and not view.scene_safety_flags:
        yield Finding(view.bundle, "entry", "APP-COM-31", "Scene safety is not given and is taken as unknown.")


def _has_priority(view: MessageView) -> bool:
    return any(
        systems.canonical(str(coding.get("system"))) == systems.ARP_PRIORITY
        for plan in view.by_type.get("CarePlan", [])
        for activity in objects(plan.get("activity", []))
        for coding in codings(activity.get("outcomeCodeableConcept", []))
    )
