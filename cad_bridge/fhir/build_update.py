"""An update of a validation request: lastUpdated rises exactly where content changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from cad_bridge.fhir.build_elements import Entry, Json
from cad_bridge.fhir.build_message import message, moment
from cad_bridge.fhir.build_request import RequestFrame
from cad_bridge.fhir.content import Request
from cad_bridge.fhir.echo import parse_verbatim, verbatim_entries, with_ids, with_last_updated
from cad_bridge.fhir.envelope import Envelope
from cad_bridge.fhir.read_elements import read_moment

_RETRACTED: dict[str, Json] = {
    "Flag": {"status": "inactive"},
    "Observation": {"status": "entered-in-error"},
    "MedicationStatement": {"status": "entered-in-error"},
    "AllergyIntolerance": {
        "verificationStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
                    "code": "entered-in-error",
                    "display": "Entered in Error",
                }
            ]
        }
    },
}
"""What a statement becomes that is no longer made: left out, it would live on at the receiver (CORE-UPD-03)."""


def update_bundle(previous: bytes, content: Request, *, issued_ids: Mapping[str, str], envelope: Envelope) -> bytes:
    """The request as it is now, after `previous`, the last message that was sent about it.

    The caller repeats the Bundle.id of `previous` in the envelope (X-11), so that every resource keeps its fullUrl.
    Unchanged resources keep their lastUpdated (CORE-BND-04); all carry the ids of the receiver (CORE-SYNC-05).
    Statements that are gone are retracted, not left out. Raises ValueError if `previous` is another bundle.
    """
    before = parse_verbatim(previous)
    if before.get("id") != envelope.bundle_id:
        raise ValueError("an update keeps the Bundle.id of the request")
    frame = RequestFrame(content=content, envelope=envelope, opened_at=_opened_at(before) or moment(envelope))
    held = dict(verbatim_entries(before))
    plain = dict(verbatim_entries(orjson.loads(previous)))
    entries = [_merged(entry, held, plain) for entry in frame.entries()]
    gone = _retracted(held, plain, frozenset(entry.full_url for entry in entries), envelope)
    return message(envelope, [frame.header("update"), *with_ids([*entries, *gone], issued_ids)])


def _merged(entry: Entry, held: Mapping[str, Json], plain: Mapping[str, Json]) -> Entry:
    """The entry as it was sent before, if nothing in it changed; else as it is now, with the id it had."""
    before = plain.get(entry.full_url)
    if before is None:
        return entry
    if _content(before) == _content(orjson.loads(orjson.dumps(entry.resource))):
        return Entry(entry.full_url, held[entry.full_url])
    return entry if "id" in entry.resource else next(with_ids([entry], _id_of(entry.full_url, before)))


def _retracted(
    held: Mapping[str, Json], plain: Mapping[str, Json], still_sent: frozenset[str], envelope: Envelope
) -> Iterator[Entry]:
    for full_url, resource in held.items():
        kind = str(resource.get("resourceType"))
        if full_url in still_sent or kind not in _RETRACTED:
            continue
        changed = {**resource, **_RETRACTED[kind]}
        if kind == "AllergyIntolerance":
            changed.pop("clinicalStatus", None)  # ait-2: none where the record was an error
        is_new = _content(changed) != _content(plain[full_url])
        yield Entry(full_url, with_last_updated(changed, moment(envelope)) if is_new else resource)


def _content(resource: Mapping[str, Any]) -> Json:
    """What counts as content: everything but the id and the time of change."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "lastUpdated"}
    return {**{name: value for name, value in resource.items() if name not in {"id", "meta"}}, "meta": meta}


def _id_of(full_url: str, resource: Mapping[str, Any]) -> dict[str, str]:
    held = resource.get("id")
    return {full_url: held} if isinstance(held, str) else {}


def _opened_at(bundle: Mapping[str, Any]) -> Any:
    for entry in verbatim_entries(bundle):
        if entry.resource.get("resourceType") == "ServiceRequest":
            return read_moment(str(entry.resource.get("occurrencePeriod", {}).get("start", "")))
    return None
