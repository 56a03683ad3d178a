"""Names, addresses, codes and times of a received message as content."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from cad_bridge.fhir.codes import RELATIONSHIPS
from cad_bridge.fhir.content_types import (
    ADDRESS_USES,
    TELECOM_SYSTEMS,
    TELECOM_USES,
    Address,
    Code,
    Coding,
    Name,
    Organisation,
    Telecom,
)
from cad_bridge.fhir.read_nodes import Node
from cad_bridge.fhir.systems import ODS_CODE, canonical

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"\S+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

_RELATIONSHIP_WORDS = {(canonical(system).lower(), code): words for words, (system, code, _) in RELATIONSHIPS.items()}


def read_moment(text: str) -> datetime | None:
    """A FHIR instant in UTC, by the offset it has (CORE-BND-07), to the microsecond (S12).

    None if it has no time of day, no offset, or is no moment of the calendar.
    """
    if not _MOMENT.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if 1900 <= moment.year <= 9998 else None


def moment_of(node: Node) -> datetime | None:
    """The moment an element says; an issue if it says something else."""
    if not node.exists:
        return None
    moment = read_moment(node.value) if isinstance(node.value, str) else None
    if moment is None:
        node.ledger.warn(node.path, "value", "This is no moment with time and offset.", "CORE-BND-05")
        return None
    node.text()
    return moment


def date_or_moment_of(node: Node) -> date | datetime | None:
    """A date or a moment; an issue if it is neither."""
    text = node.value
    if isinstance(text, str) and _DATE.fullmatch(text):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            node.ledger.warn(node.path, "value", "This is no date of the calendar.", "CORE-BND-05")
            return None
        node.text()
        return day
    return moment_of(node)


def system_of(node: Node) -> str:
    """The system of a coding or identifier, in canonical spelling; empty if it has none."""
    system = node.child("system").value
    return canonical(system) if isinstance(system, str) else ""


def same_system(one: str, other: str) -> bool:
    """Whether two systems are the same but for scheme and case (X-60, X-42)."""
    return _folded(one) == _folded(other)


def codings_of(concept: Node) -> list[Node]:
    """The codings of a CodeableConcept."""
    return concept.items("coding")


def code_of(coding: Node) -> Code | None:
    """A coding whose system the field tells."""
    code = coding.child("code").token()
    return coding.make(Code, code=code, display=coding.child("display").text()) if code else None


def coding_of(coding: Node) -> Coding | None:
    """A coding with its system; None if it has no system or no code."""
    system = coding.child("system").value
    if not isinstance(system, str) or not _URI.fullmatch(system.strip()):
        return None
    code = coding.child("code").token()
    if code is None:
        return None
    return coding.make(Coding, system=system.strip(), code=code, display=coding.child("display").text())


def words_of(concept: Node) -> str | None:
    """What a CodeableConcept says in words: its text, else a display, else a code."""
    text = concept.child("text").text()
    codings = codings_of(concept)
    spoken = [coding.child("display").text() for coding in codings]
    coded = [coding.child("code").text() for coding in codings]
    return text or next((words for words in (*spoken, *coded) if words), None)


def text_and_code(concept: Node) -> tuple[str | None, Coding | None]:
    """Text and first coding of a CodeableConcept; a coding without system or code counts as text."""
    text, codings = concept.child("text").text(), codings_of(concept)
    code = coding_of(codings[0]) if codings else None
    if text is None and code is None:
        text = words_of(concept)
    return text, code


def name_of(node: Node) -> Name | None:
    """A HumanName. Its text is kept only where it says more than the parts."""
    if not node.exists:
        return None
    parts = {
        "family": node.child("family").text(),
        "given": node.texts("given"),
        "prefix": node.texts("prefix"),
        "suffix": node.texts("suffix"),
    }
    node.expect("use", "official", "usual")
    text = node.child("text").text()
    if text is not None and any(parts.values()):
        composed = node.make(Name, **parts)
        text = None if composed and composed.full == text else text
    return node.make(Name, **parts, text=text) if text or any(parts.values()) else None


def telecoms_of(node: Node, name: str = "telecom") -> tuple[Telecom, ...]:
    """ContactPoints, in the order sent."""
    found = (_telecom(item) for item in node.items(name))
    return tuple(telecom for telecom in found if telecom)


def address_of(node: Node) -> Address | None:
    """An Address."""
    if not node.exists:
        return None
    fields = address_parts(node)
    node.expect("type", "both", "physical")
    return node.make(Address, use=node.child("use").choice(*ADDRESS_USES), **fields) if any(fields.values()) else None


def address_parts(node: Node) -> dict[str, Any]:
    """The elements that Address and Location have in common."""
    return {
        "text": node.child("text").text(),
        "lines": node.texts("line"),
        "city": node.child("city").text(),
        "district": node.child("district").text(),
        "postcode": node.child("postalCode").text(),
        "country": node.child("country").text(),
    }


def organisation_of(node: Node) -> Organisation | None:
    """An Organization resource."""
    if not node.exists:
        return None
    code = None
    for identifier in node.items("identifier"):
        if code is None and same_system(system_of(identifier), ODS_CODE):
            code = identifier.child("value").token()
    name = node.child("name").text()
    return node.make(Organisation, ods_code=code, name=name) if code or name else None


def organisation_named_by(link: Node) -> Organisation | None:
    """An organisation that a Reference names without an entry for it."""
    identifier = link.child("identifier")
    code = identifier.child("value").token() if same_system(system_of(identifier), ODS_CODE) else None
    name = link.child("display").text()
    return link.make(Organisation, ods_code=code, name=name) if code or name else None


def relationship_of(concepts: list[Node]) -> str | None:
    """A relationship in words: the text, else the name of a known code, else what the coding says."""
    for concept in concepts:
        text = concept.child("text").text()
        known = [_known_relationship(coding) for coding in codings_of(concept)]
        words = text or next((word for word in known if word), None) or words_of(concept)
        if words:
            return words
    return None


def _known_relationship(coding: Node) -> str | None:
    code, _ = coding.child("code").text(), coding.child("display").text()
    return _RELATIONSHIP_WORDS.get((system_of(coding).lower(), code or ""))


def _telecom(node: Node) -> Telecom | None:
    value = node.child("value").text()
    if value is None:
        return None
    return node.make(
        Telecom,
        system=node.child("system").choice(*TELECOM_SYSTEMS),
        use=node.child("use").choice(*TELECOM_USES),
        value=value,
        rank=node.child("rank").positive(),
    )


def _folded(system: str) -> str:
    return canonical(system).lower().removeprefix("https://").removeprefix("http://").rstrip("/")
