"""What is wrong with a message that is not wrong enough to be refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .identity import TargetError, decode_header, decode_target
from .message import Message


def findings(message: Message, headers: Mapping[str, str]) -> list[str]:
    """Departures from the MUSTs on headers and bundles, in words; `headers` has lower-case names."""
    return [
        *_target_findings(message, headers),
        *_header_findings(message, headers),
        *_bundle_findings(message),
        *_request_findings(message),
    ]


def _target_findings(message: Message, headers: Mapping[str, str]) -> Iterator[str]:
    try:
        target = decode_target(headers.get("nhsd-target-identifier", ""))
    except TargetError:
        yield "CORE-HDR-02: NHSD-Target-Identifier cannot be decoded"
        return
    if target != message.destination_endpoint:
        yield "CORE-MH-03: MessageHeader.destination.endpoint is not the target"


def _header_findings(message: Message, headers: Mapping[str, str]) -> Iterator[str]:
    if "authorization" in headers:
        yield "CORE-HDR-12: Authorization reached the receiver"
    if "application/fhir+json" not in headers.get("accept", "") or "version=" not in headers.get("accept", ""):
        yield "CORE-HDR-13: Accept names no FHIR JSON version"
    if not headers.get("content-type", "").startswith("application/fhir+json"):
        yield "CORE-HDR-16: Content-Type is not application/fhir+json"
    expected = f"{message.use_case}|{message.category}|{message.event}|{message.reason}"
    if headers.get("use-context") != expected:
        yield "CORE-HDR-18: use-context does not say what the message is"
    for name, kind in (("nhsd-end-user-organisation", "Organization"), ("nhsd-requesting-software", "Device")):
        if _header_kind(headers.get(name, "")) != kind:
            yield f"CORE-HDR-06/07: {name} is not base64 of a {kind}"
    if (role := headers.get("nhsd-requesting-practitioner")) and _header_kind(role) != "PractitionerRole":
        yield "CORE-HDR-09: nhsd-requesting-practitioner is not base64 of a PractitionerRole"


def _header_kind(header: str) -> Any:
    try:
        return decode_header(header).get("resourceType")
    except TargetError:
        return None


def _bundle_findings(message: Message) -> Iterator[str]:
    full_urls = [str(entry.get("fullUrl")) for entry in message.entries]
    if len(set(full_urls)) != len(full_urls):
        yield "CORE-BND-10: a fullUrl is used twice"
    if not all(url.startswith("urn:uuid:") for url in full_urls):
        yield "CORE-BND-10: a fullUrl is no urn:uuid"
    for resource in message.resources:
        if not resource.get("meta", {}).get("lastUpdated"):
            yield f"CORE-BND-03: {resource.get('resourceType')} lacks meta.lastUpdated"
        for target in _references(resource):
            if target.startswith("urn:uuid:") and target not in full_urls:
                yield f"CORE-BND-10: a reference of {resource.get('resourceType')} resolves to nothing"
    if not message.bundle.get("timestamp"):
        yield "CORE-BND-11: Bundle.timestamp is missing"
    if message.focus is None:
        yield "CORE-MH-09: MessageHeader.focus resolves to nothing"
    if message.source_endpoint is None:
        yield "CORE-MH-02: MessageHeader.source.endpoint is missing"


def _request_findings(message: Message) -> Iterator[str]:
    if message.category != "validation" or message.reason != "new" or message.event != "servicerequest-request":
        return
    if not message.service_request.get("occurrencePeriod", {}).get("end"):
        yield "APP4-VR-06: no breach time"
    for care_plan in message.of_type("CarePlan"):
        if not care_plan.get("period", {}).get("start"):
            yield "APP4-VR-05: no clock start"
    categories = {
        coding.get("code")
        for flag in message.of_type("Flag")
        for category in flag.get("category", [])
        for coding in category.get("coding", [])
    }
    if "SS" not in categories:
        yield "APP4-VR-07: no scene safety Flag"
    if message.arp is None:
        yield "APP4-VR: no ARP code"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
