"""What another system says it can do, and whether a message may be sent to it (CORE-CN-01 to CORE-CN-06, CORE-VER-02).

Both published shapes are read, and any JSON (X-27, X-28). Where something is missing nothing is sent, and the user is
told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir import systems
from cad_bridge.fhir.elements import as_list, as_object, child, objects, text
from cad_bridge.protocol.definitions import MessageDefinition, definition_for
from cad_bridge.protocol.versions import Version

_OTHER_ROUTE = "Choose another service, or hand the case over by phone."


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotSend:
    """Negotiation failed: nothing is sent (CORE-CN-18)."""

    reason: str
    """For the log: what was looked for and not found. Holds no patient data."""
    advice: str
    """For the user, without codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCapability:
    """The CapabilityStatement of another system, as far as it matters."""

    version: Version | None
    """The BaRS Core version that it serves."""
    receives: frozenset[str]
    """URLs of the message definitions that it receives; known ones by their published URL."""
    interactions: frozenset[tuple[str, str]]
    """(resource type, interaction) in server mode, such as ``("ServiceRequest", "read")``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDefinition:
    """A MessageDefinition that another system serves."""

    url: str
    version: Version
    services: frozenset[str]
    """The services it is for, each as ``system|value``."""
    use_cases: frozenset[str]
    """Use-case categories in lower case."""


def read_capability(resource: Mapping[str, Any]) -> RemoteCapability:
    """Read a CapabilityStatement. Never raises; what cannot be read is not there."""
    servers = [rest for rest in objects(resource.get("rest")) if rest.get("mode") == "server"]
    return RemoteCapability(
        version=Version.parse(text(resource.get("version")) or ""),
        receives=frozenset(_received(resource)),
        interactions=frozenset(
            (resource_type, code)
            for server in servers
            for each in objects(server.get("resource"))
            for interaction in objects(each.get("interaction"))
            if (resource_type := text(each.get("type"))) and (code := text(interaction.get("code")))
        ),
    )


def check_capability(
    remote: RemoteCapability, definitions: Iterable[MessageDefinition], *, core: Version, needs_read: bool
) -> CannotSend | None:
    """Why a workflow cannot start with this system, if it cannot (CORE-CN-01, CORE-VER-02).

    `needs_read` is for requests: without reading back, neither update nor cancellation is possible.
    """
    if remote.version is None or remote.version.major != core.major:
        return _cannot(f"the other system serves Core {remote.version}, we speak {core}")
    missing = [d.name for d in definitions if d.url not in remote.receives]
    if missing:
        return _cannot(f"the other system does not receive {', '.join(missing)}")
    if needs_read and ("ServiceRequest", "read") not in remote.interactions:
        return _cannot("the other system does not let requests be read back")
    return None


def read_message_definitions(resource: Mapping[str, Any]) -> tuple[RemoteDefinition, ...]:
    """Read a searchset of MessageDefinitions, or a single one. Those without URL or version are left out."""
    entries = [as_object(child(entry, "resource")) for entry in as_list(resource.get("entry"))] or [resource]
    return tuple(
        found
        for entry in entries
        if entry.get("resourceType") == "MessageDefinition" and (found := _definition(entry)) is not None
    )


def choose_definition(
    offered: Iterable[RemoteDefinition], wanted: MessageDefinition, *, service_id: str, use_case: str
) -> RemoteDefinition | CannotSend:
    """The offered definition to send by: type, service, use case and version all fit (CORE-CN-04).

    Of several the one closest to our own version, the higher where two are equally close (CORE-CN-05, CORE-VER-03).
    Its version goes into Bundle.meta.versionId (CORE-VER-08).
    """
    service = systems.canonical_token(service_id)
    typed = [d for d in offered if d.url == wanted.url and service in d.services]
    if not typed:
        return _cannot(f"the service does not offer {wanted.name}")
    listed = [d for d in typed if use_case.lower() in d.use_cases]
    if not listed:
        return _cannot(f"the service does not offer {wanted.name} for {use_case}")
    usable = [d for d in listed if str(d.version) in wanted.supported]
    if not usable:
        versions = ", ".join(sorted(str(d.version) for d in listed))
        return _cannot(f"the service offers {wanted.name} {versions} only")
    own = Version.parse(wanted.version) or usable[0].version
    highest_first = sorted(usable, key=lambda d: d.version, reverse=True)
    return min(highest_first, key=lambda d: own.distance(d.version))


def _cannot(reason: str) -> CannotSend:
    return CannotSend(
        reason=reason, advice=f"The chosen service cannot take this kind of request from us. {_OTHER_ROUTE}"
    )


def _received(resource: Mapping[str, Any]) -> Iterator[str]:
    for messaging in objects(resource.get("messaging")):
        for supported in objects(messaging.get("supportedMessage")):
            url = text(supported.get("definition"))
            if supported.get("mode") == "receiver" and url:
                yield _published_url(url)


def _definition(resource: Mapping[str, Any]) -> RemoteDefinition | None:
    url, version = text(resource.get("url")), Version.parse(text(resource.get("version")) or "")
    if url is None or version is None:
        return None
    codings = list(_context_codings(resource))
    return RemoteDefinition(
        url=_published_url(url),
        version=version,
        services=frozenset(f"{systems.SERVICE_ID}|{code}" for system, code in codings if system == systems.SERVICE_ID),
        use_cases=frozenset(code.lower() for system, code in codings if system == systems.USE_CASE),
    )


def _context_codings(resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every coding of useContext: under valueCodeableConcept (artefacts) or under code (OpenAPI example, X-28)."""
    for context in objects(resource.get("useContext")):
        concept = as_object(context.get("valueCodeableConcept"))
        for coding in (*objects(concept.get("coding")), *objects(context.get("code"))):
            system, code = text(coding.get("system")), text(coding.get("code"))
            if system and code:
                yield systems.canonical(system), code


def _published_url(url: str) -> str:
    bare = url.split("|", 1)[0]
    known = definition_for(bare)
    return known.url if known else bare
