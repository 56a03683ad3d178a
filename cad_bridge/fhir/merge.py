"""An update meets the request that is held: resource by resource, the newer one stays (CORE-UPD-01 to CORE-UPD-06).

Entries are the same resource if the id that we issued says so, else by fullUrl, and only within the conversation whose
request this is (X-31, S13). Everything is carried over digit for digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from cad_bridge.fhir.build_elements import Entry, Json
from cad_bridge.fhir.echo import parse_verbatim, verbatim_entries, with_ids
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.read_elements import read_moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The request as it stands after an update, and what became of each entry of the update."""

    body: bytes
    added: tuple[str, ...]
    """Types of resources that are new."""
    replaced: tuple[str, ...]
    """Types of resources that a newer version replaced."""
    ignored: tuple[str, ...]
    """Types of resources whose version here is newer: kept, never overwritten by an older one (CORE-UPD-07)."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Types of everything that changed, each once, in alphabetical order."""
        return tuple(sorted({*self.added, *self.replaced}))

    @property
    def issues(self) -> tuple[Issue, ...]:
        """What a person must know of it: the update says something else, and it was kept out (CORE-UPD-07)."""
        if not self.ignored:
            return ()
        types = ", ".join(sorted(set(self.ignored)))
        text = f"The update says something else in what is not newer than what is held; that was kept out: {types}."
        at = "Bundle.entry.resource.meta.lastUpdated"
        return (Issue(severity=Severity.WARNING, code="conflict", expression=at, diagnostics=text, rule="CORE-UPD-01"),)


def merge_update(
    held: bytes, incoming: bytes, *, issued_ids: Mapping[str, str], own_full_urls: frozenset[str] = frozenset()
) -> Merged:
    """Merge an update into the request that is held.

    `own_full_urls` are resources of ours that the sender only echoes: they are never taken from a message. Raises
    ValueError where one of the two is no message.
    """
    base, update = parse_verbatim(held), parse_verbatim(incoming)
    stand = {entry.full_url: entry.resource for entry in with_ids(verbatim_entries(base), issued_ids)}
    names = _same_resources(stand, verbatim_entries(update))
    said: dict[str, list[str]] = {"added": [], "replaced": [], "ignored": []}
    for entry in _incoming(update, names, own_full_urls):
        verdict = _verdict(stand.get(entry.full_url), entry.resource)
        if verdict in {"added", "replaced"}:
            stand[entry.full_url] = _keeping_id(stand.get(entry.full_url), entry.resource)
        if verdict != "same":
            said[verdict].append(str(entry.resource.get("resourceType")))
    is_triaged_anew = "CarePlan" in {*said["added"], *said["replaced"]}
    _take_triage_system(stand, update, replacing=is_triaged_anew)
    entries = [{"fullUrl": url, "resource": resource} for url, resource in stand.items()]
    body = orjson.dumps({**base, "meta": update.get("meta"), "timestamp": update.get("timestamp"), "entry": entries})
    return Merged(body=body, **{name: tuple(types) for name, types in said.items()})


def _take_triage_system(stand: dict[str, Json], update: Json, *, replacing: bool) -> None:
    """The triage system stands in the MessageHeader, and goes with the CarePlan: a call may be triaged after referral.

    An update that names none takes none away, but for triage anew by a clinician without a system (APP6-REF-13).
    """
    named = next((r.get("extension") for _, r in verbatim_entries(update) if _is_header(r)), None)
    by_clinician = replacing and any("author" in r for r in stand.values() if r.get("resourceType") == "CarePlan")
    for full_url, held in stand.items():
        if named and _is_header(held) and (replacing or "extension" not in held):
            stand[full_url] = {**held, "extension": named}
        elif not named and by_clinician and _is_header(held):
            stand[full_url] = {name: value for name, value in held.items() if name != "extension"}


def _is_header(resource: Json) -> bool:
    return resource.get("resourceType") == "MessageHeader"


def _incoming(update: Json, names: Mapping[str, str], own: frozenset[str]) -> Iterator[Entry]:
    """The entries of the update under the fullUrls that they are held by, without its MessageHeader."""
    for entry in verbatim_entries(update):
        if entry.resource.get("resourceType") != "MessageHeader" and entry.full_url not in own:
            yield Entry(names.get(entry.full_url, entry.full_url), _renamed(entry.resource, names))


def _same_resources(stand: Mapping[str, Json], incoming: list[Entry]) -> dict[str, str]:
    """Which fullUrl of the update stands for which held one, by the ids that we issued."""
    by_id = {(r.get("resourceType"), r["id"]): url for url, r in stand.items() if "id" in r}
    found = {}
    for entry in incoming:
        held = by_id.get((entry.resource.get("resourceType"), entry.resource.get("id")))
        if held is not None and held != entry.full_url:
            found[entry.full_url] = held
    return found


def _verdict(held: Json | None, incoming: Json) -> str:
    if held is None:
        return "added"
    before, after = _last_updated(held), _last_updated(incoming)
    if after is not None and (before is None or after > before):
        return "replaced"
    # Without a later time it is not newer: kept out, and said so if it says something else (CORE-UPD-01).
    return "same" if orjson.dumps(_content(held)) == orjson.dumps(_content(incoming)) else "ignored"


def _content(resource: Json) -> Json:
    """What a resource says, without the id, which senders leave out or repeat as they like."""
    return {name: resource[name] for name in sorted(resource) if name != "id"}


def _last_updated(resource: Json) -> datetime | None:
    """meta.lastUpdated to the microsecond; None where it cannot be read (S12, S16)."""
    meta = resource.get("meta")
    written = meta.get("lastUpdated") if isinstance(meta, dict) else None
    return read_moment(written) if isinstance(written, str) else None


def _keeping_id(held: Json | None, incoming: Json) -> Json:
    """The id that we issued stays with the resource, whatever the sender wrote (CORE-SYNC-04)."""
    if held is None or "id" not in held:
        return incoming
    rest = {name: value for name, value in incoming.items() if name not in {"resourceType", "id"}}
    return {"resourceType": incoming.get("resourceType"), "id": held["id"], **rest}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """The same resource with its references in the names that the request is held under."""
    if not names:
        return value
    if isinstance(value, dict):
        return {
            key: names.get(item, item) if key == "reference" and isinstance(item, str) else _renamed(item, names)
            for key, item in value.items()
        }
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value
