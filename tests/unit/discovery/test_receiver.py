"""Choosing the receiver of an out-of-area referral, checking a named one, and a person's own choice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.discover import discover
from cad_bridge.discovery.query import DiscoveryQuery
from cad_bridge.discovery.receiver import (
    ManualChoiceError,
    ReceiverChoice,
    choose_receiver,
    confirm_needed,
    manual_choice,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entry(service_id: str, ods_code: str, **changes: Any) -> CatalogueEntry:
    given = {"name": ods_code, "address": f"https://{service_id}.example.org", "use_cases": frozenset({"a6t1"})}
    return CatalogueEntry(service_id=service_id, ods_code=ods_code, **{**given, **changes})


ENTRIES = (entry("a", "AAA"), entry("b", "BBB"), entry("b-aid", "BBB", use_cases=frozenset({"a6t3"})))


def at(easting: float, northing: float = 310_000, **more: Any) -> DiscoveryQuery:
    return DiscoveryQuery(easting=easting, northing=northing, crs="osgb", **more)


def choose(index: BoundaryIndex, query: DiscoveryQuery, entries: Any = ENTRIES, **more: Any) -> ReceiverChoice:
    return choose_receiver(query, index, entries=entries, **more)


def confirmations(choice: ReceiverChoice) -> list[str]:
    return [str(reason.code) for reason in choice.confirm]


@pytest.mark.req("APP6-REF-11")
def test_the_service_of_the_area_is_chosen_and_the_sender_sees_why(squares_index: BoundaryIndex) -> None:
    choice = choose(squares_index, at(417_000))
    assert choice.may_send
    assert choice.as_dict() == {
        "use_case": "a6t1",
        "service_id": "a",
        "discovery": discover(at(417_000), squares_index, entries=ENTRIES).as_dict(),
        "alternatives": [
            {"ods_code": "BBB", "name": "BBB Ambulance Service", "distance_m": 3000.0, "service_ids": ["b"]}
        ],
        "confirm": [],
    }
    assert choice.as_dict()["discovery"]["boundary_version"] == squares_index.version


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        (at(419_950), ["near-border"]),
        (at(417_000, uncertainty_m=4000.0), ["input-coarse"]),
        (at(410_000, 299_900), ["off-coast"]),
        (at(410_000, 320_150), ["off-coast", "near-border"]),
        (at(400_050), ["foreign-border"]),
    ],
)
def test_doubt_about_the_area_asks_a_person(
    squares_index: BoundaryIndex, query: DiscoveryQuery, reasons: list[str]
) -> None:
    choice = choose(squares_index, query)
    assert choice.chosen is not None
    assert choice.chosen.service_id == "a"
    assert confirmations(choice) == reasons
    assert not choice.may_send


@pytest.mark.parametrize("query", [at(500_000, 500_000), DiscoveryQuery(lat="-1.5", lon="53.8")])
def test_no_area_chooses_nothing(squares_index: BoundaryIndex, query: DiscoveryQuery) -> None:
    choice = choose(squares_index, query)
    assert choice.chosen is None
    assert confirmations(choice)[0] == "receiver-elsewhere"
    assert not choice.may_send


def test_an_area_without_a_service_for_the_use_case_chooses_nothing(squares_index: BoundaryIndex) -> None:
    for entries in ([], [entry("a", "AAA", status="suspended")], [entry("a", "AAA", use_cases=frozenset())]):
        choice = choose(squares_index, at(410_000), entries)
        assert (choice.chosen, confirmations(choice)) == (None, ["no-service"])


def test_two_services_are_not_chosen_between(squares_index: BoundaryIndex) -> None:
    choice = choose(squares_index, at(410_000), [entry("a", "AAA"), entry("a2", "AAA")])
    assert (choice.chosen, confirmations(choice)) == (None, ["several-services"])
    assert "a, a2" in choice.confirm[0].text


def test_the_use_case_decides_the_service(squares_index: BoundaryIndex) -> None:
    choice = choose(squares_index, at(430_000), use_case="a6t3")
    assert choice.chosen is not None
    assert choice.chosen.service_id == "b-aid"


def test_a_service_outside_its_period_is_not_chosen(squares_index: BoundaryIndex) -> None:
    later = [entry("a", "AAA", period_start=datetime(2027, 1, 1, tzinfo=UTC))]
    assert choose(squares_index, at(410_000), later, at=NOON).chosen is None
    assert choose(squares_index, at(410_000), later, at=datetime(2027, 1, 1, tzinfo=UTC)).chosen is not None


@pytest.mark.parametrize(
    ("receiver", "query", "reasons"),
    [
        ("AAA", at(410_000), []),
        (" aaa ", at(410_000), []),
        ("BBB", at(410_000), ["receiver-elsewhere"]),
        ("BBB", at(419_950), ["receiver-elsewhere", "near-border"]),
        ("AAA", at(419_950), ["near-border"]),
        ("AAA", at(500_000, 500_000), ["receiver-elsewhere", "outside-all"]),
        ("AAA", DiscoveryQuery(), ["receiver-elsewhere", "no-location"]),
    ],
)
def test_a_named_receiver_needs_confirmation_unless_its_area_surely_holds_the_place(
    squares_index: BoundaryIndex, receiver: str, query: DiscoveryQuery, reasons: list[str]
) -> None:
    answer = discover(query, squares_index)
    assert [str(reason.code) for reason in confirm_needed(receiver, answer)] == reasons


def test_a_manual_choice_is_recorded_with_what_it_overrules(squares_index: BoundaryIndex) -> None:
    answer = discover(at(419_950), squares_index)
    choice = manual_choice(
        "BBB",
        service_id="b",
        chosen_by=" D. Ispatcher ",
        chosen_at=NOON,
        reason=" house is past the bridge ",
        overruled=answer,
    )
    assert choice.as_dict() == {
        "ods_code": "BBB",
        "service_id": "b",
        "chosen_by": "D. Ispatcher",
        "chosen_at": "2026-11-21T12:00:00+00:00",
        "reason": "house is past the bridge",
        "overruled": answer.as_dict(),
    }


@pytest.mark.parametrize(
    "change", [{"reason": " "}, {"chosen_by": ""}, {"chosen_at": NOON.replace(tzinfo=None)}], ids=str
)
def test_a_manual_choice_needs_a_reason_a_name_and_a_time(squares_index: BoundaryIndex, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "service_id": None,
        "chosen_by": "D. Ispatcher",
        "chosen_at": NOON,
        "reason": "because",
        "overruled": discover(at(410_000), squares_index),
    }
    with pytest.raises(ManualChoiceError):
        manual_choice("BBB", **{**given, **change})
