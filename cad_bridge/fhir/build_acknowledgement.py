"""The synchronous answer to a message: the message itself, the ids issued, and the receiver's own Encounter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from cad_bridge.fhir.build_elements import Entry, Json, filled, reference
from cad_bridge.fhir.build_message import emergency_class
from cad_bridge.fhir.codes import ukcore_profile
from cad_bridge.fhir.echo import parse_verbatim, verbatim_entries, with_ids
from cad_bridge.fhir.envelope import OwnEncounter, StatusChange


def acknowledgement_bundle(received: bytes, *, issued_ids: Mapping[str, str], encounter: OwnEncounter | None) -> bytes:
    """Body of the 200 to a request, update or cancellation (CORE-SYNC-01 to CORE-SYNC-04).

    `encounter` is added with its own status (planned, for a new case), or replaces an older echo of itself; None adds
    nothing. Everything else is as it came, with the ids of `issued_ids` by fullUrl. Raises ValueError if `received`
    is not a JSON object.
    """
    bundle = parse_verbatim(received)
    entries = verbatim_entries(bundle)
    links = MessageLinks(entries)
    if encounter is not None:
        entries = _with_own(entries, encounter, links)
    mirrored = [{"fullUrl": entry.full_url, "resource": entry.resource} for entry in with_ids(entries, issued_ids)]
    return orjson.dumps({**bundle, "entry": mirrored})


class MessageLinks:
    """What the own Encounter takes over from the message: subject, journey id, and the sender's Encounter."""

    def __init__(self, entries: list[Entry]) -> None:
        self.service_request: Json = next(
            (entry.resource for entry in entries if entry.resource.get("resourceType") == "ServiceRequest"), {}
        )
        self.subject = _target(self.service_request.get("subject"))
        encounters = {
            entry.full_url: entry.resource for entry in entries if entry.resource.get("resourceType") == "Encounter"
        }
        named = _target(self.service_request.get("encounter"))
        self.sender_encounter = next(iter(encounters)) if named is None and len(encounters) == 1 else named
        self.journey_id = _journey_id(encounters, self.sender_encounter)


def own_encounter_fields(encounter: OwnEncounter, links: MessageLinks, *, status: str) -> Json:
    """Elements of the receiver's Encounter that every message about the case repeats (PAY-ENC-09, PAY-ENC-10)."""
    number = filled({"system": encounter.case_number_system, "value": encounter.case_number})
    return filled(
        {
            "identifier": [number],
            "status": status,
            "statusHistory": _status_history(encounter.history),
            "class": emergency_class(),
            "subject": reference(links.subject) if links.subject else None,
            "episodeOfCare": [reference(f"EpisodeOfCare/{links.journey_id}")] if links.journey_id else None,
            "period": {"start": encounter.period_start},
        }
    )


def _status_history(history: tuple[StatusChange, ...]) -> list[Json]:
    """Past and current statuses (APP6-RSP-08); one that clocks made end before it began is sent without an end."""
    periods = []
    for change, following in zip(history, (*history[1:], None), strict=False):
        ended = following is not None and following.since >= change.since
        period = {"start": change.since} | ({"end": following.since} if following and ended else {})
        periods.append({"status": change.status, "period": period})
    return periods


def _with_own(entries: list[Entry], encounter: OwnEncounter, links: MessageLinks) -> list[Entry]:
    own = Entry(encounter.full_url, _own_resource(encounter, links))
    others = [entry for entry in entries if entry.full_url != encounter.full_url]
    places = [index for index, entry in enumerate(others) if entry.resource.get("resourceType") == "Encounter"]
    after = places[-1] + 1 if places else len(others)
    return [*others[:after], own, *others[after:]]


def _own_resource(encounter: OwnEncounter, links: MessageLinks) -> Json:
    """Built without fhir.resources: the answer must leave within a millisecond, and every part of it is a constant."""
    changed = encounter.period_end or encounter.period_start
    fields = own_encounter_fields(encounter, links, status=encounter.status)
    if encounter.period_end:
        fields["period"] = {"start": encounter.period_start, "end": encounter.period_end}
    meta = {"lastUpdated": changed, "profile": [ukcore_profile("Encounter")]}
    return {"resourceType": "Encounter", "id": encounter.id, "meta": meta, **fields}


def _journey_id(encounters: Mapping[str, Json], preferred: str | None) -> str | None:
    """The GUID part of Encounter.episodeOfCare, of the sender's Encounter first (X-62)."""
    first = encounters.get(preferred) if preferred else None
    for encounter in (*([first] if first else ()), *encounters.values()):
        episodes = encounter.get("episodeOfCare")
        for episode in episodes if isinstance(episodes, list) else ():
            target = _target(episode)
            if target:
                return target.removeprefix("EpisodeOfCare/").removeprefix("urn:uuid:")
    return None


def _target(value: Any) -> str | None:
    target = value.get("reference") if isinstance(value, dict) else None
    return target if isinstance(target, str) else None
