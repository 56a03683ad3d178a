"""What a catalogue resource must hold to be stored (API 1.4.0), and what is let pass with a warning.

The published examples write one-element arrays where R4 has an element and CodeableConcept where it has Coding: both
are accepted, and named. An error refuses the resource (400); a warning is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from cad_bridge.discovery.catalogue.elements import Resource, as_list, codings, identifiers, instant, text
from cad_bridge.discovery.catalogue.elements import referred_identifier as referred
from cad_bridge.discovery.catalogue.records import read_endpoint, read_healthcare_service
from cad_bridge.discovery.catalogue.tokens import same_system
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.systems import ODS_CODE

ENDPOINT_STATUSES = frozenset({"active", "suspended", "error", "off", "entered-in-error", "test"})
_HEADERS = frozenset({"public", "private"})
_RULE = "API 1.4.0"
_LENIENT = "defects.md section 5"


def validate(resource: Any, resource_type: str, *, template: bool = False) -> tuple[Issue, ...]:
    """All findings in a resource that a client wants stored as `resource_type`; `template` for ``Endpoint/$template``.

    Raises:
        KeyError: the catalogue holds no such type.
    """
    check = _CHECKS[resource_type]
    if not isinstance(resource, dict):
        return (_error("structure", resource_type, "not a JSON object"),)
    if resource.get("resourceType") != resource_type:
        return (_error("structure", "resourceType", f"the resource is no {resource_type}"),)
    return (*_identifier_issues(resource, resource_type), *check(resource, template))


def has_errors(issues: tuple[Issue, ...]) -> bool:
    """Whether one of the findings refuses the resource."""
    return any(issue.is_error for issue in issues)


def _identifier_issues(resource: Resource, resource_type: str) -> Iterator[Issue]:
    path = f"{resource_type}.identifier"
    if not identifiers(resource):
        yield _error("required", path, "an identifier with system and value is needed")
    for position, token in enumerate(identifiers(resource)):
        if not token.system:
            yield _error("required", f"{path}[{position}].system", "an identifier needs its system")


def _healthcare_service_issues(resource: Resource, template: bool) -> Iterator[Issue]:
    del template
    record = read_healthcare_service(resource)
    if not record.service_ids:
        yield _error("required", "HealthcareService.identifier", "no identifier is a service id")
    if not isinstance(resource.get("active"), bool):
        yield _error("required", "HealthcareService.active", "active must be true or false")
    if not record.name:
        yield _error("required", "HealthcareService.name", "a name is needed")
    yield from _owner_issues(resource, "HealthcareService.providedBy", "providedBy")
    references = [item for item in as_list(resource.get("endpoint")) if item]
    if len(record.endpoint_ids) != len(references):
        yield _error("value", "HealthcareService.endpoint", "an endpoint is referred to as Endpoint/{id}")
    if isinstance(resource.get("endpoint"), dict):
        yield _warning("HealthcareService.endpoint", "an object where an array is expected")


def _endpoint_issues(resource: Resource, template: bool) -> Iterator[Issue]:
    record = read_endpoint(resource)
    if record.status not in ENDPOINT_STATUSES:
        yield _error("value", "Endpoint.status", f"one of {', '.join(sorted(ENDPOINT_STATUSES))}")
    yield from _kind_issues(resource)
    yield from _owner_issues(resource, "Endpoint.managingOrganization", "managingOrganization")
    if not is_usable_address(record.address or ""):
        yield _error("value", "Endpoint.address", "an https URL is needed (http on a loopback address only)")
    if any(text(value).lower() not in _HEADERS for value in as_list(resource.get("header"))):
        yield _error("value", "Endpoint.header", "public or private")
    if template and resource.get("period") is not None:
        yield _error("structure", "Endpoint.period", "a template has no period")
    yield from _period_issues(resource.get("period"))


def _kind_issues(resource: Resource) -> Iterator[Issue]:
    for name in ("connectionType", "payloadType"):
        if not codings(resource.get(name)):
            yield _error("required", f"Endpoint.{name}", "a coding with system and code is needed")
    if isinstance(resource.get("connectionType"), dict) and "coding" in resource["connectionType"]:
        yield _warning("Endpoint.connectionType", "a CodeableConcept where R4 has a Coding")


def _period_issues(period: Any) -> Iterator[Issue]:
    if period is None:
        return
    if not isinstance(period, dict):
        yield _error("structure", "Endpoint.period", "a Period has start and end")
        return
    start, end = (instant(period.get(name)) for name in ("start", "end"))
    for name, moment in (("start", start), ("end", end)):
        if period.get(name) is not None and moment is None:
            yield _error("value", f"Endpoint.period.{name}", "a date and time with zone is needed")
    if start and end and end < start:
        yield _error("value", "Endpoint.period", "it ends before it starts")


def _organization_issues(resource: Resource, template: bool) -> Iterator[Issue]:
    del template
    if not any(same_system(token.system, ODS_CODE) for token in identifiers(resource)):
        yield _error("required", "Organization.identifier", "no identifier is an ODS code")
    if not text(resource.get("name")):
        yield _error("required", "Organization.name", "a name is needed")


def _owner_issues(resource: Resource, path: str, name: str) -> Iterator[Issue]:
    owner = referred(resource.get(name))
    if owner is None or not same_system(owner.system, ODS_CODE):
        yield _error("required", f"{path}.identifier", "an organisation with its ODS code is needed")
    if isinstance(resource.get(name), list):
        yield _warning(path, "an array where R4 has one reference; the first counts")


def is_usable_address(address: str) -> bool:
    """Whether messages may be sent there: https, or http on this machine."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost"))


def _error(code: str, expression: str, diagnostics: str) -> Issue:
    return Issue(severity=Severity.ERROR, code=code, expression=expression, diagnostics=diagnostics, rule=_RULE)


def _warning(expression: str, diagnostics: str) -> Issue:
    return Issue(
        severity=Severity.WARNING, code="structure", expression=expression, diagnostics=diagnostics, rule=_LENIENT
    )


_CHECKS: dict[str, Callable[[Resource, bool], Iterator[Issue]]] = {
    "HealthcareService": _healthcare_service_issues,
    "Endpoint": _endpoint_issues,
    "Organization": _organization_issues,
}
