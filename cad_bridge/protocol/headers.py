"""The HTTP headers of BaRS, as received (requirements CORE-HDR, CORE-TI; readings X-16, X-21, X-25).

What is sent stands in `cad_bridge.protocol.outgoing`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir import systems
from cad_bridge.fhir.elements import objects, text
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.protocol.errors import INVALID, REQUIRED, STRUCTURE, VALUE, Fault, Refused

REQUEST_ID = "X-Request-Id"
CORRELATION_ID = "X-Correlation-Id"
TARGET_IDENTIFIER = "NHSD-Target-Identifier"
END_USER_ORGANISATION = "NHSD-End-User-Organisation"
REQUESTING_PRACTITIONER = "NHSD-Requesting-Practitioner"
REQUESTING_SOFTWARE = "NHSD-Requesting-Software"
USE_CONTEXT = "use-context"

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_ECHOABLE = re.compile(r"[\x21-\x7e]{1,256}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceIdentifier:
    """A service as NHSD-Target-Identifier names it; the system is in its canonical spelling (X-60)."""

    system: str
    value: str

    @property
    def service_id(self) -> str:
        """``system|value``, as in MessageHeader.destination.endpoint."""
        return f"{self.system}|{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUserOrganisation:
    """The requesting organisation, for audit and access control (CORE-HDR-10, CORE-HDR-11)."""

    ods_code: str | None
    name: str | None
    identifiers: tuple[str, ...]
    """Every identifier as ``system|value``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestingPractitioner:
    """The requesting user's role."""

    role_profile_id: str | None
    """SDS role profile id."""
    role_code: str | None
    role_name: str | None
    identifiers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestingSoftware:
    """The product that sends."""

    identifier: str | None
    """``system|value``, the same for every instance of the product."""
    name: str | None
    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHeaders:
    """What the headers of a request say, once the ids and the target have proved to be usable."""

    request_id: str
    """X-Request-Id in lower case: the key of the duplicate check (X-15)."""
    correlation_id: str
    """X-Correlation-Id in lower case."""
    target: ServiceIdentifier | None = None
    end_user_organisation: EndUserOrganisation | None = None
    requesting_practitioner: RequestingPractitioner | None = None
    requesting_software: RequestingSoftware | None = None
    accept: str | None = None
    content_type: str | None = None
    access_issues: tuple[Issue, ...] = ()
    """What is wrong with the access headers: warnings, which refuse where access control is on (X-25)."""


def read_headers(headers: Mapping[str, str], *, method: str) -> RequestHeaders | Refused:
    """Read a request's headers; refuse absent or bad ids and an unreadable target, all at once.

    `method` decides the issue codes (X-16). use-context and Authorization are not looked at (CORE-HDR-12, CORE-HDR-19).
    """
    given = by_lower_name(headers)
    target = _read_target(given.get(TARGET_IDENTIFIER.lower()))
    problems = [issue for name in (REQUEST_ID, CORRELATION_ID) if (issue := _id_problem(given, name, method=method))]
    if isinstance(target, Issue):
        problems.append(target)
    if problems:
        return Refused(fault=_FAULTS[problems[0].code], issues=tuple(problems))
    return RequestHeaders(
        request_id=given[REQUEST_ID.lower()].lower(),
        correlation_id=given[CORRELATION_ID.lower()].lower(),
        target=target if isinstance(target, ServiceIdentifier) else None,
        end_user_organisation=_organisation(_decoded(given, END_USER_ORGANISATION)),
        requesting_practitioner=_practitioner(_decoded(given, REQUESTING_PRACTITIONER)),
        requesting_software=_software(_decoded(given, REQUESTING_SOFTWARE)),
        accept=given.get("accept"),
        content_type=given.get("content-type"),
        access_issues=tuple(_access_issues(given)),
    )


def given_ids(headers: Mapping[str, str]) -> dict[str, str]:
    """The two ids as they were given, to be echoed on every answer, errors included (CORE-TI-02).

    A value that is empty, overlong or not printable ASCII is left out: it must not reach a response header.
    """
    given = by_lower_name(headers)
    return {
        name: value
        for name in (REQUEST_ID, CORRELATION_ID)
        if (value := given.get(name.lower())) and _ECHOABLE.fullmatch(value)
    }


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in its usual notation, of any version."""
    return _UUID.fullmatch(text) is not None


def decode_json_header(value: str) -> dict[str, Any] | None:
    """The JSON object in a header of standard base64; ``None`` where it is none."""
    try:
        decoded = json.loads(base64.b64decode(value.strip(), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None


_FAULTS: Mapping[str, Fault] = {fault.issue_code: fault for fault in (REQUIRED, INVALID, VALUE, STRUCTURE)}


def by_lower_name(headers: Mapping[str, str]) -> dict[str, str]:
    """Every header by its name in lower case; of one that stands several times all values, with commas (RFC 9110, 5.3).

    So an id or a certificate header that is said twice is no id and vouches for nobody: whoever else reads the request
    may have taken the other one.
    """
    given: dict[str, str] = {}
    for name, value in headers.items():
        known = given.get(name.lower())
        given[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    return given


def _id_problem(given: Mapping[str, str], name: str, *, method: str) -> Issue | None:
    value = given.get(name.lower())
    if value and is_uuid(value):
        return None
    absent, bad = (REQUIRED, INVALID) if method.upper() == "POST" else (INVALID, VALUE)
    if value:
        return _header_issue(name, bad.issue_code, f"{name} is not a UUID.", rule="CORE-TI-04")
    return _header_issue(name, absent.issue_code, f"{name} is absent.", rule="CORE-TI-03")


def _header_issue(name: str, code: str, diagnostics: str, *, rule: str, severity: Severity = Severity.ERROR) -> Issue:
    return Issue(severity=severity, code=code, expression=f"http.{name}", diagnostics=diagnostics, rule=rule)


def _read_target(value: str | None) -> ServiceIdentifier | Issue | None:
    if value is None:
        return None
    decoded = decode_json_header(value)
    if decoded is None:
        problem = f"{TARGET_IDENTIFIER} is not the base64 of a JSON object."
        return _header_issue(TARGET_IDENTIFIER, STRUCTURE.issue_code, problem, rule="CORE-HDR-03")
    system, identifier = text(decoded.get("system")), text(decoded.get("value"))
    if system is None or identifier is None:
        problem = f"{TARGET_IDENTIFIER} lacks system or value."
        return _header_issue(TARGET_IDENTIFIER, STRUCTURE.issue_code, problem, rule="CORE-HDR-03")
    return ServiceIdentifier(system=systems.canonical(system), value=identifier)


def _access_issues(given: Mapping[str, str]) -> list[Issue]:
    """An absent organisation or software, and any access header that cannot be read (X-25)."""
    issues = []
    for name in (END_USER_ORGANISATION, REQUESTING_SOFTWARE, REQUESTING_PRACTITIONER):
        if name.lower() not in given:
            if name != REQUESTING_PRACTITIONER:
                issues.append(_access_issue(name, REQUIRED, "is absent"))
        elif not _decoded(given, name):
            issues.append(_access_issue(name, STRUCTURE, "is not the base64 of a JSON object"))
    return issues


def _access_issue(name: str, fault: Fault, what: str) -> Issue:
    return _header_issue(name, fault.issue_code, f"{name} {what}.", rule="X-25", severity=Severity.WARNING)


def _decoded(given: Mapping[str, str], name: str) -> dict[str, Any]:
    return decode_json_header(given.get(name.lower(), "")) or {}


def _organisation(resource: Mapping[str, Any]) -> EndUserOrganisation | None:
    if not resource:
        return None
    tokens = _tokens(resource)
    return EndUserOrganisation(
        ods_code=_value_of(tokens, systems.ODS_CODE), name=text(resource.get("name")), identifiers=tokens
    )


def _practitioner(resource: Mapping[str, Any]) -> RequestingPractitioner | None:
    if not resource:
        return None
    tokens = _tokens(resource)
    role = next((c for concept in objects(resource.get("code")) for c in objects(concept.get("coding"))), {})
    return RequestingPractitioner(
        role_profile_id=_value_of(tokens, systems.SDS_ROLE_PROFILE),
        role_code=text(role.get("code")),
        role_name=text(role.get("display")),
        identifiers=tokens,
    )


def _software(resource: Mapping[str, Any]) -> RequestingSoftware | None:
    if not resource:
        return None
    tokens = _tokens(resource)
    return RequestingSoftware(
        identifier=tokens[0] if tokens else None,
        name=_first_text(resource.get("deviceName"), "name"),
        version=_first_text(resource.get("version"), "value"),
    )


def _tokens(resource: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{systems.canonical(text(each.get('system')) or '')}|{value}"
        for each in objects(resource.get("identifier"))
        if (value := text(each.get("value")))
    )


def _value_of(tokens: tuple[str, ...], system: str) -> str | None:
    return next((value for known, _, value in (t.rpartition("|") for t in tokens) if known == system), None)


def _first_text(value: object, name: str) -> str | None:
    return next((found for each in objects(value) if (found := text(each.get(name)))), None)
