"""Parameters of GET /MessageDefinition and GET /ServiceRequest, received and sent (CORE-ERR-MD, CORE-ERR-SR).

A query can hold an NHS number: neither it nor its values belong in a log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from cad_bridge.fhir import systems
from cad_bridge.protocol.errors import (
    INVALID,
    NOT_FOUND,
    REQUIRED,
    UNSUPPORTED_MEDIA_TYPE,
    VALUE,
    Fault,
    Refused,
)
from cad_bridge.protocol.headers import is_uuid

CONTEXT = "context"
PATIENT_IDENTIFIER = "patient:identifier"
SERVICE_REQUEST_IDENTIFIER = "ServiceRequest.identifier"

_SEARCHED = frozenset({PATIENT_IDENTIFIER, SERVICE_REQUEST_IDENTIFIER.lower()})
_MOST_FIELDS = 100
_USE_CASE = re.compile(r"a\d+t\d+", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionQuery:
    """What GET /MessageDefinition asks for: at least one of the two (X-27)."""

    service_id: str | None
    """``system|value`` in canonical spelling."""
    use_case: str | None
    """In lower case; may be one that nobody serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSearch:
    """What GET /ServiceRequest searches for: at least one of the two, each as (system, value) (X-63)."""

    patient: tuple[str, str] | None
    request: tuple[str | None, str] | None


def read_definition_query(contexts: Sequence[str]) -> DefinitionQuery | Refused:
    """Read the context parameters: ``system|value`` or a bare value, for service, use case or both (CORE-CN-13)."""
    values = [value.strip() for given in contexts for value in given.split("&context=")]
    if not any(values):
        return _refused(REQUIRED, CONTEXT, "is absent", rule="CORE-ERR-MD-02")
    services: set[str] = set()
    use_cases: set[str] = set()
    for value in values:
        system, pipe, code = value.rpartition("|")
        if not code or "|" in system or (pipe and not system):
            return _refused(INVALID, CONTEXT, "is not of the form system|value", rule="CORE-ERR-MD-03")
        system = systems.canonical(system) if pipe else _implied_system(code)
        if system not in {systems.SERVICE_ID, systems.USE_CASE}:
            return _refused(
                VALUE, CONTEXT, "names a system that is neither service nor use case", rule="CORE-ERR-MD-04"
            )
        (services if system == systems.SERVICE_ID else use_cases).add(code)
    if len(services) > 1 or len({code.lower() for code in use_cases}) > 1:
        return _refused(VALUE, CONTEXT, "names two services or two use cases", rule="CORE-ERR-MD-04")
    return DefinitionQuery(
        service_id=next((f"{systems.SERVICE_ID}|{code}" for code in services), None),
        use_case=next((code.lower() for code in use_cases), None),
    )


def no_definitions() -> Refused:
    """The context finds nothing (CORE-CN-15, CORE-ERR-MD-05)."""
    text = "No MessageDefinition is served for this context."
    return Refused.because(NOT_FOUND, text, expression=f"http.{CONTEXT}", rule="CORE-CN-15")


def read_form(raw: bytes, content_type: str | None) -> list[tuple[str, str]] | Refused:
    """The parameters of a search that was posted as a form."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return Refused.because(
            UNSUPPORTED_MEDIA_TYPE,
            "A search is posted as application/x-www-form-urlencoded.",
            expression="http.Content-Type",
            rule="CORE-ERR-SR-06",
        )
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return Refused.because(INVALID, "The form cannot be read.", rule="CORE-ERR-SR-06")


def no_request_id() -> Refused:
    """GET /ServiceRequest/ without an id (CORE-ERR-SR-02)."""
    return _refused(REQUIRED, "id", "is absent", rule="CORE-ERR-SR-02")


def read_request_id(value: str) -> str | Refused:
    """The id of GET /ServiceRequest/{id}, in lower case."""
    if not value.strip():
        return no_request_id()
    if not is_uuid(value.strip()):
        return _refused(VALUE, "id", "is not a UUID", rule="CORE-ERR-SR-03")
    return value.strip().lower()


def read_request_search(parameters: Iterable[tuple[str, str]]) -> RequestSearch | Refused:
    """Read the parameters of a search; other ones than these two are not looked at."""
    asked = {(name.strip().lower(), value.strip()) for name, value in parameters}
    given = dict(asked)
    if len([name for name, _ in asked if name in _SEARCHED]) > len(_SEARCHED & given.keys()):
        return _refused(VALUE, PATIENT_IDENTIFIER, "or ServiceRequest.identifier is given twice", rule="X-63")
    patient = given.get(PATIENT_IDENTIFIER) or given.get("patient.identifier")
    request = given.get(SERVICE_REQUEST_IDENTIFIER.lower()) or given.get("identifier")
    if not patient and not request:
        return _refused(REQUIRED, PATIENT_IDENTIFIER, "is absent", rule="CORE-ERR-SR-06")
    if patient and not (systems.is_token(patient) and patient.isprintable()):
        return _refused(VALUE, PATIENT_IDENTIFIER, "is not of the form system|value", rule="CORE-ERR-SR-08")
    if request and not request.isprintable():
        return _refused(VALUE, SERVICE_REQUEST_IDENTIFIER, "is no identifier", rule="X-63")
    return RequestSearch(
        patient=_pair(patient) if patient else None,
        request=_loose_pair(request) if request else None,
    )


def definition_query(*, service_id: str, use_case: str) -> list[tuple[str, str]]:
    """Parameters to ask a service for its definitions of a use case: both contexts (CORE-CN-12, X-27).

    Raises ValueError where the service id is not ``system|value``.
    """
    if not systems.is_token(service_id):
        raise ValueError("a service id has the form system|value")
    return [(CONTEXT, systems.canonical_token(service_id)), (CONTEXT, f"{systems.USE_CASE}|{use_case.lower()}")]


def request_search(*, nhs_number: str) -> list[tuple[str, str]]:
    """Parameters to find a patient's requests at a service (CORE-ERR-SR-09)."""
    return [(PATIENT_IDENTIFIER, f"{systems.NHS_NUMBER}|{nhs_number}")]


def _implied_system(code: str) -> str:
    """The system of a bare value."""
    return systems.USE_CASE if _USE_CASE.fullmatch(code) else systems.SERVICE_ID


def _pair(token: str) -> tuple[str, str]:
    system, _, value = systems.canonical_token(token).rpartition("|")
    return system, value


def _loose_pair(token: str) -> tuple[str | None, str]:
    system, _, value = systems.canonical_token(token).rpartition("|")
    return system or None, value


def _refused(fault: Fault, name: str, what: str, *, rule: str) -> Refused:
    return Refused.because(fault, f"The parameter {name} {what}.", expression=f"http.{name}", rule=rule)
