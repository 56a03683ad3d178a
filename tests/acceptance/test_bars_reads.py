"""The BaRS reads: capability, definitions, and the requests that we hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.messages import validation_request
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, serving

NHS = "https://fhir.nhs.uk/Id/nhs-number"


@pytest_asyncio.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as service:
        yield service


async def _get(running: Running, path: str, *, headers: dict[str, str] | None = None) -> httpx.Response:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    answer = await running.client.get(f"{running.url}/FHIR/R4{path}", headers=ids | (headers or {}))
    if headers is None:
        assert answer.headers["X-Request-Id"] == ids["X-Request-Id"]
        assert answer.headers["X-Correlation-Id"] == ids["X-Correlation-Id"]
    assert answer.headers["content-type"] == "application/fhir+json"
    return answer


def _fault(answer: httpx.Response) -> tuple[int, str, str]:
    issue = answer.json()["issue"][0]
    return answer.status_code, issue["details"]["coding"][0]["code"], issue["code"]


@pytest.mark.req("CORE-CN-02", "CORE-CN-03", "CORE-ERR-META-01")
async def test_the_capability_statement_names_core_and_every_message_by_mode(running: Running) -> None:
    answer = await _get(running, "/metadata")
    assert answer.status_code == 200
    statement = answer.json()
    assert statement["resourceType"] == "CapabilityStatement"
    assert statement["version"].startswith("1.1.")
    supported = {(m["mode"], m["definition"].rpartition("/")[2]) for m in statement["messaging"][0]["supportedMessage"]}
    assert ("receiver", "bars-message-servicerequest-request-validation") in supported
    assert ("receiver", "bars-message-servicerequest-response-validation-full") in supported
    assert ("sender", "bars-message-servicerequest-request-validation") in supported


@pytest.mark.req("CORE-ERR-META-04", "CORE-VER-04", "CORE-ERR-GEN-09")
@pytest.mark.parametrize("accept", ["application/fhir+json; version=9.0.0", "text/plain"])
async def test_a_version_or_type_that_is_not_served_is_not_acceptable(running: Running, accept: str) -> None:
    assert _fault(await _get(running, "/metadata", headers={"Accept": accept})) == (
        406,
        "REC_NOT_ACCEPTABLE",
        "processing",
    )


@pytest.mark.req("CORE-ERR-META-01", "CORE-ERR-MD-06")
async def test_a_read_without_an_id_is_invalid(running: Running) -> None:
    answer = await running.client.get(f"{running.url}/FHIR/R4/metadata", headers={"X-Request-Id": str(uuid4())})
    assert _fault(answer) == (400, "REC_BAD_REQUEST", "invalid")


@pytest.mark.req("CORE-ERR-MD-07", "CORE-ERR-GEN-02")
async def test_a_read_with_an_id_that_is_no_uuid_has_a_bad_value(running: Running) -> None:
    answer = await running.client.get(
        f"{running.url}/FHIR/R4/metadata", headers={"X-Request-Id": "abc", "X-Correlation-Id": str(uuid4())}
    )
    assert _fault(answer) == (400, "REC_BAD_REQUEST", "value")


@pytest.mark.req("CORE-CN-07", "CORE-CN-13", "CORE-CN-14")
@pytest.mark.parametrize("context", [OUR_CAS, OUR_CAS.rpartition("|")[2]])
async def test_a_service_serves_the_definitions_of_what_it_takes(running: Running, context: str) -> None:
    answer = await _get(running, f"/MessageDefinition?context={httpx.QueryParams({'x': context})['x']}")
    bundle = answer.json()
    assert bundle["type"] == "searchset"
    names = {entry["resource"]["url"].rpartition("/")[2] for entry in bundle["entry"]}
    assert names == {
        "bars-message-servicerequest-request-validation",
        "bars-message-servicerequest-request-cancelled",
    }


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        pytest.param("", (400, "REC_BAD_REQUEST", "required"), marks=pytest.mark.req("CORE-ERR-MD-02")),
        pytest.param("?context=||", (400, "REC_BAD_REQUEST", "invalid"), marks=pytest.mark.req("CORE-ERR-MD-03")),
        pytest.param("?context=urn:x|1", (400, "REC_BAD_REQUEST", "value"), marks=pytest.mark.req("CORE-ERR-MD-04")),
        pytest.param(
            "?context=999",
            (404, "REC_NOT_FOUND", "not-found"),
            marks=pytest.mark.req("CORE-ERR-MD-05", "CORE-CN-15"),
        ),
    ],
)
async def test_what_cannot_be_answered_about_definitions(
    running: Running, query: str, fault: tuple[int, str, str]
) -> None:
    assert _fault(await _get(running, f"/MessageDefinition{query}")) == fault


async def _held(running: Running) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = await running.post_message(validation_request(destination=OUR_CAS))
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    request = next(e["resource"] for e in entries if e["resource"]["resourceType"] == "ServiceRequest")
    case = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"][0]
    return request, case


@pytest.mark.req("CORE-WF-14", "CORE-ERR-SR-10")
async def test_a_held_request_is_read_by_the_id_we_issued_and_found_by_its_patient(running: Running) -> None:
    request, case = await _held(running)
    read = await _get(running, f"/ServiceRequest/{request['id']}")
    assert read.status_code == 200
    assert read.json() == request
    number = case["content"]["patient"]["nhs_number"]["value"]
    found = await _get(running, f"/ServiceRequest?patient:identifier={NHS}|{number}")
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [request["id"]]
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    posted = await running.client.post(
        f"{running.url}/FHIR/R4/ServiceRequest/_search", data={"patient:identifier": f"{NHS}|{number}"}, headers=ids
    )
    assert posted.json()["entry"] == found.json()["entry"]


async def test_a_request_that_has_ended_reads_as_completed(running: Running) -> None:
    request, case = await _held(running)
    rejection = {"code": "OTH", "text": "No capacity"}
    rejected = await running.api("POST", f"/cases/{case['id']}/reject", key=CLINICIAN_KEY, json=rejection)
    assert rejected.status_code == 200
    assert (await _get(running, f"/ServiceRequest/{request['id']}")).json()["status"] == "completed"


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        pytest.param("/ServiceRequest/123", (400, "REC_BAD_REQUEST", "value"), marks=pytest.mark.req("CORE-ERR-SR-03")),
        pytest.param(
            "/ServiceRequest/5f6f0c0e-0000-4000-8000-000000000000",
            (404, "REC_NOT_FOUND", "not-found"),
            marks=pytest.mark.req("CORE-ERR-SR-04"),
        ),
        pytest.param("/ServiceRequest", (400, "REC_BAD_REQUEST", "required"), marks=pytest.mark.req("CORE-ERR-SR-06")),
        pytest.param("/ServiceRequest/", (400, "REC_BAD_REQUEST", "required"), marks=pytest.mark.req("CORE-ERR-SR-02")),
        pytest.param(
            "/ServiceRequest?patient:identifier=4857773456",
            (400, "REC_BAD_REQUEST", "value"),
            marks=pytest.mark.req("CORE-ERR-SR-08"),
        ),
        pytest.param(
            "/Slot",
            (501, "REC_NOT_IMPLEMENTED", "not-supported"),
            marks=pytest.mark.req("CORE-ERR-OUT-01", "CORE-ERR-GEN-14"),
        ),
        pytest.param("/Nothing", (404, "REC_NOT_FOUND", "not-found")),
        pytest.param("/$process-message", (405, "REC_METHOD_NOT_ALLOWED", "not-supported")),
    ],
)
async def test_what_cannot_be_read(running: Running, path: str, fault: tuple[int, str, str]) -> None:
    assert _fault(await _get(running, path)) == fault


NOT_FOUND = (404, "REC_NOT_FOUND", "not-found")
BAD_VALUE = (400, "REC_BAD_REQUEST", "value")
UNREAD = {
    "": NOT_FOUND,
    "/slot": NOT_FOUND,
    "/METADATA": NOT_FOUND,
    "/MessageDefinition/x": NOT_FOUND,
    "/ServiceRequest/5f6f0c0e-0000-4000-8000-000000000000/_history": NOT_FOUND,
    f"/ServiceRequest?patient:identifier={NHS}|%00": BAD_VALUE,
    "/ServiceRequest?ServiceRequest.identifier=a|%00": BAD_VALUE,
    f"/ServiceRequest?patient:identifier={NHS}|1&patient:identifier={NHS}|2": BAD_VALUE,
}
METHODS = {
    ("GET", "/$process-message"): "POST",
    ("HEAD", "/$process-message"): "POST",
    ("OPTIONS", "/metadata"): "GET, HEAD",
    ("TRACE", "/metadata"): "GET, HEAD",
    ("POST", "/MessageDefinition"): "GET, HEAD",
    ("POST", "/ServiceRequest"): "GET, HEAD",
    ("PATCH", "/ServiceRequest/5f6f0c0e-0000-4000-8000-000000000000"): "GET, HEAD",
    ("PUT", "/ServiceRequest/_search"): "POST",
}
FORM = "application/x-www-form-urlencoded"
NO_FORM = (415, "REC_UNSUPPORTED_MEDIA_TYPE", "not-supported")
FORMS = {
    ("multipart/form-data", b"x"): NO_FORM,
    ("multipart/form-data; boundary=a", b"--a\r\nx"): NO_FORM,
    ("application/json", b"{}"): NO_FORM,
    (FORM, b"\xff"): (400, "REC_BAD_REQUEST", "invalid"),
    (FORM, b"a=b&" * 2000): (400, "REC_BAD_REQUEST", "invalid"),
    (FORM, b"a=b"): (400, "REC_BAD_REQUEST", "required"),
    (FORM, b"a" * 70_000): (422, "REC_UNPROCESSABLE_ENTITY", "too-costly"),
}


async def _call(running: Running, method: str, path: str, **more: Any) -> httpx.Response:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    headers = ids | more.pop("headers", {})
    answer = await running.client.request(method, f"{running.url}/FHIR/R4{path}", headers=headers, **more)
    assert {name: answer.headers[name] for name in ids} == ids, (method, path)
    assert answer.headers["content-type"] == "application/fhir+json", (method, path)
    return answer


@pytest.mark.req("CORE-ERR-01", "CORE-ERR-OUT-01")
async def test_every_address_and_every_method_has_an_answer_in_fhir(running: Running) -> None:
    assert {path: _fault(await _get(running, path)) for path in UNREAD} == UNREAD
    refused = {asked: await _call(running, *asked) for asked in METHODS}
    assert {asked: answer.headers.get("Allow") for asked, answer in refused.items()} == METHODS
    assert {answer.status_code for answer in refused.values()} == {405}
    faults = {_fault(answer) for (method, _), answer in refused.items() if method != "HEAD"}
    assert faults == {(405, "REC_METHOD_NOT_ALLOWED", "not-supported")}
    for method, path in (("POST", "/Slot"), ("PROPFIND", "/Slot/1"), ("DELETE", "/Appointment/1")):
        assert _fault(await _call(running, method, path)) == (501, "REC_NOT_IMPLEMENTED", "not-supported")


@pytest.mark.req("CORE-HDR-16", "CORE-HDR-21")
async def test_head_is_get_without_a_body_and_a_slash_at_the_end_changes_nothing(running: Running) -> None:
    head = await _call(running, "HEAD", "/metadata")
    assert (head.status_code, head.content) == (200, b"")
    assert (await _get(running, "/metadata/")).json()["resourceType"] == "CapabilityStatement"
    assert (await _get(running, f"/MessageDefinition/?context={OUR_CAS}")).json()["type"] == "searchset"
    taken = await _call(running, "POST", "/$process-message/", json=validation_request(destination=OUR_CAS))
    assert taken.status_code == 200, taken.text


async def test_a_search_that_cannot_be_read(running: Running) -> None:
    found = {
        (kind, body): _fault(
            await _call(running, "POST", "/ServiceRequest/_search", content=body, headers={"Content-Type": kind})
        )
        for kind, body in FORMS
    }
    assert found == FORMS
