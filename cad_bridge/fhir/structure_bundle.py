"""The invariants of a FHIR R4 Bundle (bdl-1 to bdl-12)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cad_bridge.fhir.structure_findings import Finding
from cad_bridge.fhir.structure_rules import Node, objects

_SEARCHES = ("searchset", "history")
_REQUESTS = ("batch", "transaction", "history")
_OF_A_MESSAGE = {"fullUrl", "resource"}
"""What nearly every entry of a message holds; there is nothing to say of it then."""
_RESPONSES = ("batch-response", "transaction-response", "history")


def bundle_invariants(bundle: Node) -> Iterator[Finding]:
    """What is wrong with the bundle as such; its resources are checked elsewhere."""
    kind = bundle.get("type")
    entries = objects(bundle, "entry")
    if "total" in bundle and kind not in _SEARCHES:
        yield Finding(bundle, "total", "bdl-1", "Only a search result or history has a total.")
    for entry in entries:
        if kind != "message" or entry.keys() != _OF_A_MESSAGE:
            yield from _entry(entry, kind)
    yield from _full_urls(entries, kind)
    if kind == "message" and _first_type(bundle) != "MessageHeader":
        yield Finding(bundle, "entry", "bdl-12", "The first entry of a message must be its MessageHeader.")
    if kind == "document":
        yield from _document(bundle)


def _entry(entry: Node, kind: object) -> Iterator[Finding]:
    if "search" in entry and kind != "searchset":
        yield Finding(entry, "search", "bdl-2", "Only an entry of a search result says search.")
    if ("request" in entry) != (kind in _REQUESTS):
        yield Finding(
            entry, "request", "bdl-3", "An entry says request in a batch, transaction or history, and only there."
        )
    if ("response" in entry) != (kind in _RESPONSES):
        yield Finding(entry, "response", "bdl-4", "An entry says response in the answer to a batch, and only there.")
    if not entry.keys() & {"resource", "request", "response"}:
        yield Finding(entry, "resource", "bdl-5", "An entry must hold a resource.")


def _full_urls(entries: list[Node], kind: object) -> Iterator[Finding]:
    named = [(full_url, entry) for entry in entries if isinstance(full_url := entry.get("fullUrl"), str)]
    for full_url, entry in named:
        if "/_history/" in full_url:
            yield Finding(entry, "fullUrl", "bdl-8", "A fullUrl cannot name a version.")
    if kind != "history" and len({full_url for full_url, _ in named}) < len(named):
        yield from _repeated(named)


def _repeated(named: list[tuple[str, Node]]) -> Iterator[Finding]:
    seen: set[tuple[str, Any]] = set()
    for full_url, entry in named:
        identity = (full_url, _version_id(entry))
        if identity in seen:
            yield Finding(entry, "fullUrl", "bdl-7", "Two entries have the same fullUrl.")
        seen.add(identity)


def _version_id(entry: Node) -> str | None:
    resource = entry.get("resource")
    meta = resource.get("meta") if isinstance(resource, dict) else None
    version_id = meta.get("versionId") if isinstance(meta, dict) else None
    return version_id if isinstance(version_id, str) else None


def _first_type(bundle: Node) -> object:
    """The resource type of the very first entry."""
    entries = bundle.get("entry")
    first = entries[0] if isinstance(entries, list) and entries else None
    resource = first.get("resource") if isinstance(first, dict) else None
    return resource.get("resourceType") if isinstance(resource, dict) else None


def _document(bundle: Node) -> Iterator[Finding]:
    identifier = bundle.get("identifier")
    if not (isinstance(identifier, dict) and {"system", "value"} <= identifier.keys()):
        yield Finding(bundle, "identifier", "bdl-9", "A document needs an identifier with system and value.")
    if "timestamp" not in bundle:
        yield Finding(bundle, "timestamp", "bdl-10", "A document needs a timestamp.")
    if _first_type(bundle) != "Composition":
        yield Finding(bundle, "entry", "bdl-11", "The first entry of a document must be its Composition.")
