"""The body of the 200 to a request: the message mirrored, ids issued, own Encounter planned (CORE-SYNC)."""

from __future__ import annotations

import copy
from datetime import datetime

from .cases import Case
from .identity import Json
from .message import Message
from .plans import Acknowledgement
from .resources import entry, instant


def acknowledgement(case: Case, message: Message, now: datetime, *, form: Acknowledgement = "full") -> Json:
    """Mirrors `message` with the ids of `case`, and puts the responder's Encounter behind the requester's."""
    body = copy.deepcopy(message.bundle)
    body["meta"] = body.get("meta", {}) | {"lastUpdated": instant(now)}
    issued = {} if form == "no-ids" else _issued_ids(case)
    entries: list[Json] = []
    for mirrored in body["entry"]:
        resource = mirrored["resource"]
        if mirrored["fullUrl"] in issued:
            resource = {"resourceType": resource["resourceType"], "id": issued[mirrored["fullUrl"]]} | resource
        entries.append(mirrored | {"resource": resource})
    if form != "no-encounter" and not any(mirrored["fullUrl"] == case.encounter_url for mirrored in entries):
        entries.insert(_behind_encounter(entries), entry(case.encounter_url, _encounter(case, now, form)))
    return body | {"entry": entries}


def _issued_ids(case: Case) -> dict[str, str]:
    return {
        held["fullUrl"]: held["resource"]["id"]
        for held in case.held.entries
        if "id" in held["resource"] and held["resource"]["resourceType"] != "MessageHeader"
    }


def _encounter(case: Case, now: datetime, form: Acknowledgement) -> Json:
    encounter = case.encounter(now)
    if form in {"identifier-only", "no-ids"}:
        del encounter["id"]
    if form == "id-only":
        del encounter["identifier"]
    return encounter


def _behind_encounter(entries: list[Json]) -> int:
    for place, held in enumerate(entries):
        if held["resource"]["resourceType"] == "Encounter":
            return place + 1
    return len(entries)
