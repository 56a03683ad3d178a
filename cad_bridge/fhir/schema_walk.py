"""What a walk over a message needs to know of types as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cad_bridge.fhir.schema_fields import fields_of

ANY_RESOURCE = ""
"""The name of the type of an element that may hold a resource of any type, which then says so itself."""


@dataclass(slots=True, eq=False)
class Kind:
    """A type, with the kinds of its elements that hold objects: a walk goes from kind to kind without a look-up."""

    name: str
    elements: Mapping[str, Kind] = field(default_factory=dict)
    """By name; extensions of primitives are of kind Element."""
    names: frozenset[str] = frozenset()
    """Of these elements: most objects of a message hold none of them, which is seen in one comparison."""


def kind_of(type_name: str) -> Kind:
    """The kind of a type, made once. ValueError if there is no such type."""
    known = _KINDS.get(type_name)
    return known if known is not None else _learn(type_name)


def known_kinds() -> frozenset[str]:
    """The names of the types that were met so far."""
    return frozenset(_KINDS)


_KINDS: dict[str, Kind] = {ANY_RESOURCE: Kind(ANY_RESOURCE)}


def _learn(type_name: str) -> Kind:
    """Types hold each other, and themselves: each is known by name before it is known what it holds."""
    fields = fields_of(type_name)
    kind = _KINDS.setdefault(type_name, Kind(type_name))
    found: dict[str, Kind] = {}
    for each in fields:
        if each.primitive is not None:
            found[f"_{each.name}"] = kind_of("Element")
        else:
            found[each.name] = kind_of(each.complex_type or ANY_RESOURCE)
    kind.elements, kind.names = found, frozenset(found)
    return kind
