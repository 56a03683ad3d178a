"""Every published message of Applications 3, 4 and 6 falls under the row that the specification has for it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, OwnEncounters
from cad_bridge.fhir.facts import focus_encounter, read_facts
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import RESPONSE, check_definition, definition_for
from tests.shared_material import SHARED, needs_shared

ROWS = {
    "refreq02": "DT-01",
    "refreq04": "DT-05",
    "refreq05": "DT-07",
    "refreq08a": "DT-05",
    "refreq08b": "DT-10a",
    "refreq08c": "DT-10a",
    "refreq08d": "DT-10a",
    "refreq09a": "DT-05",
    "refreq09b": "DT-10a",
    "refreq09c": "DT-10a",
    "servreq01": "DT-09",
    "servreq02": "DT-99",
    "valreq01": "DT-02",
    "valreq02": "DT-04",
    "valreq03": "DT-02",
    "valresp01a": "DT-11",
    "valresp01b": "DT-13",
    "valresp02": "DT-14",
    "valresp03": "DT-14",
    "valresp04": "DT-12",
    "valresp05": "DT-14",
    "refresp02": "DT-19",
    "refresp03": "DT-15",
}
REQUESTERS_NUMBER = OwnEncounters(identifiers=frozenset({("https://sender.url/Id/case-number", "sender1234")}))
"""How the requester of the published examples knows its Encounter; its fullUrl differs between two of the series."""


@cache
def published(name: str) -> dict[str, Any]:
    folder: Path = SHARED / "bars/examples"
    (path,) = [p for p in folder.glob("*/*.json") if p.name.startswith(f"{name}-") and p.parent.name != "resources"]
    bundle: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return bundle


@needs_shared
@pytest.mark.req("CORE-MH-16", "APP6-RSP-06", "CORE-CAN-09")
@pytest.mark.parametrize("name", ROWS)
def test_a_published_message_falls_under_its_row(name: str) -> None:
    facts = read_facts(published(name))
    own = REQUESTERS_NUMBER if facts.event == RESPONSE else NO_OWN_ENCOUNTERS
    assert decide_row(facts, own_encounters=own).row.id == ROWS[name]


@needs_shared
@pytest.mark.req("CORE-MH-11")
@pytest.mark.parametrize("name", [name for name in ROWS if name != "servreq02"])
def test_a_published_message_conforms_to_the_definition_it_cites_with_the_published_exceptions(name: str) -> None:
    facts = read_facts(published(name))
    assert definition_for(facts.definition) is not None
    assert check_definition(facts) == []


@needs_shared
def test_the_published_acknowledgement_may_carry_two_encounters() -> None:
    facts = read_facts(published("valresp01"))
    assert check_definition(facts, acknowledgement=True) == []
    assert [issue.is_error for issue in check_definition(facts)] == [True]


@needs_shared
@pytest.mark.parametrize("name", ["valresp01a", "valresp01b", "valresp02", "valresp03", "valresp04", "valresp05"])
def test_the_responders_encounter_is_found_without_knowing_ours(name: str) -> None:
    facts = read_facts(published(name))
    found = focus_encounter(facts)
    assert found is not None
    assert found.identifier_value == "receiver1234"


@needs_shared
def test_both_series_of_the_same_resource_ids_are_read_with_their_own_journey() -> None:
    journeys = {read_facts(published(name)).journey_id for name in ("refreq08a", "refreq09a", "valresp03")}
    assert journeys == {"d877b820-e72b-44d1-a627-195f54bfc606"}
