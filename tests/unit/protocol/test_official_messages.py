"""Every published message of Applications 3, 4 and 6 falls under the row that the specification has for it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, OwnEncounters
from cad_bridge.fhir.facts import Facts, focus_encounter, read_facts
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import RESPONSE, check_definition, definition_for
from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.receive import Accepted, ReceiveContext, receive
from cad_bridge.protocol.services import LocalService, Role, Site, Software
from cad_bridge.workflow.vocabulary import UseCase
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


REQUESTER, RESPONDER = f"{systems.SERVICE_ID}|2222222222", f"{systems.SERVICE_ID}|111111111"
OWN_ROLES = {"a3t1": Role.CAS, "a4t1": Role.CAS, "a4t2": Role.FALLS, "a6t1": Role.AST, "a6t3": Role.AST}


def own_service(facts: Facts) -> LocalService:
    """The service of the published series that receives the message."""
    response = facts.event == RESPONSE
    return LocalService(
        id=REQUESTER if response else RESPONDER,
        ods_code="RND" if response else "RYE",
        name="Receiver of the series",
        role=Role.AST if response else OWN_ROLES[facts.use_case or ""],
        use_cases=frozenset(UseCase),
    )


def received(name: str) -> Accepted | Refused:
    """The published message through every check, at the service that the series means it for."""
    facts = read_facts(published(name))
    service = own_service(facts)
    site = Site(services={service.id: service}, remotes={}, software=Software(name="x", version="1", instance="i"))
    asked = KnownConversation(
        case_id=UUID(int=1),
        own_service=REQUESTER,
        remote_service=RESPONDER,
        correlation_id=str(UUID(int=2)),
        own_encounters=REQUESTERS_NUMBER,
    )
    return receive(
        json.dumps(published(name)).encode(),
        headers=RequestHeaders(request_id=str(UUID(int=3)), correlation_id=str(UUID(int=2))),
        context=ReceiveContext(site=site),
        conversations=[asked] if facts.event == RESPONSE else [],
    )


@needs_shared
@pytest.mark.req("CORE-MH-15")
@pytest.mark.parametrize("name", [name for name in ROWS if name != "servreq02"])
def test_a_published_message_is_accepted_with_its_defects_noted(name: str) -> None:
    result = received(name)
    assert isinstance(result, Accepted), list(getattr(result, "issues", ()))
    assert result.row.id == ROWS[name]
    noted = {issue.rule for issue in result.warnings}
    assert ("V4" in noted) == name.startswith("valresp")
    assert result.foreign == name.startswith("refresp")
    assert ("X-38" in noted) == name.startswith("refresp")


@needs_shared
@pytest.mark.req("CORE-CAN-10")
def test_the_published_delete_without_definition_is_refused() -> None:
    result = received("servreq02")
    assert isinstance(result, Refused)
    assert (result.fault.http_status, [issue.code for issue in result.issues]) == (400, ["required", "invariant"])
