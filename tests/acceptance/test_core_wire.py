"""Rules of Core seen from outside, with a message on the wire: responses too, spellings, offsets, ids everywhere."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests import messages
from tests.by_hand import RemoteCas, types_of
from tests.service import CLINICIAN_KEY, DOS, OUR_CAS, Running, configuration, serving

Bundle = dict[str, Any]
Triple = tuple[int, str, str]

INVARIANT: Triple = (400, "REC_BAD_REQUEST", "invariant")
UNSUPPORTED: Triple = (422, "REC_UNPROCESSABLE_ENTITY", "not-supported")
NOT_FOUND: Triple = (404, "REC_NOT_FOUND", "not-found")


@pytest_asyncio.fixture
async def running(database_url: str) -> AsyncIterator[Running]:
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as service:
        yield service


def _triple(answer: httpx.Response) -> Triple:
    issue = answer.json()["issue"][0]
    return answer.status_code, issue["details"]["coding"][0]["code"], issue["code"]


def _only(bundle: Bundle, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


def _in_header(**changes: Any) -> Callable[[Bundle], None]:
    return lambda bundle: _only(bundle, "MessageHeader").update(changes)


def _in_event(code: str) -> Callable[[Bundle], None]:
    return lambda bundle: _only(bundle, "MessageHeader")["eventCoding"].update(code=code)


def _version(value: str) -> Callable[[Bundle], None]:
    return lambda bundle: bundle["meta"].update(versionId=value)


def _second_header(bundle: Bundle) -> None:
    bundle["entry"].append(copy.deepcopy(bundle["entry"][0]) | {"fullUrl": f"urn:uuid:{uuid4()}"})


WRONG_RESPONSES: dict[str, tuple[Callable[[Bundle], object], Triple]] = {
    "no message": (lambda bundle: bundle.update(type="collection"), INVARIANT),
    "no version": (lambda bundle: bundle["meta"].pop("versionId"), INVARIANT),
    "a version that is not supported": (_version("9.9.9"), UNSUPPORTED),
    "two headers": (_second_header, INVARIANT),
    "a focus that is not there": (_in_header(focus=[{"reference": f"urn:uuid:{uuid4()}"}]), INVARIANT),
    "an event of nobody's": (_in_event("something-else"), INVARIANT),
    "no response": (lambda bundle: _only(bundle, "MessageHeader").pop("response"), INVARIANT),
    "an answer to nothing": (_in_header(response={"identifier": str(uuid4()), "code": "ok"}), NOT_FOUND),
    "no definition": (lambda b: _only(b, "MessageHeader").pop("definition"), (400, "REC_BAD_REQUEST", "required")),
    "an unknown definition": (_in_header(definition="https://fhir.nhs.uk/MessageDefinition/unknown"), UNSUPPORTED),
    "an endpoint of no form": (_in_header(source={"endpoint": "nowhere"}), (400, "REC_BAD_REQUEST", "value")),
}


@pytest.mark.req("CORE-MH-15")
async def test_a_response_is_held_to_the_rules_of_every_message(running: Running) -> None:
    case = await running.open_case()
    cas = await RemoteCas.of(running, case["id"])
    interim = cas.interim()
    found = {}
    for name, (change, _) in WRONG_RESPONSES.items():
        wrong = copy.deepcopy(interim)
        change(wrong)
        found[name] = _triple(await cas.post(wrong))
    assert found == {name: triple for name, (_, triple) in WRONG_RESPONSES.items()}
    for header, code in ({"X-Request-Id": ""}, "required"), ({"X-Correlation-Id": "abc"}, "invalid"):
        assert _triple(await running.post_message(interim, headers=header)) == (400, "REC_BAD_REQUEST", code)
    accept = {"Accept": "application/fhir+json; version=9.0.0"}
    assert (await running.post_message(interim, headers=accept)).status_code == 406
    assert "case.in_progress" not in await types_of(running, case["id"])
    given = str(uuid4())
    assert (await cas.post(interim, request_id=given)).status_code == 200
    assert "case.in_progress" in await types_of(running, case["id"])
    assert _triple(await cas.post(interim, request_id=given)) == (409, "REC_CONFLICT", "duplicate")


@pytest.mark.req("CORE-CN-09", "CORE-CN-10", "CORE-BND-07")
async def test_codes_in_capitals_in_any_order_and_times_of_another_zone_are_understood(running: Running) -> None:
    bundle = messages.validation_request(destination=OUR_CAS)
    request = _only(bundle, "ServiceRequest")
    codings = request["category"][0]["coding"]
    codings.reverse()
    for coding in codings:
        coding["code"] = coding["code"].upper()
    ends = datetime.fromisoformat(request["occurrencePeriod"]["end"])
    request["occurrencePeriod"]["end"] = ends.astimezone(timezone(timedelta(hours=2))).isoformat()
    answer = await running.post_message(bundle)
    assert answer.status_code == 200, answer.text
    (case,) = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
    assert case["use_case"] == "a4t1"
    assert datetime.fromisoformat(case["breach_at"]) == ends
    assert case["breach_at"].endswith("+00:00") or case["breach_at"].endswith("Z")


@pytest.mark.req("CORE-TI-02", "CORE-MH-04")
async def test_both_ids_are_on_every_answer(running: Running) -> None:
    good = messages.validation_request(destination=OUR_CAS)
    elsewhere = copy.deepcopy(good)
    receiver = _only(elsewhere, "MessageHeader")["destination"][0]["receiver"]["reference"]
    organisation = next(e["resource"] for e in elsewhere["entry"] if e["fullUrl"] == receiver)
    organisation["identifier"] = [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZZ9"}]
    unsupported = good | {"meta": {**good["meta"], "versionId": "9.9.9"}}
    not_ours = copy.deepcopy(good)
    _only(not_ours, "MessageHeader")["destination"][0]["endpoint"] = f"{DOS}|999"
    ids = {"X-Request-Id": str(uuid4()), "X-Correlation-Id": str(uuid4())}
    sent: list[tuple[int, Bundle | bytes, dict[str, str]]] = [
        (400, b"nothing", {}),
        (404, elsewhere, {}),
        (404, not_ours, {}),
        (406, good, {"Accept": "text/plain"}),
        (415, good, {"Content-Type": "text/plain"}),
        (422, unsupported, {}),
        (422, b"{}" + b" " * 1024 * 1024, {}),
        (200, good, {}),
        (409, good, {}),
    ]
    for status, body, more in sent:
        answer = await running.post_message(body, headers=ids | more)
        assert answer.status_code == status, answer.text
        assert {name: answer.headers[name] for name in ids} == ids, status
