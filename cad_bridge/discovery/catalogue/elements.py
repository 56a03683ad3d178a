"""Elements of catalogue resources as they are really sent: many where R4 has one, and one where it has many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from cad_bridge.discovery.catalogue.tokens import Token
from cad_bridge.fhir.systems import canonical

Resource = dict[str, Any]


def as_list(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty one, anything else as a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """A string without blanks round it; empty for anything that is no string."""
    return value.strip() if isinstance(value, str) else ""


def identifiers(resource: Resource) -> tuple[Token, ...]:
    """The resource's own identifiers that have a value."""
    return tuple(_tokens(resource.get("identifier"), "value"))


def codings(value: Any) -> tuple[Token, ...]:
    """Codes of a Coding, a CodeableConcept, or a list of either."""
    found: list[Token] = []
    for item in as_list(value):
        if isinstance(item, dict):
            found.extend(_tokens(item.get("coding", item), "code"))
    return tuple(found)


def referred_identifier(value: Any) -> Token | None:
    """The identifier inside a Reference, or inside the first of several (`providedBy`, `managingOrganization`)."""
    for item in as_list(value):
        if isinstance(item, dict):
            for token in _tokens(item.get("identifier"), "value"):
                return token
    return None


def referred_ids(value: Any, resource_type: str) -> tuple[str, ...]:
    """Logical ids out of references such as ``Endpoint/4e95...`` or ``https://.../Endpoint/4e95...``."""
    references = [text(item.get("reference")) for item in as_list(value) if isinstance(item, dict)]
    parts = [reference.split("/_history/")[0].rsplit("/", 2) for reference in references]
    return tuple(part[-1] for part in parts if len(part) >= 2 and part[-2] == resource_type)


def instant(value: Any) -> datetime | None:
    """A FHIR instant or dateTime with a zone; None for anything else. Python keeps six of more digits (defects S12)."""
    try:
        moment = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _tokens(value: Any, key: str) -> Iterator[Token]:
    for item in as_list(value):
        if isinstance(item, dict) and text(item.get(key)):
            yield Token(canonical(text(item.get("system"))), text(item.get(key)))
