"""Who may call, and what a caller is told when something behind us fails: always an OperationOutcome with both ids."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from cad_bridge.engine.inbound import Inbound
from tests import messages
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, request_body, serving

Triple = tuple[int, str, str]
PROXY = {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": "CN=proxy"}
NOWHERE = "http://127.0.0.1:9"
READS = ("/metadata", f"/MessageDefinition?context={OUR_CAS}", f"/ServiceRequest/{uuid4()}")


def _inbound(**more: Any) -> dict[str, Any]:
    return {"base_url": NOWHERE, "inbound": {"proxy_address": "127.0.0.1", "subjects": ["CN=proxy"], **more}}


def _organisation(ods_code: str) -> dict[str, str]:
    identifier = [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": ods_code}]
    resource = {"resourceType": "Organization", "identifier": identifier}
    return {"NHSD-End-User-Organisation": base64.b64encode(json.dumps(resource).encode()).decode()}


def _ids() -> dict[str, str]:
    return {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}


def _is_fault(answer: httpx.Response, triple: Triple, ids: dict[str, str]) -> None:
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome", answer.text
    UUID(outcome["id"])
    issue = outcome["issue"][0]
    assert (answer.status_code, issue["details"]["coding"][0]["code"], issue["code"]) == triple, answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    assert {name: answer.headers[name] for name in ids} == ids


async def _read(running: Running, path: str, headers: dict[str, str]) -> httpx.Response:
    return await running.client.get(f"{running.url}/FHIR/R4{path}", headers=headers)


async def _receipts(running: Running) -> int:
    async with running.service.engine.database.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM receipts"))).scalar_one())


@pytest.mark.req("CORE-ERR-MD-08", "CORE-ERR-RT-20", "CORE-HDR-11")
@pytest.mark.parametrize(
    ("setting", "caller"),
    [
        ({"denied_organisations": ["RX9"]}, _organisation("RX9")),
        ({"denied_organisations": ["RX9"]}, _organisation("rx9")),
        ({"allowed_organisations": ["RX8"]}, _organisation("RX9")),
        ({"allowed_organisations": ["RX8"]}, {}),
    ],
    ids=["denied", "denied in small letters", "not among the allowed", "unnamed where only named ones may"],
)
async def test_an_organisation_that_is_shut_out(
    database_url: str, setting: dict[str, Any], caller: dict[str, str]
) -> None:
    triple = (401, "REC_UNAUTHORIZED", "security")
    async with serving(
        configuration(base_url=NOWHERE, bars=_inbound(**setting)), database_url, background=False
    ) as running:
        ids = _ids()
        bundle = messages.validation_request(destination=OUR_CAS)
        refused = await running.post_message(bundle, headers=ids | PROXY | caller)
        _is_fault(refused, triple, ids)
        for path in READS:
            _is_fault(await _read(running, path, ids | PROXY | caller), triple, ids)
        assert await _receipts(running) == 0
        again = await running.post_message(bundle, headers=ids | PROXY | _organisation("RX8"))
        assert again.status_code == 200, "a refused caller leaves its ids free"


@pytest.mark.req("CORE-ERR-MD-09", "CORE-ERR-RT-21")
@pytest.mark.parametrize(
    "shown",
    [{}, PROXY | {"X-SSL-Client-Verify": "FAILED"}, PROXY | {"X-SSL-Client-S-DN": "CN=somebody else"}],
    ids=["no certificate", "a chain that does not verify", "not on the list"],
)
async def test_a_caller_whose_certificate_is_not_good(database_url: str, shown: dict[str, str]) -> None:
    triple = (403, "REC_FORBIDDEN", "forbidden")
    async with serving(configuration(base_url=NOWHERE, bars=_inbound()), database_url, background=False) as running:
        ids = _ids()
        bundle = messages.validation_request(destination=OUR_CAS)
        _is_fault(await running.post_message(bundle, headers=ids | shown), triple, ids)
        for path in READS:
            _is_fault(await _read(running, path, ids | shown), triple, ids)
        assert (await running.post_message(bundle, headers=ids | PROXY)).status_code == 200


async def _post_pairs(running: Running, headers: list[tuple[str, str]]) -> httpx.Response:
    raw = json.dumps(messages.validation_request(destination=OUR_CAS))
    pairs = [*headers, ("Content-Type", "application/fhir+json")]
    return await running.client.post(f"{running.url}/FHIR/R4/$process-message", content=raw, headers=pairs)


async def test_a_header_that_is_said_twice_is_not_taken_for_either(database_url: str) -> None:
    """Whoever else reads the request, a proxy above all, may have taken the other one."""
    async with serving(configuration(base_url=NOWHERE, bars=_inbound()), database_url, background=False) as running:
        good = [*_ids().items(), *PROXY.items()]
        for forged in ("SUCCESS", "FAILED"):
            assert (await _post_pairs(running, [("X-SSL-Client-Verify", forged), *good])).status_code == 403
            assert (await _post_pairs(running, [*good, ("X-SSL-Client-Verify", forged)])).status_code == 403
        twice = await _post_pairs(running, [*good, ("X-Request-Id", str(uuid4()))])
        assert (twice.status_code, twice.json()["issue"][0]["code"]) == (400, "invalid")
        assert (await _post_pairs(running, good)).status_code == 200


@pytest.mark.req("CORE-ERR-MD-12")
async def test_during_maintenance_other_systems_are_told_to_come_back(database_url: str) -> None:
    """503 REC_UNAVAILABLE by DESIGN decision 15, where X-18 would write REC_SERVICE_UNAVAILABLE."""
    triple = (503, "REC_UNAVAILABLE", "transient")
    settings = configuration(base_url=NOWHERE, bars={"base_url": NOWHERE, "maintenance": True})
    async with serving(settings, database_url, background=False) as running:
        ids = _ids()
        bundle = messages.validation_request(destination=OUR_CAS)
        _is_fault(await running.post_message(bundle, headers=ids), triple, ids)
        for path in READS:
            _is_fault(await _read(running, path, ids), triple, ids)
        assert await _receipts(running) == 0
        assert (await running.api("GET", "/cases")).status_code == 200
        opened = await running.open_case()
        assert opened["state"] == "sent", "our own cases go on"


@pytest.mark.req("CORE-ERR-MD-11", "CORE-ERR-RT-24", "CORE-ERR-GEN-12")
async def test_something_that_nobody_expected(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        ids, bundle = _ids(), messages.validation_request(destination=OUR_CAS)
        secret = "a secret of the inside"

        async def breaks(_: object) -> None:
            raise ZeroDivisionError(secret)

        with monkeypatch.context() as broken:
            broken.setattr(Inbound, "act", breaks)
            answer = await running.post_message(bundle, headers=ids)
        _is_fault(answer, (500, "REC_SERVER_ERROR", "exception"), ids)
        assert secret not in answer.text
        assert (await running.post_message(bundle, headers=ids)).status_code == 200, "the retry is processed anew"


@pytest.mark.req("CORE-SYNC-06", "CORE-WF-07")
@pytest.mark.parametrize("fault", [OperationalError("", {}, Exception()), RuntimeError()])
async def test_a_200_is_never_given_without_its_case(
    database_url: str, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The commit itself fails, after everything was worked out."""
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        receiver = running.service.app.state.receiver

        async def fails(*_: object) -> None:
            raise fault

        with monkeypatch.context() as broken:
            broken.setattr(receiver, "_commit", fails)
            answer = await running.post_message(messages.validation_request(destination=OUR_CAS))
        assert answer.status_code == 500
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"] == []


@pytest.mark.req("CORE-ERR-RT-25", "CORE-WF-07", "CORE-ERR-01")
async def test_a_database_that_keeps_nothing_is_said_to_the_sender(database_url: str) -> None:
    triple = (500, "REC_SERVER_ERROR", "no-store")
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        ids = _ids()
        database = running.service.engine.database
        await _lose(database)
        answer = await running.post_message(messages.validation_request(destination=OUR_CAS), headers=ids)
        _is_fault(answer, triple, ids)
        _is_fault(await _read(running, f"/ServiceRequest/{uuid4()}", ids), triple, ids)


async def _lose(database: Any) -> None:
    """Every connection that is open ends, and every new one is refused."""
    await database.dispose()
    database.sync_engine.pool._creator = _refused


def _refused(*_: object, **__: object) -> None:
    raise OperationalError("", {}, ConnectionRefusedError())


@pytest.mark.req("CORE-ERR-01")
@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in pieces"])
async def test_a_body_beyond_any_message(database_url: str, announced: bool) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        ids, size = _ids(), 10 * 1024 * 1024 + 1

        async def pieces() -> Any:
            for _ in range(11):
                yield b" " * 1024 * 1024

        content = b" " * size if announced else pieces()
        url = f"{running.url}/FHIR/R4/$process-message"
        answer = await running.client.post(url, content=content, headers=ids)
        _is_fault(answer, (422, "REC_UNPROCESSABLE_ENTITY", "too-costly"), ids)


@pytest.mark.req("CORE-ERR-15")
async def test_who_sends_what_is_refused_stands_in_the_log(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        software = {"resourceType": "Device", "deviceName": [{"name": "Elsewhere CAD"}], "version": [{"value": "7.1"}]}
        encoded = base64.b64encode(json.dumps(software).encode()).decode()
        bundle = messages.validation_request(destination=OUR_CAS)
        bundle["type"] = "collection"
        headers = _ids() | _organisation("RX9") | {"NHSD-Requesting-Software": encoded}
        assert (await running.post_message(bundle, headers=headers)).status_code == 400
        (record,) = [r for r in caplog.records if r.getMessage() == "a message was refused"]
        told = vars(record)
        assert (told["status"], told["organisation"]) == (400, "RX9")
        assert told["software"] == ("Elsewhere CAD", "7.1")
        assert told["rules"] == ["CORE-BND-01"]


# --- the local API ---------------------------------------------------------------------------------------


async def test_a_body_or_query_that_says_a_name_twice_is_refused(database_url: str) -> None:
    """A JSON reader keeps the last of two values in silence: the other may be the right one."""
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        body = json.dumps(request_body())
        twice = body[:-1] + ', "incident_location": ' + json.dumps(request_body()["incident_location"]) + "}"
        for path, said in (
            ("/validation-requests", twice),
            ("/discovery", '{"lat": "53.8", "lon": "-1.5", "lat": "55.0"}'),
        ):
            answer = await running.api("POST", path, content=said, headers={"Content-Type": "application/json"})
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["message"].endswith("more than once")
        asked = await running.api("GET", "/cases", params=[("state", "sent"), ("state", "pending")])
        assert asked.json()["errors"] == [{"path": "query.state", "message": "is there more than once"}]
        assert (await running.api("GET", "/cases")).json()["cases"] == []
        stranger = await running.api("POST", "/validation-requests", content=twice, key="nobody")
        assert stranger.status_code == 401
