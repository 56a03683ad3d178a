"""One walk over a message that picks out what the profile rules look at wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cad_bridge.fhir.payload_view import MessageView

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Collected:
    """References with resource type and element, extensions, identifiers, and quantities, in any order."""

    references: list[tuple[str, str, Node]] = field(default_factory=list)
    extensions: list[Node] = field(default_factory=list)
    identifiers: list[Node] = field(default_factory=list)
    quantities: list[Node] = field(default_factory=list)


def collect(view: MessageView) -> Collected:
    """All of them in the message, contained resources included."""
    collected = Collected()
    for resource_type, resources in view.by_type.items():
        for resource in resources:
            _resource(resource, resource_type, collected)
    return collected


def _resource(resource: Node, resource_type: str, collected: Collected) -> None:
    stack: list[Any] = [resource]
    while stack:
        node = stack.pop()
        for key, value in node.items():
            kind = type(value)
            if kind is dict:
                _meet(value, key, resource_type, collected)
                stack.append(value)
            elif kind is list:
                for item in value:
                    if type(item) is dict:
                        _meet(item, key, resource_type, collected)
                        stack.append(item)


def _meet(node: dict[str, Any], key: str, resource_type: str, collected: Collected) -> None:
    if key == "extension":
        collected.extensions.append(node)
    elif key == "identifier":
        collected.identifiers.append(node)
    elif type(node.get("reference")) is str:
        collected.references.append((resource_type, key, node))
    elif "unit" in node or "comparator" in node:
        collected.quantities.append(node)
