"""What real senders and the published examples get wrong, and what a reader of the message should know of it.

The rules are numbers of the list of known defects (S.., V..) or requirement ids. None of these refuses a message for a
tolerant service; `TOLERATED` not even for a strict one: help must not wait for a swapped position, nor a dispatcher for
word that nobody will call the patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

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
from cad_bridge.fhir.structure_findings import Finding, Weight
from cad_bridge.fhir.structure_invariants import Met

TOLERATED = frozenset({"S1", "S2", "S3", "V12"})
"""Of V12 the element tables say what is: they name FC for a validation, though the published list lacks it."""

_LINE_BREAK_AS_TEXT = re.compile(r"\\n|(?<![\w/])/n(?![a-z])")
_UCUM = "http://unitsofmeasure.org"
_NOT_BREATHING = "1023001"
_PRE_TRIAGE_SIEVE = "https://fhir.nhs.uk/Questionnaire/PTS"
_FLAG_CODES_MISSPELT = "https://fhir.nhs.uk/flag-codes-bars"
_REJECTED_REASONS = frozenset({"RRNA", "OTH"})
_SCENE_SAFETY_CODES = frozenset(code for code, _ in codes.SCENE_SAFETY_CODES.values())


def check_defects(view: MessageView, collected: Mapping[str, list[Met]]) -> Iterator[Finding]:
    """Every known defect that the message has."""
    for location in view.by_type.get("Location", []):
        yield from _position(location)
        yield from _grid_and_property(location)
    for identifier, _, resource in collected["Identifier"]:
        yield from _identifier(identifier, resource)
    for quantity, _, resource in collected["Quantity"]:
        yield from _unit(quantity, resource)
    for flag in view.by_type.get("Flag", []):
        yield from _flag(flag)
    for plan in view.by_type.get("CarePlan", []):
        yield from _plan(view, plan)
    for response in view.by_type.get("QuestionnaireResponse", []):
        yield from _pre_triage_sieve(response)
    yield from _response(view)
    yield from _encounters(view)
    yield from _times(view)
    yield from _absent(view)


def _response(view: MessageView) -> Iterator[Finding]:
    for header in view.by_type.get("MessageHeader", []):
        response = as_object(header.get("response"))
        if str(response.get("identifier", "")).lower().startswith("urn:uuid:"):
            said = "MessageHeader.response.identifier is a Bundle.id and stands without urn:uuid:."
            yield Finding(response, "identifier", "V10", said, "value", Weight.IF_STRICT)


def is_nhs_number(value: str) -> bool:
    """Whether ten digits pass the modulus 11 check."""
    if len(value) != 10 or not value.isascii() or not value.isdigit():
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(value, range(10, 1, -1), strict=False)) % 11
    return check != 10 and check % 11 == int(value[9])


def _told(  # noqa: PLR0917 - one row of a table
    resource: Node, holder: Node, element: str, rule: str, said: str, code: str = "value"
) -> Finding:
    weight = Weight.NEVER if rule in TOLERATED else Weight.IF_STRICT
    return Finding(holder, element, rule, said, code, weight=weight, within=resource)


def _position(location: Node) -> Iterator[Finding]:
    position = as_object(location.get("position"))
    if not position or is_in_uk(position):
        return
    if is_in_uk({"latitude": position.get("longitude"), "longitude": position.get("latitude")}):
        said = "Latitude and longitude seem to be swapped; a person must confirm the place."
    else:
        said = "The position is not in the UK and is not used."
    yield _told(location, location, "position", "S1", said)


def _grid_and_property(location: Node) -> Iterator[Finding]:
    parts = parts_of(location)
    grid = (parts.get("eastings"), LARGEST_EASTING), (parts.get("northings"), LARGEST_NORTHING)
    if any(value is not None and not is_grid_metres(value, largest) for value, largest in grid):
        said = "Eastings and northings are not metres on the National Grid."
        yield _told(location, location, "extension", "S2", said)
    uprn = parts.get("uprn")
    if uprn is not None and (not uprn.isdigit() or uprn.startswith("0")):
        yield _told(location, location, "extension", "S3", "The UPRN has leading zeros or is no number.")


def _identifier(identifier: Node, resource: Node) -> Iterator[Finding]:
    system, value = text(identifier.get("system")), text(identifier.get("value"))
    if system is None:
        return
    canonical = systems.canonical(system)
    if canonical != system:
        said = f"The system is written otherwise than {canonical}."
        yield _told(resource, identifier, "system", "S5", said)
    if canonical == systems.NHS_NUMBER and value is not None and not is_nhs_number(value.replace(" ", "")):
        said = "The NHS number fails its check digit; it is kept and not used to find the patient."
        yield _told(resource, identifier, "value", "S4", said)


def _unit(quantity: Node, resource: Node) -> Iterator[Finding]:
    system = quantity.get("system")
    if isinstance(system, str) and system != _UCUM and "ucum" in system.lower():
        yield _told(resource, quantity, "system", "V17", f"The system of UCUM units is {_UCUM}.")


def _flag(flag: Node) -> Iterator[Finding]:
    for coding in codings(flag.get("code")):
        if coding.get("system") == codes.SCENE_SAFETY and str(coding.get("code")) not in _SCENE_SAFETY_CODES:
            said = "The scene safety code is not known and is taken as unsafe."
            yield _told(flag, coding, "code", "V11", said, "code-invalid")
        if coding.get("system") == _FLAG_CODES_MISSPELT:
            said = f"The system is read as {codes.REASONABLE_ADJUSTMENT}."
            yield _told(flag, coding, "system", "FLAG-CODES", said)


def _plan(view: MessageView, plan: Node) -> Iterator[Finding]:
    author = view.target(plan.get("author"))
    if author is not None and author.get("resourceType") == "Practitioner":
        said = "The author of a plan is the role of a clinician, not a Practitioner."
        yield _told(plan, plan, "author", "S25", said, "invariant")
    for activity in objects(plan.get("activity", [])):
        for outcome in objects(activity.get("outcomeCodeableConcept", [])):
            if _LINE_BREAK_AS_TEXT.search(str(outcome.get("text", ""))):
                yield _told(plan, outcome, "text", "S17", "The text writes line breaks as characters.")


def _pre_triage_sieve(response: Node) -> Iterator[Finding]:
    if response.get("questionnaire") != _PRE_TRIAGE_SIEVE:
        return
    answers = {
        str(item.get("linkId")): as_object(answer.get("valueCoding")).get("code")
        for item in objects(response.get("item", []))
        for answer in objects(item.get("answer", []))
    }
    if answers.get("0") == _NOT_BREATHING and answers.keys() & {"1", "2"}:
        said = "A question was answered that is only asked of a patient who breathes."
        yield _told(response, response, "item", "S21", said, "invariant")


def _encounters(view: MessageView) -> Iterator[Finding]:
    named: set[str] = set()
    for encounter in view.by_type.get("Encounter", []):
        for identifier in objects(encounter.get("identifier", [])):
            system = identifier.get("system")
            if isinstance(system, str) and system in named:
                said = "Two Encounters have case numbers of the same system; they are told apart by their part."
                yield _told(encounter, identifier, "system", "S23", said)
            named.add(str(system))
        for coding in codings(encounter.get("reasonCode", [])):
            is_reason = systems.canonical(str(coding.get("system"))) == systems.REJECTED_REASON
            if is_reason and str(coding.get("code")) not in _REJECTED_REASONS:
                said = "The reason of the rejection is not in the published list; its text is shown."
                yield _told(encounter, coding, "code", "V12", said, "code-invalid")


def _times(view: MessageView) -> Iterator[Finding]:
    """Stamps are compared as texts first: nearly always all are the same."""
    stamp = as_object(view.bundle.get("meta")).get("lastUpdated")
    newest = read_instant(stamp)
    if newest is None:
        return
    for resources in view.by_type.values():
        for resource in resources:
            meta = resource.get("meta")
            if isinstance(meta, dict) and meta.get("lastUpdated") != stamp:
                updated = read_instant(meta.get("lastUpdated"))
                if updated is not None and updated > newest:
                    said = "The resource is newer than the message that holds it."
                    yield _told(resource, meta, "lastUpdated", "S16", said, "invariant")


def _absent(view: MessageView) -> Iterator[Finding]:
    if view.payload in ("3", "V", "F") and not _has_priority(view):
        said = "No ambulance response priority is given: it is unknown, and must not be taken for a low one."
        plan = view.only("CarePlan")
        yield (
            _told(plan, plan, "activity", "APP-COM-40", said, "invariant")
            if plan
            else _missing(view, "APP-COM-40", said)
        )
    if view.payload in ("3", "V", "6") and not view.scene_safety_flags:
        yield _missing(view, "APP-COM-31", "Scene safety is not given and is taken as unknown.")


def _missing(view: MessageView, rule: str, said: str) -> Finding:
    return _told(view.bundle, view.bundle, "entry", rule, said, "invariant")


def _has_priority(view: MessageView) -> bool:
    return any(
        systems.canonical(str(coding.get("system"))) == systems.ARP_PRIORITY
        for plan in view.by_type.get("CarePlan", [])
        for activity in objects(plan.get("activity", []))
        for coding in codings(activity.get("outcomeCodeableConcept", []))
    )
