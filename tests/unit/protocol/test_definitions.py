from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from cad_bridge.fhir.facts import Facts
from cad_bridge.protocol import definitions as d
from cad_bridge.protocol.definitions import (
    DEFINITIONS,
    WORKFLOWS,
    MessageDefinition,
    check_definition,
    counts_of,
    definition_for,
    received_definitions,
)
from cad_bridge.workflow.vocabulary import Side, UseCase
from tests.shared_material import SHARED, needs_shared
from tests.unit.protocol.messages import facts

BY_NAME = {definition.name: definition for definition in DEFINITIONS}


def conforming(definition: MessageDefinition, **changes: int) -> Facts:
    """Facts whose counts are the least that the definition allows, with these changed."""
    counts = {name: low for name, (low, _) in counts_of(definition).items() if low}
    kept = {name: n for name, n in (counts | changes).items() if n}
    return facts(definition=definition.url, event=definition.event, reason="new", resource_counts=kept)


def found(issues: list[Any]) -> list[tuple[bool, str]]:
    return [(issue.is_error, issue.expression) for issue in issues]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=BY_NAME)
def test_the_least_that_a_definition_asks_for_conforms(definition: MessageDefinition) -> None:
    assert check_definition(conforming(definition)) == []
    assert check_definition(conforming(definition), strict=True) == []


@pytest.mark.req("CORE-MH-11", "HAZ-H06-02")
@pytest.mark.parametrize(
    ("definition", "name"),
    [(definition, name) for definition in DEFINITIONS for name, (low, _) in counts_of(definition).items() if low],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_whatever_a_definition_requires_is_missed(definition: MessageDefinition, name: str) -> None:
    issues = check_definition(conforming(definition, **{name: 0}))
    assert found(issues) == [(True, f"Bundle.entry.resource.ofType({name})")]
    assert (issues[0].code, issues[0].rule) == ("invariant", "CORE-MH-11")


@pytest.mark.req("CORE-MH-11")
@pytest.mark.parametrize("name", ["MessageHeader", "ServiceRequest", "Patient", "CarePlan", "Encounter"])
def test_two_where_it_would_be_open_which_one_counts_are_refused(name: str) -> None:
    issues = check_definition(conforming(BY_NAME["request-validation"], **{name: 2}))
    assert found(issues) == [(True, f"Bundle.entry.resource.ofType({name})")]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("name", "count"), [("Location", 2), ("HealthcareService", 2), ("Communication", 1)])
def test_more_than_listed_is_kept_and_refused_only_where_strict(name: str, count: int, strict: bool) -> None:
    issues = check_definition(conforming(BY_NAME["request-validation"], **{name: count}), strict=strict)
    assert found(issues) == [(strict, f"Bundle.entry.resource.ofType({name})")]


@pytest.mark.req("APP6-UPD-05")
@pytest.mark.parametrize("name", ["request-referral", "request-validation"])
def test_an_update_may_carry_two_encounters_and_a_new_request_may_not(name: str) -> None:
    counts = {"Encounter": 2}
    new = conforming(BY_NAME[name], **counts)
    update = facts(definition=new.definition, reason="update", resource_counts=new.resource_counts)
    assert [issue.is_error for issue in check_definition(new)] == [True]
    assert check_definition(update) == []
    assert check_definition(new, acknowledgement=True) == []
    accepted = {
        n
        for n in range(5)
        if not check_definition(
            facts(definition=new.definition, reason="update", resource_counts={**new.resource_counts, "Encounter": n})
        )
    }
    assert accepted == {1, 2}


def test_a_new_referral_needs_a_location_and_an_update_does_not() -> None:
    new = conforming(BY_NAME["request-referral"], Location=0)
    update = facts(definition=new.definition, reason="update", resource_counts=new.resource_counts)
    assert found(check_definition(new)) == [(True, "Bundle.entry.resource.ofType(Location)")]
    assert check_definition(update) == []
    assert all(check_definition(conforming(BY_NAME["request-referral"], Location=n)) == [] for n in (1, 2, 5))


@pytest.mark.req("APP4-VS-04", "APP4-VS-11", "APP6-RSP-07")
@pytest.mark.parametrize(
    ("name", "allowed"),
    [("response-validation-interim", {2}), ("response-validation-full", {2, 3}), ("response-referral-short", {2})],
)
def test_responses_carry_the_encounters_of_both_sides(name: str, allowed: set[int]) -> None:
    accepted = {n for n in range(5) if not check_definition(conforming(BY_NAME[name], Encounter=n))}
    assert accepted == allowed


def test_a_definition_of_the_other_event_is_refused() -> None:
    issues = check_definition(
        facts(event=d.RESPONSE, resource_counts=conforming(BY_NAME["request-validation"]).resource_counts)
    )
    assert found(issues) == [(True, "Bundle.entry.resource.ofType(MessageHeader).definition")]


@pytest.mark.parametrize("url", [None, "", "https://fhir.nhs.uk/MessageDefinition/other"])
def test_an_unknown_definition_is_none_and_is_not_judged_here(url: str | None) -> None:
    assert definition_for(url) is None
    assert check_definition(facts(definition=url)) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-response-referral-short",
        "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-response-short",
        "http://fhir.nhs.uk/messagedefinition/bars-message-servicerequest-response-referral-short ",
    ],
)
def test_a_definition_is_known_by_its_alias_and_other_spellings(url: str) -> None:
    assert definition_for(url) is BY_NAME["response-referral-short"]


@pytest.mark.req("CORE-CN-21")
def test_every_use_case_belongs_to_one_application() -> None:
    assert set(WORKFLOWS) == set(UseCase)
    assert {use_case: workflow.application for use_case, workflow in WORKFLOWS.items()} == {
        use_case: int(use_case[1]) for use_case in UseCase
    }


@pytest.mark.parametrize(
    ("use_case", "side", "names"),
    [
        ("a4t1", Side.RESPONDER, ["request-validation", "request-cancelled"]),
        ("a4t1", Side.REQUESTER, ["response-validation-interim", "response-validation-full"]),
        ("a3t1", Side.RESPONDER, ["request-referral", "request-cancelled"]),
        ("a3t1", Side.REQUESTER, []),
        ("a6t2", Side.RESPONDER, ["request-referral", "request-cancelled"]),
        ("a6t2", Side.REQUESTER, ["response-referral-short"]),
    ],
)
def test_each_side_receives_its_own_definitions(use_case: str, side: Side, names: list[str]) -> None:
    assert [definition.name for definition in received_definitions(UseCase(use_case), side)] == names


@pytest.mark.parametrize("definition", DEFINITIONS, ids=BY_NAME)
def test_the_versions_of_the_published_examples_are_supported(definition: MessageDefinition) -> None:
    assert all(version in definition.supported for version in ("1.0.0", "1.1.0", "1.0.0-beta", definition.version))
    assert not any(version in definition.supported for version in ("9.9.9", "1.0.0-alpha", "1.1.0-alpha"))


@needs_shared
@pytest.mark.parametrize("definition", DEFINITIONS, ids=BY_NAME)
def test_a_definition_is_the_published_one(definition: MessageDefinition) -> None:
    folder = SHARED / "bars/conformance/messagedefinition"
    artefacts = {a["url"]: a for a in (json.loads(p.read_text()) for p in folder.glob("*.json"))}
    artefact = artefacts[definition.url]
    assert (definition.version, definition.event) == (artefact["version"], artefact["eventCoding"]["code"])
    listed = Counter((f["code"], f["profile"], f["min"], f["max"]) for f in artefact["focus"])
    assert Counter((a.type, a.profile, a.min, a.max_text) for a in definition.resources) == listed
