"""What a walk over a message needs to know types as it goes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from cad_bridge.fhir.schema_fields import fields_of

ANY_RESOURCE = ""
"""The type of an element that may hold a resource of any type, which then says so itself."""


@cache
def object_elements(type_name: str) -> Mapping[str, str]:
    """The elements of a type that hold objects, with their types; extensions of primitives are of type Element."""
    found: dict[str, str] = {}
    for field in fields_of(type_name):
        if field.primitive is not None:
            found[f"_{field.name}"] = "Element"
        else:
            found[field.name] = field.complex_type or ANY_RESOURCE
    return found
