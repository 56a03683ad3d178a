"""References inside a message: that they lead somewhere, and to a resource of the type that the element wants.

The journey id in Encounter.episodeOfCare is meant to lead nowhere (S7), and resources that nothing refers to are kept
(S18): neither is worth a word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from cad_bridge.fhir.payload_view import MessageView, Node
from cad_bridge.fhir.schema_fields import fields_of
from cad_bridge.fhir.schema_types import MESSAGE_TYPES, NEIGHBOUR_TYPES
from cad_bridge.fhir.structure_findings import Finding, Weight
from cad_bridge.fhir.structure_invariants import Met

ANY: frozenset[str] = frozenset()

_R4_NOT_R4B = {("Observation", "subject"): frozenset({"Patient", "Group", "Device", "Location"})}
"""Where the R4B models allow more than R4 4.0.1."""

_NARROWED = {
    ("ServiceRequest", "subject"): frozenset({"Patient"}),
}
"""Targets narrowed by BARSServiceRequest-request-referral and -validation."""

_SCENE_SAFETY = {
    "subject": frozenset({"Location"}),
    "encounter": frozenset({"Encounter"}),
    "author": frozenset({"Device", "Organization", "Patient", "Practitioner", "PractitionerRole"}),
}
"""Targets narrowed by BARSFlag-scene-safety."""


def check_references(view: MessageView, references: Iterable[Met]) -> Iterator[Finding]:
    """References that lead nowhere, and those that lead to a resource of a wrong type."""
    allowed_by_element, named = targets(), view.by_reference
    for node, element, resource in references:
        reference = node.get("reference")
        # Nearly all are written as the entry is named; `target` also reads those that are not.
        target = (named.get(reference) if isinstance(reference, str) else None) or view.target(node)
        if target is not None:
            allowed = allowed_by_element.get((str(resource.get("resourceType")), element), ANY)
            if allowed and str(target.get("resourceType")) not in allowed:
                yield _wrong_type(node, element, resource)
        elif isinstance(reference, str) and not (_leads_outside(view, element) or reference.startswith("#")):
            text = "The reference leads to nothing in the message."
            yield Finding(node, "reference", "CORE-BND-10", text, "not-found", weight=Weight.IF_STRICT, within=resource)
    for flag in view.scene_safety_flags:
        yield from _scene_safety(view, flag)


def _leads_outside(view: MessageView, element: str) -> bool:
    """The journey, and what a cancellation must name although its message definition has no place for it (X-32)."""
    return element == "episodeOfCare" or (view.payload == "C" and element in ("basedOn", "encounter"))


def _wrong_type(node: Node, element: str, resource: Node) -> Finding:
    resource_type = str(resource.get("resourceType"))
    text = f"{resource_type}.{element} must lead to: {', '.join(sorted(targets()[resource_type, element]))}."
    return Finding(node, "reference", "reference-target", text, weight=Weight.IF_STRICT, within=resource)


def _scene_safety(view: MessageView, flag: Node) -> Iterator[Finding]:
    for element, allowed in _SCENE_SAFETY.items():
        target = view.target(flag.get(element))
        if target is not None and str(target.get("resourceType")) not in allowed:
            text = f"{element} of a scene safety Flag must lead to: {', '.join(sorted(allowed))}."
            yield Finding(flag, element, "BARSFlag-scene-safety", text, weight=Weight.IF_STRICT, within=flag)


@cache
def targets() -> Mapping[tuple[str, str], frozenset[str]]:
    """The resource types that a reference may lead to, by resource type and name of the element; `ANY` for all."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for resource_type in MESSAGE_TYPES + NEIGHBOUR_TYPES:
        for element, allowed in _references_of(resource_type):
            key = (resource_type, element)
            known = found.get(key)
            found[key] = ANY if "Resource" in allowed or known == ANY or not allowed else allowed | (known or ANY)
    return found | _R4_NOT_R4B | _NARROWED


def _references_of(resource_type: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The Reference elements of a resource and of its own parts (not of data types)."""
    waiting, seen = [resource_type], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for field in fields_of(name):
            if field.complex_type == "Reference":
                yield field.name, frozenset(field.targets)
            elif field.complex_type and field.complex_type.startswith(resource_type):
                waiting.append(field.complex_type)
