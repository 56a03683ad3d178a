"""The endpoint catalogue as FHIR REST over real HTTP: who may what, versions, search, templates, import."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cad_bridge.clock import ManualClock
from cad_bridge.settings import key_digest
from tests.service import CAD_KEY, CLINICIAN_KEY, EOC, OUR_CAS, Running, configuration, serving
from tests.unit.discovery.catalogue.resources import (
    ODS,
    SERVICE_ID,
    endpoint,
    healthcare_service,
    organisation_reference,
    organization,
    without,
)

ADMIN_KEY = "test-admin-key"
BASE = "/catalogue/FHIR/R4"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Catalogue:
    """The catalogue of a running service, as an admin of RX8 or as somebody else."""

    def __init__(self, running: Running) -> None:
        self.running = running

    async def call(
        self, method: str, path: str, *, key: str = ADMIN_KEY, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        given = {"Authorization": f"Bearer {key}", "Accept": "application/fhir+json"} | (headers or {})
        return await self.running.client.request(method, f"{self.running.url}{BASE}{path}", headers=given, **more)

    async def put(self, resource: dict[str, Any], **more: Any) -> httpx.Response:
        return await self.call("PUT", f"/{resource['resourceType']}/{resource['id']}", json=resource, **more)


@asynccontextmanager
async def catalogue(database_url: str, *, clock: ManualClock | None = None) -> AsyncIterator[Catalogue]:
    config = configuration(base_url="http://127.0.0.1:9")
    admin = {"name": "admin", "key_sha256": key_digest(ADMIN_KEY), "services": [EOC], "roles": ["admin"]}
    config = configuration(
        base_url="http://127.0.0.1:9", client=[*(client.model_dump() for client in config.client), admin]
    )
    async with serving(config, database_url, clock=clock, background=False) as running:
        yield Catalogue(running)


def outcome(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, BaRS code and words of an OperationOutcome."""
    assert answer.headers["content-type"] == "application/fhir+json"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    issue = body["issue"][0]
    return answer.status_code, issue["details"]["coding"][0]["code"], issue["diagnostics"]


@pytest.mark.parametrize(
    "resource", [healthcare_service(), endpoint(), organization()], ids=lambda r: r["resourceType"]
)
async def test_a_resource_from_creation_to_deletion(database_url: str, resource: dict[str, Any]) -> None:
    kind = resource["resourceType"]
    clock = ManualClock(NOON)
    async with catalogue(database_url, clock=clock) as held:
        ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
        created = await held.call("POST", f"/{kind}", json=without(resource, "id"), headers=ids)
        assert created.status_code == 200
        assert created.headers["content-type"] == "application/fhir+json"
        assert {name: created.headers[name] for name in ids} == ids
        first = created.json()
        assert first["meta"] == {"versionId": "1", "lastUpdated": "2026-11-21T12:00:00+00:00"}
        assert {**first, "id": resource["id"]} == {**resource, "meta": first["meta"]}

        clock.advance(timedelta(hours=1))
        changed = await held.put({**first, "name": "Another name"})
        assert changed.status_code == 200
        assert changed.json()["meta"] == {"versionId": "2", "lastUpdated": "2026-11-21T13:00:00+00:00"}
        assert (await held.call("GET", f"/{kind}/{first['id']}")).json() == changed.json()

        clock.advance(timedelta(hours=1))
        unchanged = await held.put(changed.json())
        assert unchanged.json() == changed.json()

        gone = await held.call("DELETE", f"/{kind}/{first['id']}")
        assert gone.status_code == 200
        assert gone.json()["issue"][0]["details"]["coding"][0]["code"] == "OK"
        assert outcome(await held.call("GET", f"/{kind}/{first['id']}"))[:2] == (404, "REC_NOT_FOUND")
        assert (await held.call("GET", f"/{kind}")).json()["total"] == 0

        history = (await held.call("GET", f"/{kind}/{first['id']}/_history")).json()
        assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "PUT", "POST"]
        assert history["entry"][2]["resource"] == first
        again = await held.put({**resource, "id": first["id"]})
        assert (again.status_code, again.json()["meta"]["versionId"]) == (201, "4")
        assert again.headers["location"].endswith(f"{BASE}/{kind}/{first['id']}")


async def test_an_older_copy_does_not_overwrite_a_newer_one(database_url: str) -> None:
    clock = ManualClock(NOON)
    async with catalogue(database_url, clock=clock) as held:
        first = (await held.put(endpoint())).json()
        clock.advance(timedelta(minutes=1))
        second = (await held.put({**first, "status": "suspended"})).json()
        stale = await held.put({**first, "status": "off"})
        assert outcome(stale)[:2] == (409, "REC_CONFLICT")
        assert (await held.call("GET", "/Endpoint/endpoint-1")).json() == second


async def test_a_change_of_another_version_than_the_one_that_is_meant_is_refused(database_url: str) -> None:
    """If-Match, by the ETag of every answer about one resource."""
    async with catalogue(database_url) as held:
        first = await held.put(endpoint())
        assert first.headers["etag"] == 'W/"1"'
        second = await held.put(endpoint(status="suspended"), headers={"If-Match": 'W/"1"'})
        assert (second.status_code, second.headers["etag"]) == (200, 'W/"2"')
        for method, more in (("PUT", {"json": endpoint(status="off")}), ("DELETE", {})):
            stale = await held.call(method, "/Endpoint/endpoint-1", headers={"If-Match": '"1"'}, **more)
            assert outcome(stale)[:2] == (409, "REC_CONFLICT"), method
            unclear = await held.call(method, "/Endpoint/endpoint-1", headers={"If-Match": "latest"}, **more)
            assert outcome(unclear)[:2] == (400, "REC_BAD_REQUEST"), method
        absent = await held.put(endpoint(2), headers={"If-Match": 'W/"1"'})
        assert outcome(absent)[0] == 409
        read = await held.call("GET", "/Endpoint/endpoint-1")
        assert (read.json(), read.headers["etag"]) == (second.json(), 'W/"2"')
        gone = await held.call("DELETE", "/Endpoint/endpoint-1", headers={"If-Match": 'W/"2"'})
        assert gone.status_code == 200


async def test_a_resource_is_stored_as_it_came(database_url: str) -> None:
    """The order of elements, one-element arrays and CodeableConcepts of the published examples included."""
    odd = {
        "address": "https://bars.example.org/FHIR/R4",
        "resourceType": "Endpoint",
        "connectionType": {"coding": [{"system": "urn:kind", "code": "hl7-fhir-msg"}]},
        "payloadType": [{"coding": [{"system": "urn:payload", "code": "bars"}]}],
        "managingOrganization": [organisation_reference("RX8")],
        "identifier": [{"value": "1", "system": SERVICE_ID, "display": "Directory"}],
        "status": "active",
        "header": "public",
        "contained": [{"resourceType": "Basic", "amount": 1.50}],
    }
    async with catalogue(database_url) as held:
        made = (await held.call("POST", "/Endpoint", json=odd)).json()
        read = await held.call("GET", f"/Endpoint/{made['id']}")
        rest = {name: value for name, value in read.json().items() if name not in {"id", "meta"}}
        assert rest == odd
        assert list(rest) == ["resourceType", *(name for name in odd if name != "resourceType")]


# --- who may what --------------------------------------------------------------------------------------


async def test_nobody_without_a_key_reads_and_nobody_but_an_admin_writes(database_url: str) -> None:
    async with catalogue(database_url) as held:
        await held.put(endpoint())
        stranger = await held.call("GET", "/Endpoint", key="nobody")
        assert outcome(stranger)[:2] == (401, "REC_UNAUTHORIZED")
        assert stranger.headers["www-authenticate"] == "Bearer"
        for method, path, more in [
            ("POST", "/Endpoint", {"json": endpoint()}),
            ("PUT", "/Endpoint/endpoint-1", {"json": endpoint(status="off")}),
            ("DELETE", "/Endpoint/endpoint-1", {}),
            ("POST", "/Endpoint/$template", {"json": endpoint()}),
        ]:
            answer = await held.call(method, path, key=CAD_KEY, **more)
            assert outcome(answer)[:2] == (403, "REC_FORBIDDEN"), (method, path)
        read = await held.call("GET", "/Endpoint/endpoint-1", key=CAD_KEY)
        assert read.json()["status"] == "active"


async def test_only_the_owner_makes_changes_or_deletes(database_url: str) -> None:
    theirs = endpoint(managingOrganization=organisation_reference("RYE"))
    async with catalogue(database_url) as held:
        assert outcome(await held.put(theirs))[:2] == (403, "REC_FORBIDDEN")
        await held.put(endpoint())
        assert outcome(await held.put(theirs))[:2] == (403, "REC_FORBIDDEN")
        assert (await held.call("GET", "/Endpoint/endpoint-1")).json()["managingOrganization"] == (
            organisation_reference("RX8")
        )


def end_user(ods_code: str) -> dict[str, str]:
    """The header that names the organisation for which a client asks."""
    resource = {"resourceType": "Organization", "identifier": [{"system": ODS, "value": ods_code}]}
    return {"NHSD-End-User-Organisation": base64.b64encode(json.dumps(resource).encode()).decode()}


async def test_a_client_acts_for_its_own_organisations_only(database_url: str) -> None:
    async with catalogue(database_url) as held:
        assert (await held.put(endpoint(), headers=end_user("rx8"))).status_code == 201
        assert outcome(await held.put(endpoint(), headers=end_user("RYE")))[:2] == (403, "REC_FORBIDDEN")
        unreadable = await held.put(endpoint(), headers={"NHSD-End-User-Organisation": "RX8"})
        assert outcome(unreadable)[:2] == (400, "REC_BAD_REQUEST")


async def test_a_private_address_is_shown_to_its_owner_alone(database_url: str) -> None:
    async with catalogue(database_url) as held:
        await held.put(endpoint(header="private"))
        others = [{"name": "rye", "key_sha256": key_digest("rye"), "services": [OUR_CAS], "roles": ["auditor"]}]
        assert "address" in (await held.call("GET", "/Endpoint/endpoint-1", key=CAD_KEY)).json()
    config = configuration(base_url="http://127.0.0.1:9", client=others)
    services = [service.model_dump() for service in config.service]
    services[1]["ods_code"] = "RYE"
    config = configuration(base_url="http://127.0.0.1:9", client=others, service=services)
    async with serving(config, database_url, background=False) as running:
        held = Catalogue(running)
        for path in ("/Endpoint/endpoint-1", "/Endpoint/endpoint-1/_history", "/Endpoint"):
            answer = await held.call("GET", path, key="rye")
            assert answer.status_code == 200
            assert "bars-1.example.org" not in answer.text


# --- search and templates ------------------------------------------------------------------------------


def ids_of(answer: httpx.Response) -> list[str]:
    body = answer.json()
    entries = body.get("entry", [])
    assert body.get("entry") != [], "FHIR allows no empty array"
    assert (body["resourceType"], body["type"], body["total"]) == ("Bundle", "searchset", len(entries))
    return [entry["resource"]["id"] for entry in entries]


async def test_search_by_the_parameters_of_the_api(database_url: str) -> None:
    async with catalogue(database_url) as held:
        await held.put(healthcare_service())
        await held.put(healthcare_service("2000000012", endpoint=[{"reference": "Endpoint/endpoint-2"}]))
        await held.put(endpoint())
        await held.put(endpoint(2))
        await held.put(organization())

        async def search(kind: str, **params: str) -> list[str]:
            return ids_of(await held.call("GET", f"/{kind}", params=params))

        by_service = {"_has:HealthcareService.Identifier": f"{SERVICE_ID}|2000000012"}
        assert await search("Endpoint", **by_service) == ["endpoint-2"]
        assert await search("Endpoint", **{"_has:HealthcareService.Id": "service-2000000011"}) == ["endpoint-1"]
        assert await search("Endpoint", **{"Endpoint.identifier": "https://example.org/product|product-1"}) == [
            "endpoint-1"
        ]
        both = {
            "HealthcareService.providedBy": f"{ODS}|RX8",
            "HealthcareService.identifier": f"{SERVICE_ID}|2000000011",
        }
        assert await search("HealthcareService", **both) == ["service-2000000011"]
        assert await search("HealthcareService") == ["service-2000000011", "service-2000000012"]
        assert await search("Organization", identifier=f"{ODS}|RX8") == ["organisation-RX8"]


@pytest.mark.parametrize("params", [[("name", "x")], [("identifier", "")], [("identifier", "1"), ("Identifier", "2")]])
async def test_a_search_that_would_be_wider_than_meant_is_refused(
    database_url: str, params: list[tuple[str, str]]
) -> None:
    async with catalogue(database_url) as held:
        assert outcome(await held.call("GET", "/Endpoint", params=params))[:2] == (400, "REC_BAD_REQUEST")


async def test_templates_live_beside_endpoints(database_url: str) -> None:
    async with catalogue(database_url) as held:
        await held.put(endpoint())
        made = (await held.call("POST", "/Endpoint/$template", json=without(endpoint(2), "id"))).json()
        kinds = {"ConnectionType": "hl7-fhir-msg", "PayloadType": "bars"}
        assert ids_of(await held.call("GET", "/Endpoint/$template", params=kinds)) == [made["id"]]
        assert ids_of(await held.call("GET", "/Endpoint")) == ["endpoint-1"]
        path = f"/Endpoint/{made['id']}/$template"
        put = await held.call("PUT", "/Endpoint/own-id/$template", json=without(endpoint(3), "id"))
        assert put.status_code == 201
        assert put.headers["location"].endswith("/Endpoint/own-id/$template")
        assert (await held.call("DELETE", "/Endpoint/own-id/$template")).status_code == 200
        changed = await held.call("PUT", path, json={**made, "name": "Better"})
        assert (changed.status_code, changed.json()["meta"]["versionId"]) == (200, "2")
        with_period = {**made, "period": {"start": "2026-01-01T00:00:00Z"}}
        assert outcome(await held.call("PUT", path, json=with_period))[0] == 400
        assert (await held.call("DELETE", path)).status_code == 200
        assert ids_of(await held.call("GET", "/Endpoint/$template")) == []


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "more", "code"),
    [
        ("POST", "/Endpoint", {"json": endpoint(status="perhaps")}, 400),
        ("POST", "/Endpoint", {"json": organization()}, 400),
        ("POST", "/Endpoint", {"json": endpoint(address="http://elsewhere.example.org")}, 400),
        ("POST", "/Endpoint", {"content": b'{"resourceType": "Endpoint", "resourceType": "Endpoint"}'}, 400),
        ("POST", "/Endpoint", {"content": b"[]"}, 400),
        ("PUT", "/Endpoint/another", {"json": endpoint()}, 400),
        ("PUT", "/Endpoint/with_underscore", {"json": endpoint()}, 400),
        ("GET", "/Endpoint/nobody", {}, 404),
        ("GET", "/Endpoint/nobody/_history", {}, 404),
        ("DELETE", "/Endpoint/nobody", {}, 404),
        ("GET", "/Patient", {}, 404),
        ("GET", "/nothing/of/the/kind", {}, 404),
        ("PATCH", "/Endpoint/endpoint-1", {}, 405),
    ],
)
async def test_refusals_are_operation_outcomes(
    database_url: str, method: str, path: str, more: dict[str, Any], code: int
) -> None:
    async with catalogue(database_url) as held:
        ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
        answer = await held.call(method, path, headers=ids, **more)
        assert outcome(answer)[0] == code
        assert {name: answer.headers[name] for name in ids} == ids


async def test_every_finding_is_named(database_url: str) -> None:
    async with catalogue(database_url) as held:
        answer = await held.call("POST", "/Endpoint", json=endpoint(status="perhaps", address="nowhere"))
        assert {issue["expression"][0] for issue in answer.json()["issue"]} == {"Endpoint.status", "Endpoint.address"}


# --- the view for people -------------------------------------------------------------------------------


async def test_the_services_are_listed_with_how_sending_goes(database_url: str) -> None:
    async with catalogue(database_url) as held:
        await held.put(healthcare_service("2000000099"))
        await held.put(endpoint())
        listed = (await held.running.api("GET", "/catalogue/services", key=CLINICIAN_KEY)).json()["services"]
        by_id = {service["service_id"]: service for service in listed}
        assert set(by_id) == {f"{SERVICE_ID}|2000000099", EOC, OUR_CAS, f"{SERVICE_ID}|2000000021"}
        found = by_id[f"{SERVICE_ID}|2000000099"]
        assert (found["ods_code"], found["use_cases"], found["active"], found["in_catalogue"]) == (
            "RX8",
            ["a6t1"],
            True,
            True,
        )
        assert found["health"]["state"] == "unknown"
        assert "address" not in json.dumps(listed)
        assert by_id[OUR_CAS]["use_cases"] == ["a4t1"]
        assert by_id[OUR_CAS]["in_catalogue"] is False
