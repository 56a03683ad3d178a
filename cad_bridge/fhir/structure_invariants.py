"""What FHIR R4 demands of a message beyond its schema: one walk over it that knows the type of all it meets.

It trusts nothing: a message that broke the schema is walked as well, as far as its types can be told, so that all its
faults are said at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from cad_bridge.fhir.json_text import DEEPEST_READABLE
from cad_bridge.fhir.schema import COMPILED_TYPES
from cad_bridge.fhir.schema_types import CHECKED_TYPES
from cad_bridge.fhir.schema_walk import Kind, kind_of
from cad_bridge.fhir.structure_bundle import bundle_invariants
from cad_bridge.fhir.structure_findings import Finding, Weight
from cad_bridge.fhir.structure_questionnaire import QUESTIONNAIRE_INVARIANTS
from cad_bridge.fhir.structure_rules import INVARIANTS, Node, objects

_RULES = {**INVARIANTS, **QUESTIONNAIRE_INVARIANTS}
_UNUSUAL_TYPES = CHECKED_TYPES - frozenset(COMPILED_TYPES)
MOST_UNUSUAL_TYPES = 8
"""Resource types that no BaRS message names, in one message. What is known of each is made when it is first met, which
takes 20 ms: a message with one resource of every type of R4 would hold up all others for two seconds."""
_ENOUGH = 1000
"""Findings after which the walk ends: far above what is listed, and a bound to the cost of a hostile message."""


Met = tuple[Node, str, Node]
"""An object, the element that holds it, and the resource that it is in. A bare tuple: a message has hundreds."""
Collected = Mapping[str, list[Met]]
"""Every extension, identifier, quantity and reference of a message by its type, contained resources included."""


def _nothing_met() -> dict[str, list[Met]]:
    return {"Extension": [], "Identifier": [], "Quantity": [], "Reference": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What the walk met: broken rules, and the resources of types that the schema of messages does not hold."""

    findings: list[Finding] = field(default_factory=list)
    unusual: dict[str, list[Node]] = field(default_factory=dict)
    """By type."""
    met: dict[str, list[Met]] = field(default_factory=_nothing_met)
    """What the profile rules look at wherever it stands."""


def walk(bundle: Node, compact: bytes, *, max_depth: int) -> Walked:
    """Every rule that this package knows beyond the schema and that the message breaks. Never raises.

    `compact` is the message written without blanks: what it cannot hold is not looked for.
    """
    walked = Walked(findings=list(islice(bundle_invariants(bundle), _ENOUGH)))
    with suppress(_EnoughError):
        _typed(bundle, walked, max_depth)
        if b"null" in compact:
            _nulls(bundle, walked)
        if b'"contained":' in compact or (b"#" in compact and b'"reference":"#' in compact):
            _contained_resources(bundle, walked)
    return walked


def collect(bundle: Mapping[str, Any]) -> Collected:
    """What `walk` meets, where a message was walked before and that is not at hand."""
    walked = Walked()
    with suppress(_EnoughError):
        _typed(dict(bundle), walked, max_depth=DEEPEST_READABLE)
    return walked.met


class _EnoughError(Exception):
    """Enough was found."""


def _typed(bundle: Node, walked: Walked, max_depth: int) -> None:  # noqa: C901 - one loop, for speed
    """Every object whose type is known, breadth first, with how many objects and lists it is in.

    Every object of every message passes through here: that is why it is one loop, in which objects that have no rules
    and hold no others do not wait. What is in no resource (the identifier of the bundle) is not collected.
    """
    met = walked.met
    waiting: list[tuple[Any, Kind, int, Node | None]] = [(bundle, kind_of(_type_of(bundle, walked)), 1, None)]
    for node, kind, outside, resource in waiting:
        if kind.name in _RULES:
            _test(node, kind.name, walked)
        elements = kind.elements
        for key, value in node.items():
            child = elements.get(key)
            if child is None:
                continue
            name, is_list = child.name, type(value) is list
            inside = outside + 1 + is_list
            for item in value if is_list else (value,):
                if type(item) is not dict:
                    continue
                if inside > max_depth:
                    _add(_too_deep(item, max_depth), walked)
                elif not name:
                    waiting.append((item, kind_of(_type_of(item, walked)), inside, resource or item))
                else:
                    if resource is not None and name in met:
                        met[name].append((item, key, resource))
                    if name in _RULES or not child.names.isdisjoint(item):
                        waiting.append((item, child, inside, resource))


def _too_deep(node: Node, max_depth: int) -> Finding:
    text = f"Objects and lists are nested more than {max_depth} levels deep."
    return Finding(node, None, "json-depth", text, "structure")


def _test(node: Node, type_name: str, walked: Walked) -> None:
    for invariant in _RULES[type_name]:
        if not invariant.holds(node):
            weight = Weight.NEVER if invariant.is_told_only else Weight.ALWAYS
            finding = Finding(node, invariant.element, invariant.rule, invariant.text, weight=weight)
            _add(finding, walked)


def _type_of(resource: Node, walked: Walked) -> str:
    """The type that a resource says, if it is one that can be checked; else that of no particular element."""
    said = resource.get("resourceType")
    if isinstance(said, str) and said in CHECKED_TYPES:
        return said if said not in _UNUSUAL_TYPES or _is_looked_at(resource, said, walked) else "Element"
    if said is not None:
        text = "This is not a resource type of FHIR R4 that can be read."
        _add(Finding(resource, "resourceType", "r4-resource-type", text, "structure"), walked)
    return "Element"


def _is_looked_at(resource: Node, unusual_type: str, walked: Walked) -> bool:
    """Whether a resource of a type that no BaRS message names is one of the few that a message may have."""
    if unusual_type not in walked.unusual and len(walked.unusual) == MOST_UNUSUAL_TYPES:
        text = f"More than {MOST_UNUSUAL_TYPES} types of resource are here that no BaRS message names."
        _add(Finding(resource, "resourceType", "most-unusual-types", text, "structure"), walked)
        return False
    walked.unusual.setdefault(unusual_type, []).append(resource)
    return True


def _add(finding: Finding, walked: Walked) -> None:
    """Note the finding. Enough is a matter of errors: what is only told must not end the search for them."""
    is_enough = len(walked.findings) > _ENOUGH
    if not is_enough or finding.weight is not Weight.NEVER:
        walked.findings.append(finding)
        if is_enough:
            raise _EnoughError


def _nulls(root: Node, walked: Walked) -> None:
    """A null in a list of primitives stands for an extension beside it, or for a value beside an extension."""
    waiting: list[Any] = [root]
    for node in waiting:
        for key, value in node.items():
            if type(value) is dict:
                waiting.append(value)
            elif type(value) is list:
                waiting.extend(item for item in value if type(item) is dict)
                for index in (index for index, item in enumerate(value) if item is None):
                    if not _has_twin(node, key, index):
                        text = "A null stands for no value and no extension."
                        _add(Finding(value, index, "json-null", text, "structure"), walked)


def _has_twin(node: Node, key: str, index: int) -> bool:
    twin = node.get(key[1:] if key.startswith("_") else f"_{key}")
    return isinstance(twin, list) and index < len(twin) and twin[index] is not None


def _contained_resources(bundle: Node, walked: Walked) -> None:
    for entry in objects(bundle, "entry"):
        resource = entry.get("resource")
        if isinstance(resource, dict):
            for finding in _contained(resource):
                _add(finding, walked)


def _contained(root: Node) -> Iterator[Finding]:
    """Contained resources are flat, without version, and referred to (dom-2, dom-3, dom-4, dom-5, ref-1)."""
    local_references = _local_references(root)
    contained = objects(root, "contained")
    ids = {f"#{resource.get('id')}" for resource in contained}
    named = {reference["reference"] for reference in local_references}
    for resource in contained:
        if "contained" in resource:
            yield Finding(resource, "contained", "dom-2", "A contained resource cannot contain others.")
        if f"#{resource.get('id')}" not in named and "#" not in named:
            yield Finding(resource, "id", "dom-3", "Nothing refers to this contained resource.")
        meta = resource.get("meta")
        if isinstance(meta, dict) and meta.keys() & {"versionId", "lastUpdated", "security"}:
            text = "A contained resource has no version, time or security of its own."
            yield Finding(resource, "meta", "dom-4", text)
    for reference in local_references:
        if reference["reference"] != "#" and reference["reference"] not in ids:
            yield Finding(reference, "reference", "ref-1", "There is no such contained resource.")


def _local_references(root: Node) -> list[Node]:
    found: list[Node] = []
    waiting: list[Any] = [root]
    for node in waiting:
        if type(node) is dict:
            reference = node.get("reference")
            if isinstance(reference, str) and reference.startswith("#"):
                found.append(node)
            waiting.extend(node.values())
        elif type(node) is list:
            waiting.extend(node)
    return found
