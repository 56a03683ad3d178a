"""From a service id to an address, and from a trust to its services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cad_bridge.discovery.catalogue.entries import (
    CatalogueEntry,
    InactiveServiceError,
    SeveralAddressesError,
    UnknownServiceError,
    WithheldAddressError,
    resolve,
    services_for,
)
from cad_bridge.discovery.catalogue.health import EndpointHealth, EndpointState
from cad_bridge.discovery.catalogue.tokens import Token, matches, parse_token, same_identifier

ID = "https://fhir.nhs.uk/Id/dos-service-id|2000000011"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def entry(service_id: str = ID, **changes: Any) -> CatalogueEntry:
    given = {"ods_code": "RX8", "name": "x", "address": "https://one.example.org", "use_cases": frozenset({"a6t1"})}
    return CatalogueEntry(service_id=service_id, **{**given, **changes})


@pytest.mark.parametrize(
    "spelling",
    [
        ID,
        "http://fhir.nhs.uk/id/dos-service-id|2000000011",
        " https://fhir.nhs.uk/Id/dos-service-id | 2000000011 ",
        "|2000000011",
        "2000000011",
    ],
)
def test_a_service_is_resolved_however_its_id_is_spelt(spelling: str) -> None:
    assert resolve(spelling, [entry(), entry(f"{ID}9", address="https://two.example.org")]) == "https://one.example.org"


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ([], UnknownServiceError),
        ([entry("https://example.org/ids|2000000011")], UnknownServiceError),
        ([entry(status="suspended")], InactiveServiceError),
        ([entry(), entry(address="https://two.example.org")], SeveralAddressesError),
        ([entry(address=None)], WithheldAddressError),
        ([entry(), entry(address=None)], SeveralAddressesError),
    ],
)
def test_no_single_address_is_an_error(entries: list[CatalogueEntry], error: type[Exception]) -> None:
    with pytest.raises(error):
        resolve(ID, entries)


def test_one_address_twice_and_an_inactive_one_are_no_fault() -> None:
    entries = [entry(), entry(endpoint_id="again"), entry(address="https://old.example.org", status="off")]
    assert resolve(ID, entries) == "https://one.example.org"


def test_a_period_counts_from_its_start_to_before_its_end() -> None:
    limited = entry(period_start=NOON, period_end=NOON + timedelta(hours=1))
    times = [NOON - timedelta(seconds=1), NOON, NOON + timedelta(minutes=59), NOON + timedelta(hours=1)]
    assert [limited.is_active(at) for at in times] == [False, True, True, False]
    assert limited.is_active()
    with pytest.raises(InactiveServiceError):
        resolve(ID, [limited], at=times[0])


def test_services_of_a_trust_for_a_use_case() -> None:
    entries = [
        entry("s|3"),
        entry("s|1"),
        entry("s|1", endpoint_id="again"),
        entry("s|4", use_cases=frozenset({"a6t2"})),
        entry("s|5", ods_code="RX9"),
        entry("s|6", status="off"),
    ]
    assert [found.service_id for found in services_for("rx8", "A6T1", entries=entries)] == ["s|1", "s|3"]


@pytest.mark.parametrize(
    ("text", "token"),
    [
        ("s|v", Token("s", "v")),
        ("s|with|pipe|v", Token("s|with|pipe", "v")),
        ("v", Token("", "v")),
        ("|v", Token("", "v")),
        ("s|", Token("s", "")),
        (
            "HTTP://FHIR.NHS.UK/id/ods-organization-code|RX8",
            Token("https://fhir.nhs.uk/Id/ods-organization-code", "RX8"),
        ),
    ],
)
def test_tokens(text: str, token: Token) -> None:
    assert parse_token(text) == token
    assert parse_token(str(token)) == token


@pytest.mark.parametrize(
    ("wanted", "held", "does"),
    [
        ("s|v", "s|v", True),
        ("s|v", "t|v", False),
        ("S|v", "s|v", False),
        ("s|V", "s|v", False),
        ("v", "s|v", True),
        ("s|", "s|v", True),
        ("t|", "s|v", False),
        ("|", "s|v", False),
        ("https://fhir.nhs.uk/id/product-id|p", "http://fhir.nhs.uk/Id/product-id|p", True),
    ],
)
def test_token_search(wanted: str, held: str, does: bool) -> None:
    assert matches(parse_token(wanted), parse_token(held)) is does


def test_two_identifiers_without_systems_are_one_by_value() -> None:
    assert same_identifier(Token("", "v"), Token("", "v"))
    assert not same_identifier(Token("", "v"), Token("", "w"))


def test_health_follows_the_latest_attempt() -> None:
    health = EndpointHealth(service_id=ID)
    assert health.state is EndpointState.UNKNOWN
    failing = health.failed(NOON, why="503").failed(NOON + timedelta(minutes=1), why="timeout")
    assert (failing.state, failing.failures_since_success, failing.last_failure) == (
        EndpointState.FAILING,
        2,
        "timeout",
    )
    working = failing.succeeded(NOON + timedelta(minutes=2))
    assert (working.state, working.failures_since_success) == (EndpointState.WORKING, 0)
    assert working.last_failure_at == NOON + timedelta(minutes=1)


def test_attempts_reported_late_change_no_state() -> None:
    failing = EndpointHealth(service_id=ID).failed(NOON, why="503").succeeded(NOON - timedelta(minutes=1))
    assert (failing.state, failing.last_success_at) == (EndpointState.FAILING, NOON - timedelta(minutes=1))
    working = EndpointHealth(service_id=ID).succeeded(NOON)
    assert working.failed(NOON - timedelta(minutes=1), why="503") == working
