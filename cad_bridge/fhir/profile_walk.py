"""One walk over a message that picks out what the profile rules look at wherever it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from cad_bridge.fhir.payload_view import MessageView
from cad_bridge.fhir.schema_types import CHECKED_TYPES
from cad_bridge.fhir.schema_walk import object_elements

Node = Mapping[str, Any]


class Met(NamedTuple):
    """An object, the element that holds it, and the resource that it is in."""

    node: Node
    element: str
    resource: Node


_PICKED = frozenset({"Extension", "Identifier", "Quantity", "Reference"})


def collect(view: MessageView) -> Mapping[str, list[Met]]:
    """Every extension, identifier, quantity and reference of the message by its type, contained resources included."""
    collected: dict[str, list[Met]] = {name: [] for name in _PICKED}
    for resource_type, resources in view.by_type.items():
        if resource_type in CHECKED_TYPES:
            for resource in resources:
                _resource(resource, resource_type, collected)
    return collected


def _resource(resource: Node, resource_type: str, collected: Mapping[str, list[Met]]) -> None:
    waiting: list[tuple[Any, str]] = [(resource, resource_type)]
    for node, type_name in waiting:
        elements = object_elements(type_name)
        for key in node:
            child_type = elements.get(key)
            if child_type is None:
                continue
            value = node[key]
            for child in value if type(value) is list else (value,):
                if type(child) is dict:
                    waiting.append((child, child_type or _said(child)))
                    if child_type in collected:
                        collected[child_type].append(Met(child, key, resource))


def _said(resource: Node) -> str:
    said = resource.get("resourceType")
    return said if isinstance(said, str) and said in CHECKED_TYPES else "Element"
