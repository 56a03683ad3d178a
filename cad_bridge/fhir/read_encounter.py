"""What an Encounter says of a case: its number, its journey, the times of the call, the incident Location."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from cad_bridge.fhir.read_elements import moment_of
from cad_bridge.fhir.read_nodes import Node


def case_number_of(encounter: Node) -> str | None:
    """The human readable case number: the first identifier that has a value."""
    for identifier in encounter.items("identifier"):
        value = identifier.child("value").text()
        if value:
            return value
    return None


def journey_id_of(encounter: Node) -> UUID | None:
    """The GUID of Encounter.episodeOfCare, in whatever form (X-62); an issue if there is none."""
    target = encounter.first("episodeOfCare").target() or ""
    try:
        return UUID(target.removeprefix("EpisodeOfCare/").removeprefix("urn:uuid:"))
    except ValueError:
        at = f"{encounter.path}.episodeOfCare"
        encounter.ledger.warn(at, "required", "No journey id that is a GUID.", "CORE-BND-08")
        return None


def read_call_times(encounter: Node) -> dict[str, datetime | None]:
    """BT start, T0 and T1 where CAD to CAD messages have them; else Encounter.period.start is T0 (APP4-VR-21)."""
    history = {entry.child("status").word: entry for entry in reversed(encounter.items("statusHistory"))}
    times: dict[str, datetime | None] = {}
    for status in ("planned", "arrived", "in-progress"):
        if status in history:
            times[status] = moment_of(history[status].child("period").child("start"))
            history[status].child("status").text()
    period_start = encounter.child("period").child("start")
    start = moment_of(period_start)
    if times.get("arrived") is None and start != times.get("in-progress"):
        times["arrived"] = start
    if start not in times.values():
        period_start.ledger.forget(period_start.path)  # a third time of its own: shown as sent
    return {
        "call_connect": times.get("arrived"),
        "call_answer": times.get("in-progress"),
        "bt_start": times.get("planned"),
    }


def mark_class(encounter: Node) -> None:
    """Mark the class that every Encounter here has; another one is shown as sent."""
    if encounter.child("class").child("code").word == "EMER":
        encounter.child("class").done()


def place_in(encounter: Node, location_url: str | None) -> Node:
    """The entry of Encounter.location for a Location; absent if there is none."""
    for place in encounter.items("location"):
        if location_url is not None and place.child("location").target() == location_url:
            return place
    return Node(None, f"{encounter.path}.location", encounter.ledger)
