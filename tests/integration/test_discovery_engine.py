"""Catalogue and discovery on a real database: concurrent writers, what overrules what, decisions in one commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from cad_bridge.discovery.catalogue.compose import resources_from_entries
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.imports import ImportedCatalogue
from cad_bridge.discovery.holder import BoundaryHolder
from cad_bridge.discovery.query import NO_SOURCES, DiscoveryQuery
from cad_bridge.discovery.receiver import ManualChoiceError
from cad_bridge.engine.catalogue import ENDPOINT, HEALTHCARE_SERVICE, Author, Catalogue, Configured
from cad_bridge.engine.discovery import Discovery
from cad_bridge.store import catalogue_health
from cad_bridge.store.database import connect
from tests.unit.discovery.catalogue.resources import SERVICE_ID, endpoint, healthcare_service, without
from tests.unit.discovery.ground import index

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPERATOR = Author(name="operator", organisations=None)
IN_AAA = DiscoveryQuery(easting="410001", northing="310001", crs="osgb")


def service(number: int, ods_code: str, **changes: object) -> CatalogueEntry:
    entry = CatalogueEntry(
        service_id=f"{SERVICE_ID}|{number}",
        ods_code=ods_code,
        name=f"Service {number}",
        address=f"https://bars-{number}.example.org",
        use_cases=frozenset({"a6t1"}),
    )
    return replace(entry, **changes)  # type: ignore[arg-type]


AAA, BBB = service(1, "AAA"), service(2, "BBB")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database_url, pool_size=5)
    yield engine
    await engine.dispose()


def catalogue(database: AsyncEngine, *entries: CatalogueEntry, **use_cases: frozenset[str]) -> Catalogue:
    configured = Configured(entries=entries, use_cases=use_cases)
    return Catalogue(database, now=lambda: NOW, new_id=uuid4, configured=configured)


async def take(held: Catalogue, *entries: CatalogueEntry) -> None:
    await held.take(ImportedCatalogue(entries, resources_from_entries(entries)), by=OPERATOR)


def discovery(held: Catalogue, *, operational: bool = True, is_real_site: bool = False) -> Discovery:
    return Discovery(
        boundaries=BoundaryHolder(index(operational=operational)),
        sources=NO_SOURCES,
        catalogue=held,
        now=lambda: NOW,
        new_id=uuid4,
        is_real_site=is_real_site,
    )


# --- the catalogue -------------------------------------------------------------------------------------


async def test_concurrent_changes_become_versions_one_after_the_other(database: AsyncEngine) -> None:
    held = catalogue(database)
    await held.replace(ENDPOINT, "endpoint-1", endpoint(), by=OPERATOR)
    changes = [held.replace(ENDPOINT, "endpoint-1", endpoint(name=f"Name {n}"), by=OPERATOR) for n in range(8)]
    stored = await asyncio.gather(*changes)
    assert sorted(item.resource["meta"]["versionId"] for item in stored) == [str(n) for n in range(2, 10)]
    assert [version.version for version in await held.history(ENDPOINT, "endpoint-1")] == list(range(9, 0, -1))


async def test_entries_are_joined_anew_only_after_a_change(database: AsyncEngine) -> None:
    held, other_node = catalogue(database), catalogue(database)
    await take(held, AAA)
    first = await other_node.entries()
    assert [entry.service_id for entry in first] == [AAA.service_id]
    assert await other_node.entries() is first
    await take(held, BBB)
    assert {entry.service_id for entry in await other_node.entries()} == {AAA.service_id, BBB.service_id}


async def test_the_configuration_speaks_where_the_catalogue_is_silent(database: AsyncEngine) -> None:
    held = catalogue(database, AAA, BBB)
    assert [entry.service_id for entry in await held.entries()] == [AAA.service_id, BBB.service_id]
    await take(held, replace(AAA, status="off"))
    known = {entry.service_id: entry.status for entry in await held.entries()}
    assert known == {AAA.service_id: "off", BBB.service_id: "active"}


async def test_use_cases_of_the_configuration_add_to_a_catalogue_that_names_none(database: AsyncEngine) -> None:
    held = catalogue(database, **{f"{SERVICE_ID}|2000000011": frozenset({"a6t1"})})
    await held.replace(
        HEALTHCARE_SERVICE, "service-1", without(healthcare_service(id="service-1"), "type"), by=OPERATOR
    )
    await held.replace(ENDPOINT, "endpoint-1", endpoint(), by=OPERATOR)
    (entry,) = await held.entries()
    assert (entry.use_cases, entry.address) == (frozenset({"a6t1"}), "https://bars-1.example.org/FHIR/R4")


async def test_a_time_that_goes_back_never_takes_last_updated_back(database: AsyncEngine) -> None:
    times = iter([NOW, NOW.replace(hour=11), NOW.replace(hour=10)])
    held = Catalogue(database, now=lambda: next(times), new_id=uuid4)
    await held.replace(ENDPOINT, "endpoint-1", endpoint(), by=OPERATOR)
    await held.delete(ENDPOINT, "endpoint-1", by=OPERATOR)
    again = await held.replace(ENDPOINT, "endpoint-1", endpoint(), by=OPERATOR)
    assert again.resource["meta"] == {"versionId": "3", "lastUpdated": NOW.isoformat()}


async def test_health_of_one_endpoint_is_counted_right_by_many_at_once(database: AsyncEngine) -> None:
    async def fail() -> None:
        async with database.begin() as connection:
            record = await catalogue_health.locked(connection, AAA.service_id)
            await catalogue_health.save(
                connection, replace(record, failures_since_success=record.failures_since_success + 1)
            )

    await asyncio.gather(*(fail() for _ in range(10)))
    (record,) = await catalogue_health.all_records(database)
    assert record.failures_since_success == 10


# --- discovery -----------------------------------------------------------------------------------------


@pytest.mark.req("APP6-REF-11")
async def test_the_receiver_is_the_service_of_the_area(database: AsyncEngine) -> None:
    asked = discovery(catalogue(database, AAA, BBB))
    choice = await asked.choose_receiver(IN_AAA)
    assert choice.may_send
    assert choice.chosen == AAA
    assert (await asked.answer(IN_AAA)).ast == choice.answer.ast


async def test_a_named_receiver_is_held_against_the_place(database: AsyncEngine) -> None:
    asked = discovery(catalogue(database, AAA, BBB))
    assert (await asked.check_receiver(AAA.service_id, IN_AAA)).may_send
    elsewhere = await asked.check_receiver(BBB.service_id, IN_AAA)
    assert elsewhere.chosen == BBB
    assert elsewhere.confirm[0].code == "receiver-elsewhere"
    unknown = await asked.check_receiver(f"{SERVICE_ID}|3", IN_AAA)
    assert unknown.chosen is None
    assert [reason.code for reason in unknown.confirm[:2]] == ["no-service", "receiver-elsewhere"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"use_cases": frozenset({"a4t1"})}, ["the named service is not known to take a6t1"]),
        ({"status": "suspended"}, ["the endpoint catalogue says that the named service takes no messages now"]),
        ({"use_cases": frozenset()}, []),
    ],
    ids=["another-use-case", "suspended", "nothing-known"],
)
async def test_a_named_receiver_that_may_not_take_it_is_told_before_it_is_sent(
    database: AsyncEngine, changes: dict[str, object], told: list[str]
) -> None:
    asked = discovery(catalogue(database, service(1, "AAA", **changes)))
    named = await asked.check_receiver(AAA.service_id, IN_AAA)
    assert [reason.text for reason in named.confirm] == told
    assert {reason.code for reason in named.confirm} <= {"no-service"}


@pytest.mark.parametrize(
    ("operational", "is_real_site", "may_send"), [(True, True, True), (False, False, True), (False, True, False)]
)
async def test_illustrative_boundaries_send_nothing_by_themselves_on_a_real_site(
    database: AsyncEngine, operational: bool, is_real_site: bool, may_send: bool
) -> None:
    asked = discovery(catalogue(database, AAA), operational=operational, is_real_site=is_real_site)
    chosen, named = await asked.choose_receiver(IN_AAA), await asked.check_receiver(AAA.service_id, IN_AAA)
    assert (chosen.may_send, named.may_send) == (may_send, may_send)
    assert [reason.code for reason in named.confirm] == ([] if may_send else ["illustrative"])


async def test_a_manual_choice_needs_a_reason_and_a_case(database: AsyncEngine) -> None:
    asked = discovery(catalogue(database, AAA, BBB))
    overruled = await asked.choose_receiver(IN_AAA)
    async with database.connect() as connection:
        with pytest.raises(ManualChoiceError):
            await asked.record_manual_choice(
                connection, uuid4(), overruled, service_id=BBB.service_id, by="Dee", reason=" "
            )
        decision = await asked.record_manual_choice(
            connection, uuid4(), overruled, service_id=BBB.service_id, by="Dee", reason="Agreed by phone"
        )
        assert (decision.ods_code, decision.how, decision.decided_at) == ("BBB", "manual", NOW)
        assert decision.answer["ast"]["ods_code"] == "AAA"
        # The case is looked for only at the end, so that it may be written after its decision; there must be one.
        with pytest.raises(IntegrityError):
            await connection.commit()
