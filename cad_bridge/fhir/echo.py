"""Received resources, sent back as they came: every number, date and text digit for digit (DESIGN decision 6).

A message is parsed with each number kept as its own text, so that 53.578960 stays 53.578960. Whatever is not changed
on purpose is written out again as it was read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from cad_bridge.fhir.build_elements import Entry, Json


def parse_verbatim(raw: bytes) -> Json:
    """The message with numbers as `orjson.Fragment` of their own text; `orjson.dumps` writes them back unchanged.

    Raises ValueError if `raw` is not a JSON object.
    """
    parsed = json.loads(raw, parse_float=_digits, parse_int=_digits)
    if not isinstance(parsed, dict):
        raise ValueError("a message is a JSON object")  # noqa: TRY004 - the message is at fault, not the call
    return parsed


def verbatim_entries(bundle: Mapping[str, Any]) -> list[Entry]:
    """The entries of a parsed message that hold a resource, in order."""
    entries = bundle.get("entry")
    return [
        Entry(str(entry.get("fullUrl", "")), entry["resource"])
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
    ]


def with_ids(entries: Iterable[Entry], issued_ids: Mapping[str, str]) -> Iterator[Entry]:
    """The entries with the ids that the receiver issued, by fullUrl (CORE-SYNC-04, CORE-SYNC-05).

    An id that an entry has already is kept unless another one was issued for it. lastUpdated stays: an id is no
    change of content.
    """
    for entry in entries:
        issued = issued_ids.get(entry.full_url)
        yield entry if issued is None else Entry(entry.full_url, with_id(entry.resource, issued))


def with_ids_since_issued(raw: bytes, issued_ids: Mapping[str, str]) -> bytes:
    """A message of ours with the ids that have been issued since it was made; the same bytes where it has them all.

    Raises ValueError if `raw` is not a JSON object.
    """
    bundle = parse_verbatim(raw)
    entries = verbatim_entries(bundle)
    if all(issued_ids.get(entry.full_url) in {None, entry.resource.get("id")} for entry in entries):
        return raw
    named = [{"fullUrl": url, "resource": resource} for url, resource in with_ids(entries, issued_ids)]
    return orjson.dumps({**bundle, "entry": named})


def with_id(resource: Mapping[str, Any], issued: str) -> Json:
    """The resource with that id, in the usual place."""
    rest = {name: value for name, value in resource.items() if name not in {"resourceType", "id"}}
    return {"resourceType": resource.get("resourceType"), "id": issued, **rest}


def without_dangling(resource: Mapping[str, Any], full_urls: frozenset[str]) -> Json:
    """The resource without the elements that refer to entries which the message does not carry (CORE-BND-10).

    An element goes as a whole, list items one by one; relative and contained references stay.
    """
    kept: Json = {}
    for name, value in resource.items():
        if isinstance(value, list):
            items = [item for item in value if not _dangles(item, full_urls)]
            if items:
                kept[name] = items
        elif not _dangles(value, full_urls):
            kept[name] = value
    return kept


def has_reference(value: Any) -> bool:
    """Whether an element refers to another resource."""
    if isinstance(value, dict):
        return "reference" in value or any(has_reference(child) for child in value.values())
    return isinstance(value, list) and any(has_reference(child) for child in value)


def references_in(value: Any) -> Iterator[str]:
    """Every literal reference in an element."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for child in value.values():
            yield from references_in(child)
    elif isinstance(value, list):
        for child in value:
            yield from references_in(child)


def with_last_updated(resource: Mapping[str, Any], last_updated: Any) -> Json:
    """The resource marked as changed now (CORE-BND-04)."""
    meta = resource.get("meta")
    return {**resource, "meta": {**(meta if isinstance(meta, dict) else {}), "lastUpdated": last_updated}}


def _digits(text: str) -> orjson.Fragment:
    return orjson.Fragment(text)


def _dangles(value: Any, full_urls: frozenset[str]) -> bool:
    if isinstance(value, dict):
        target = value.get("reference")
        if isinstance(target, str) and target.startswith("urn:uuid:") and target not in full_urls:
            return True
        return any(_dangles(child, full_urls) for child in value.values())
    return isinstance(value, list) and any(_dangles(child, full_urls) for child in value)
