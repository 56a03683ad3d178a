"""An update of a request: lastUpdated rises exactly where content changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import orjson

from cad_bridge.fhir.build_elements import Entry, Json
from cad_bridge.fhir.build_message import message, moment
from cad_bridge.fhir.build_request import RequestFrame
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.echo import parse_verbatim, verbatim_entries, with_ids, with_last_updated
from cad_bridge.fhir.envelope import Envelope
from cad_bridge.fhir.read_elements import read_moment
from cad_bridge.fhir.retraction import can_be_retracted, retracted


def update_bundle(previous: bytes, content: Request, *, issued_ids: Mapping[str, str], envelope: Envelope) -> bytes:
    """The request as it is now, after `previous`, the last message that was sent about it.

    The caller repeats the Bundle.id of `previous` in the envelope (X-11), so that every resource keeps its fullUrl.
    Unchanged resources keep their lastUpdated (CORE-BND-04); all carry the ids of the receiver (CORE-SYNC-05).
    Statements that are gone are retracted, not left out. Raises ValueError if `previous` is another bundle.
    """
    return updated_message(
        previous,
        lambda opened_at: RequestFrame(content=content, envelope=envelope, opened_at=opened_at),
        issued_ids=issued_ids,
        envelope=envelope,
    )


def updated_message(
    previous: bytes,
    frame_since: Callable[[datetime], RequestFrame],
    *,
    issued_ids: Mapping[str, str],
    envelope: Envelope,
    riding_along: tuple[Entry, ...] = (),
) -> bytes:
    """What is in the frame, as an update of `previous`: see `update_bundle`.

    `frame_since` makes the frame of a request that was first sent at a time; `riding_along` are echoed entries.
    """
    before = parse_verbatim(previous)
    if before.get("id") != envelope.bundle_id:
        raise ValueError("an update keeps the Bundle.id of the request")
    frame = frame_since(_opened_at(before) or moment(envelope))
    held = dict(verbatim_entries(before))
    plain = dict(verbatim_entries(orjson.loads(previous)))
    entries = [_merged(entry, held, plain) for entry in frame.entries()]
    gone = _retracted(held, frozenset(entry.full_url for entry in entries), envelope)
    return message(envelope, [frame.header("update"), *with_ids([*entries, *gone], issued_ids), *riding_along])


def _merged(entry: Entry, held: Mapping[str, Json], plain: Mapping[str, Json]) -> Entry:
    """The entry as it was sent before, if nothing in it changed; else as it is now, with the id it had."""
    before = plain.get(entry.full_url)
    if before is None:
        return entry
    if _content(before) == _content(orjson.loads(orjson.dumps(entry.resource))):
        return Entry(entry.full_url, held[entry.full_url])
    return entry if "id" in entry.resource else next(with_ids([entry], _id_of(entry.full_url, before)))


def _retracted(held: Mapping[str, Json], still_sent: frozenset[str], envelope: Envelope) -> Iterator[Entry]:
    """What is no longer said: left out, it would live on at the receiver (CORE-UPD-03)."""
    for full_url, resource in held.items():
        if full_url in still_sent or not can_be_retracted(str(resource.get("resourceType"))):
            continue
        said = retracted(resource, at=moment(envelope))
        yield Entry(full_url, resource if said == resource else with_last_updated(said, moment(envelope)))


def _content(resource: Mapping[str, Any]) -> Json:
    """What counts as content: everything but the id and the time of change."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "lastUpdated"}
    return {**{name: value for name, value in resource.items() if name not in {"id", "meta"}}, "meta": meta}


def _id_of(full_url: str, resource: Mapping[str, Any]) -> dict[str, str]:
    held = resource.get("id")
    return {full_url: held} if isinstance(held, str) else {}


def _opened_at(bundle: Mapping[str, Any]) -> datetime | None:
    """When the request was first sent: see `RequestFrame.opened_at`."""
    for entry in verbatim_entries(bundle):
        if entry.resource.get("resourceType") == "ServiceRequest":
            period = entry.resource.get("occurrencePeriod", {})
            return read_moment(str(period.get("start") or entry.resource.get("authoredOn", "")))
    return None
