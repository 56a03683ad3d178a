"""A message that cannot be taken gets a precise answer, leaves no case, and is kept for audit."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from tests import messages
from tests.service import CLINICIAN_KEY, DOS, OUR_CAS, Running, configuration, serving

Bundle = dict[str, Any]
Triple = tuple[int, str, str]
INVARIANT: Triple = (400, "REC_BAD_REQUEST", "invariant")


@pytest_asyncio.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as service:
        yield service


def _header(bundle: Bundle) -> dict[str, Any]:
    return _only(bundle, "MessageHeader")


def _only(bundle: Bundle, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


def _without(kind: str) -> Callable[[Bundle], None]:
    def change(bundle: Bundle) -> None:
        bundle["entry"] = [e for e in bundle["entry"] if e["resource"]["resourceType"] != kind]

    return change


def _type(value: str) -> Callable[[Bundle], None]:
    return lambda bundle: bundle.update(type=value)


def _version(value: str | None) -> Callable[[Bundle], None]:
    def change(bundle: Bundle) -> None:
        bundle["meta"].pop("versionId", None)
        if value is not None:
            bundle["meta"]["versionId"] = value

    return change


def _event(code: str) -> Callable[[Bundle], None]:
    return lambda bundle: _header(bundle)["eventCoding"].update(code=code)


def _destination(endpoint: str) -> Callable[[Bundle], None]:
    return lambda bundle: _header(bundle)["destination"][0].update(endpoint=endpoint)


def _definition(name: str) -> Callable[[Bundle], None]:
    return lambda bundle: _header(bundle).update(definition=f"https://fhir.nhs.uk/MessageDefinition/{name}")


def _use_case(code: str) -> Callable[[Bundle], None]:
    def change(bundle: Bundle) -> None:
        for coding in _only(bundle, "ServiceRequest")["category"][0]["coding"]:
            if "usecases" in coding["system"]:
                coding["code"] = code

    return change


def _status(value: str) -> Callable[[Bundle], None]:
    return lambda bundle: _only(bundle, "ServiceRequest").update(status=value)


def _encounter(value: str) -> Callable[[Bundle], None]:
    return lambda bundle: _only(bundle, "Encounter").update(status=value)


def _focus(bundle: Bundle) -> None:
    _header(bundle)["focus"] = [{"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}]


def _no_breach(bundle: Bundle) -> None:
    _only(bundle, "ServiceRequest")["occurrencePeriod"].pop("end")


def _no_phone(bundle: Bundle) -> None:
    for contact in _only(bundle, "Patient").get("contact", []):
        contact["telecom"] = [{"system": "email", "value": "a@example.org", "rank": 1}]


def _case(change: Callable[[Bundle], None], triple: Triple, *ids: str, name: str) -> Any:
    return pytest.param(change, triple, marks=pytest.mark.req(*ids), id=name)


UNSUPPORTED: Triple = (422, "REC_UNPROCESSABLE_ENTITY", "not-supported")
NOT_FOUND: Triple = (404, "REC_NOT_FOUND", "not-found")


@pytest.mark.req("HAZ-GEN-03")
@pytest.mark.parametrize(
    ("change", "triple"),
    [
        _case(_type("collection"), INVARIANT, "CORE-BND-01", name="bundle is no message"),
        _case(_without("MessageHeader"), INVARIANT, "CORE-MH-01", name="no MessageHeader"),
        _case(_focus, INVARIANT, "CORE-MH-09", name="focus names no entry"),
        _case(_version(None), INVARIANT, "CORE-VER-06", "CORE-ERR-PM-06", name="no version"),
        _case(_version("9.9.9"), UNSUPPORTED, "CORE-VER-07", "CORE-ERR-PM-07", name="version not supported"),
        _case(_destination(f"{DOS}|999"), NOT_FOUND, "CORE-MH-05", name="not our service"),
        _case(_event("booking-response"), INVARIANT, "CORE-ERR-PM-10", "CORE-MH-07", name="booking response"),
        _case(_event("servicerequest-response"), INVARIANT, "CORE-MH-13", "CORE-ERR-PM-08", name="answers nothing"),
        _case(_definition("unknown"), UNSUPPORTED, "CORE-MH-10", name="unknown definition"),
        _case(_use_case("a4t2"), UNSUPPORTED, "CORE-CN-08", name="use case of another service"),
        _case(_status("draft"), INVARIANT, "CORE-ERR-PM-04", name="request is not active"),
        _case(_encounter("cancelled"), INVARIANT, "CORE-MH-16", name="no row fits the Encounter"),
        _case(_without("CarePlan"), INVARIANT, "CORE-MH-11", name="no CarePlan"),
        _case(_without("Location"), INVARIANT, "APP-COM-09", name="no incident location"),
        _case(_no_breach, INVARIANT, "APP4-VR-04", name="no breach time"),
        _case(_no_phone, INVARIANT, "APP-COM-01", name="no phone"),
    ],
)
async def test_a_message_that_cannot_be_taken(
    running: Running, change: Callable[[Bundle], None], triple: Triple
) -> None:
    bundle = messages.validation_request(destination=OUR_CAS)
    change(bundle)
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    answer = await running.post_message(bundle, headers=ids)
    _is_outcome(answer, triple)
    assert {name: answer.headers[name] for name in ids} == ids
    await _no_case_but_the_bytes(running, json.dumps(bundle).encode())


def _is_outcome(answer: httpx.Response, triple: Triple) -> None:
    """The whole shape of an error, in full (CORE-ERR-01 to CORE-ERR-11)."""
    outcome = answer.json()
    assert (answer.status_code, outcome["resourceType"]) == (triple[0], "OperationOutcome"), answer.text
    assert answer.headers["content-type"] == "application/fhir+json"
    UUID(outcome["id"])
    assert outcome["meta"]["profile"] == ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-OperationOutcome"]
    issue = outcome["issue"][0]
    coding = issue["details"]["coding"][0]
    assert coding["system"] == "https://fhir.nhs.uk/CodeSystem/http-error-codes"
    assert (coding["code"], issue["code"]) == triple[1:], answer.text
    assert coding["display"] == f"{triple[0]} - {triple[1]}"
    assert issue["severity"] == "error"
    assert issue["diagnostics"].startswith("RX8")


async def _no_case_but_the_bytes(running: Running, raw: bytes) -> None:
    assert (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"] == []
    async with running.service.engine.database.connect() as connection:
        rows = (await connection.execute(text("SELECT body, status, case_id FROM messages"))).all()
    assert [(bytes(row.body), row.case_id) for row in rows] == [(raw, None)]
    assert rows[0].status >= 400


@pytest.mark.req("CORE-BND-12", "CORE-ERR-02", "CORE-ERR-03")
async def test_all_findings_of_a_stage_come_at_once_and_hold_no_value(running: Running) -> None:
    bundle = messages.validation_request(destination=OUR_CAS)
    canary = "Zebedee-9990548609"
    _only(bundle, "Patient")["gender"] = canary
    _only(bundle, "Encounter")["status"] = canary
    answer = await running.post_message(bundle)
    assert answer.status_code == 400
    found = {issue["expression"][0] for issue in answer.json()["issue"]}
    assert any(path.endswith("gender") for path in found)
    assert any(path.endswith("status") for path in found)
    assert canary not in answer.text


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Correlation-Id"])
@pytest.mark.req("CORE-TI-03", "CORE-ERR-PM-02")
async def test_a_message_without_an_id_is_refused(running: Running, name: str) -> None:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4()), name: ""}
    answer = await running.post_message(messages.validation_request(destination=OUR_CAS), headers=ids)
    _is_outcome(answer, (400, "REC_BAD_REQUEST", "required"))


@pytest.mark.parametrize("name", ["X-Request-Id", "X-Correlation-Id"])
@pytest.mark.req("CORE-TI-04", "CORE-ERR-PM-01")
async def test_a_message_with_an_id_that_is_no_uuid_is_refused(running: Running, name: str) -> None:
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4()), name: "abc"}
    answer = await running.post_message(messages.validation_request(destination=OUR_CAS), headers=ids)
    _is_outcome(answer, (400, "REC_BAD_REQUEST", "invalid"))


def _b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


@pytest.mark.parametrize("target", ["%%%", _b64("abc"), _b64('{"system":"x"}')])
@pytest.mark.req("CORE-HDR-03")
async def test_a_target_that_cannot_be_read_is_refused(running: Running, target: str) -> None:
    headers = {"NHSD-Target-Identifier": target}
    answer = await running.post_message(messages.validation_request(destination=OUR_CAS), headers=headers)
    _is_outcome(answer, (400, "REC_BAD_REQUEST", "structure"))


@pytest.mark.parametrize("context", [None, "a9t9|wrong|wrong|wrong", "%%garbage%%"])
@pytest.mark.req("CORE-HDR-19", "CORE-HDR-12")
async def test_use_context_and_authorization_are_not_looked_at(running: Running, context: str | None) -> None:
    headers = {"use-context": context} if context is not None else {}
    answer = await running.post_message(messages.validation_request(destination=OUR_CAS), headers=headers)
    assert answer.status_code == 200


@pytest.mark.req("CORE-HDR-05", "CORE-HDR-21")
async def test_header_names_in_any_case_and_a_versioned_content_type(running: Running) -> None:
    raw = json.dumps(messages.validation_request(destination=OUR_CAS))
    headers = {
        "x-request-ID": str(uuid4()),
        "X-CORRELATION-ID": str(uuid4()),
        "content-type": "application/fhir+json;version=1.0.0",
    }
    answer = await running.client.post(f"{running.url}/FHIR/R4/$process-message", content=raw, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/fhir+json"


@pytest.mark.req("CORE-TI-29", "HAZ-H01-04")
async def test_the_same_bundle_id_does_not_make_a_message_a_duplicate(running: Running) -> None:
    first = messages.validation_request(destination=OUR_CAS, case_number="EMAS-1")
    second = messages.validation_request(destination=OUR_CAS, case_number="EMAS-2")
    second["id"] = first["id"]
    for bundle in (first, second):
        assert (await running.post_message(bundle)).status_code == 200
    assert len((await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]) == 2


@pytest.mark.req("CORE-HDR-14", "CORE-HDR-15")
async def test_an_answer_tells_nothing_of_the_server_beyond_http_and_the_ids(running: Running) -> None:
    answer = await running.post_message(messages.validation_request(destination=OUR_CAS))
    assert "server" not in answer.headers
    assert not re.search(r"uvicorn|python|fastapi", " ".join(answer.headers.values()), re.IGNORECASE)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.req("CORE-MH-14", "CORE-ERR-PM-09")
async def test_a_response_to_something_we_never_sent_is_not_found(running: Running) -> None:
    bundle = messages.validation_request(destination=OUR_CAS)
    _event("servicerequest-response")(bundle)
    _definition("bars-message-servicerequest-response-validation-interim")(bundle)
    _header(bundle)["response"] = {"identifier": str(uuid4()), "code": "ok"}
    _is_outcome(await running.post_message(bundle), NOT_FOUND)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"resourceType":"Bundle","resourceType":"Bundle"}', b'{"a":"\xff"}', b"[" * 5000],
    ids=["empty", "cut", "list", "null", "duplicate key", "bad UTF-8", "nested"],
)
@pytest.mark.req("CORE-ERR-08", "CORE-ERR-10")
async def test_what_is_no_message_at_all_is_refused_and_kept(running: Running, body: bytes) -> None:
    answer = await running.post_message(body)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "REC_BAD_REQUEST"
    assert "Traceback" not in answer.text
    await _no_case_but_the_bytes(running, body)
