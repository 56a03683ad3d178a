"""What FHIR R4 demands of a message beyond its schema: one walk over all of it.

The walk knows the resource it is in and the key it came by, which is enough to tell apart the types that have rules.
It trusts nothing: a message that broke the schema is walked as well, so that all its faults are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cad_bridge.fhir.issues import Severity
from cad_bridge.fhir.schema import COMPILED_TYPES
from cad_bridge.fhir.schema_types import CHECKED_TYPES, RESOURCE_TYPES
from cad_bridge.fhir.structure_bundle import bundle_invariants
from cad_bridge.fhir.structure_findings import Finding
from cad_bridge.fhir.structure_narrative import has_text, is_plain_xhtml
from cad_bridge.fhir.structure_rules import RESOURCE_INVARIANTS, RULES_BY_KEY, Invariant, Node, objects

_UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_REFERENCE = re.compile(
    rf"urn:uuid:{_UUID}"
    r"|urn:oid:[0-2](?:\.[0-9]+)+"
    r"|#[A-Za-z0-9\-.]{0,64}"
    r"|(?P<type>[A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#[A-Za-z0-9\-.]{1,64})?"
    r"|[A-Za-z0-9\-.]{1,64}"
    r"|https?://\S+"
)
"""The forms of a literal reference. A bare id stands for a journey in Encounter.episodeOfCare (X-62)."""

_KNOWN_TYPES = frozenset(RESOURCE_TYPES)
_UNUSUAL_TYPES = CHECKED_TYPES - frozenset(COMPILED_TYPES)
_FIRST_VISIBLE = "!"
"""The character after the blank: a text that sorts before it is empty or begins with a blank."""
_READ = frozenset({"reference", "div", *RULES_BY_KEY})
"""Elements whose text is looked at, if they have one; of other texts only the first character."""
_ENOUGH = 1000
"""Findings after which the walk ends: far above what is listed, and a bound to the cost of a hostile message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """What the walk met: broken rules, and the resources of types that the schema of messages does not hold."""

    findings: list[Finding]
    unusual: list[Node]


def walk(bundle: Node) -> Walked:
    """Every rule that this package knows beyond the schema and that the message breaks. Never raises."""
    walked = Walked(findings=list(islice(bundle_invariants(bundle), _ENOUGH)), unusual=[])
    with suppress(_EnoughError):
        _Walk(walked, []).resource(bundle)
    return walked


class _EnoughError(Exception):
    """Enough was found."""


class _Walk:
    """One resource, and those inside it, seen once from top to bottom."""

    def __init__(self, walked: Walked, local_references: list[Node]) -> None:
        self.walked = walked
        self.local_references = local_references
        self.type: object = None

    def resource(self, root: Node) -> None:
        self.type = root.get("resourceType")
        self._resource_rules(root)
        waiting: list[Any] = [root]
        for node in waiting:
            if type(node) is dict:
                self._object(node, waiting)
            else:
                waiting.extend(item for item in node if type(item) is dict or type(item) is list)
        if "contained" in root:
            self.walked.findings.extend(islice(_contained(root, self.local_references), _ENOUGH))

    def _object(self, node: Node, waiting: list[Any], rules: Mapping[str, object] = RULES_BY_KEY) -> None:
        """One object; its children are put at the end of `waiting`, which is read while it grows."""
        if len(node) <= 1 and (not node or "id" in node):
            self._note(node, None, "ele-1", "An element must have a value or children.", "structure")
        for key, value in node.items():
            kind = type(value)
            if kind is str:
                if value < _FIRST_VISIBLE or key in _READ:
                    self._text(node, key, value)
                continue
            if kind is dict:
                if "resourceType" in value:
                    self._inner(value)
                else:
                    waiting.append(value)
            elif kind is list:
                self._list(node, key, value, waiting)
            if key in rules:
                self._rules(node, key, value)

    def _inner(self, resource: Node) -> None:
        _Walk(self.walked, self.local_references if self.type != "Bundle" else []).resource(resource)

    def _list(self, node: Node, key: str, values: list[Any], waiting: list[Any]) -> None:
        if not values:
            self._note(node, key, "ele-1", "A list may not be empty; it is left out instead.", "structure")
        for index, value in enumerate(values):
            kind = type(value)
            if kind is dict:
                if "resourceType" in value:
                    self._inner(value)
                else:
                    waiting.append(value)
            elif kind is list:
                waiting.append(value)
            elif kind is str:
                self._blank(values, index, value)
            elif value is None and not _has_twin(node, key, index):
                self._note(values, index, "json-null", "A null stands for no value and no extension.", "structure")

    def _text(self, node: Node, key: str, value: str) -> None:
        self._blank(node, key, value)
        if key == "div":
            self._narrative(node, value)
        elif key == "reference":
            self._reference(node, value)
        if key in RULES_BY_KEY:
            self._rules(node, key, value)

    def _blank(self, holder: object, key: str | int, value: str) -> None:
        if value < _FIRST_VISIBLE and value and not value.strip():
            text = "This text is nothing but blanks."
            self._add(Finding(holder, key, "r4-blank", text, "value", Severity.WARNING))

    def _reference(self, node: Node, value: str) -> None:
        if value.startswith("#"):
            self.local_references.append(node)
        match = _REFERENCE.fullmatch(value)
        if match is None:
            self._note(node, "reference", "reference-form", "This is not a form that a reference can have.", "value")
        elif match["type"] and match["type"] not in _KNOWN_TYPES:
            self._note(node, "reference", "reference-form", "The reference names no resource type of FHIR R4.", "value")

    def _narrative(self, node: Node, value: str) -> None:
        if not is_plain_xhtml(value):
            self._note(node, "div", "txt-1", "A narrative is one div with nothing but the XHTML that FHIR allows.")
        if not has_text(value):
            self._note(node, "div", "txt-2", "A narrative must show something.")

    def _resource_rules(self, root: Node) -> None:
        if not isinstance(self.type, str):
            return
        for invariant in RESOURCE_INVARIANTS.get(self.type, ()):
            self._test(root, invariant)
        if self.type not in CHECKED_TYPES:
            text = "This is not a resource type of FHIR R4 that can be read."
            self._note(root, "resourceType", "r4-resource-type", text, "structure")
        elif self.type in _UNUSUAL_TYPES:
            self.walked.unusual.append(root)

    def _rules(self, node: Node, key: str, value: Any) -> None:
        for resource_type, on_children, invariant in RULES_BY_KEY[key]:
            if resource_type is None or resource_type == self.type:
                for target in _children(value) if on_children else (node,):
                    self._test(target, invariant)

    def _test(self, node: Node, invariant: Invariant) -> None:
        if not invariant.holds(node):
            self._add(Finding(node, invariant.element, invariant.rule, invariant.text, severity=invariant.severity))

    def _note(self, holder: object, key: str | int | None, rule: str, text: str, code: str = "invariant") -> None:
        self._add(Finding(holder, key, rule, text, code))

    def _add(self, finding: Finding) -> None:
        self.walked.findings.append(finding)
        if len(self.walked.findings) > _ENOUGH:
            raise _EnoughError


def _children(value: Any) -> list[Node]:
    values = value if isinstance(value, list) else [value]
    return [child for child in values if isinstance(child, dict)]


def _has_twin(node: Node, key: str, index: int) -> bool:
    """Whether a null in a list of primitives has an extension, or a null in one of extensions a value, beside it."""
    twin = node.get(key[1:] if key.startswith("_") else f"_{key}")
    return isinstance(twin, list) and index < len(twin) and twin[index] is not None


def _contained(root: Node, local_references: list[Node]) -> Iterator[Finding]:
    """Contained resources are flat, without version, and referred to (dom-2, dom-3, dom-4, dom-5, ref-1)."""
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
            yield Finding(
                resource, "meta", "dom-4", "A contained resource has no version, time or security of its own."
            )
    for reference in local_references:
        if reference["reference"] != "#" and reference["reference"] not in ids:
            yield Finding(reference, "reference", "ref-1", "There is no such contained resource.")
    local_references.clear()
