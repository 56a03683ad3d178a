"""The small parts: service ids and headers, clocks, faults, journal, scripts, verdicts, malformations."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.__main__ import config_from
from cad_bridge.sandbox.actions import Complete, Defect, Malformed, Outcome, Start
from cad_bridge.sandbox.cases import CaseBook
from cad_bridge.sandbox.clock import ManualClock, ScaledClock
from cad_bridge.sandbox.faults import Fault, FaultKind, FaultScript
from cad_bridge.sandbox.identity import (
    DOS_SERVICE_ID,
    TargetError,
    decode_target,
    encode_target,
    is_uuid,
    split_service_id,
)
from cad_bridge.sandbox.journal import Journal
from cad_bridge.sandbox.malformations import malformed_body
from cad_bridge.sandbox.message import Message
from cad_bridge.sandbox.outcomes import RefusedError, operation_outcome
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.receiver import MessageLedger
from cad_bridge.sandbox.resources import without_dangling
from cad_bridge.sandbox.scenarios import DEMO_AST_PLANS, DEMO_CAS_PLANS, case_number, demo_ast_script, demo_cas_script
from cad_bridge.sandbox.sender import Verdict, read_verdict
from cad_bridge.sandbox.server import DEMO_CAS
from cad_bridge.sandbox.synthetic import PEOPLE, nhs_number_in_test_range
from cad_bridge.sandbox.validation_responses import final, interim
from tests.unit.sandbox.world import NOW, a_validation_request, until

SERVICE = f"{DOS_SERVICE_ID}|2000000021"
IDS = {"X-Request-Id": "r", "X-Correlation-Id": "c"}
part = st.text(min_size=1).filter(lambda text: "|" not in text)


@given(system=st.text(min_size=1), value=part)
def test_a_target_survives_its_header(system: str, value: str) -> None:
    assert decode_target(encode_target(f"{system}|{value}")) == f"{system}|{value}"


@given(st.text(max_size=40))
def test_a_header_that_is_no_base64_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(TargetError):
        decode_target(text + "%")


@pytest.mark.parametrize("service_id", ["2000000021", "|2000000021", f"{DOS_SERVICE_ID}|", ""])
def test_a_service_id_has_two_parts(service_id: str) -> None:
    with pytest.raises(ValueError, match=r"system\|value"):
        split_service_id(service_id)


@pytest.mark.parametrize("text", ["{6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10}", "6f1f3c1e0d4e4c529f0a3f7a3c9f5a10", "abc"])
def test_only_the_usual_form_is_a_uuid(text: str) -> None:
    assert not is_uuid(text)
    assert is_uuid("6f1f3c1e-0d4e-4c52-9f0a-3f7a3c9f5a10")


async def test_a_manual_clock_releases_in_order_of_due_times() -> None:
    clock = ManualClock(NOW)
    order: list[int] = []

    async def waiting(seconds: int) -> None:
        await clock.wait(seconds)
        order.append(seconds)

    tasks = [asyncio.create_task(waiting(seconds)) for seconds in (30, 10, 20)]
    await until(lambda: clock.waiting == 3)
    clock.advance(25)
    await until(lambda: len(order) == 2)
    assert (order, clock.waiting, clock.now()) == ([10, 20], 1, NOW + timedelta(seconds=25))
    tasks[0].cancel()
    clock.advance(10)
    assert order == [10, 20]


async def test_a_scaled_clock_reaches_times_of_day_and_skips_scaled_waits() -> None:
    clock = ScaledClock(0)
    due = clock.now() + timedelta(milliseconds=20)
    await clock.wait(3600)
    await clock.wait_until(due)
    assert clock.now() >= due
    with pytest.raises(ValueError, match="backwards"):
        ScaledClock(-1)


def test_clocks_and_instants_need_aware_times() -> None:
    with pytest.raises(ValueError, match="aware"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@given(st.lists(st.integers(min_value=1, max_value=4), max_size=6))
def test_each_fault_applies_as_often_as_it_says_and_in_order(times: list[int]) -> None:
    script = FaultScript()
    for place, count in enumerate(times):
        script.inject(SERVICE, Fault.answer(400 + place, times=count))
    met = [script.take(SERVICE, method="POST", body=b"") for _ in range(sum(times))]
    expected = [400 + place for place, count in enumerate(times) for _ in range(count)]
    assert [fault.status for fault in met if fault] == expected
    assert script.take(SERVICE, method="POST", body=b"") is None


def test_a_fault_lets_others_pass() -> None:
    script = FaultScript()
    script.inject(SERVICE, Fault.reset(method="GET"))
    script.inject(SERVICE, Fault.html(event="servicerequest-response"))
    assert script.take("other|1", method="GET", body=b"") is None
    assert script.take(SERVICE, method="POST", body=b"servicerequest-request") is None
    first = script.take(SERVICE, method="POST", body=b"a servicerequest-response")
    assert first is not None
    assert first.kind is FaultKind.HTML
    assert [fault.kind for fault in script.pending(SERVICE)] == [FaultKind.RESET]
    script.clear()
    assert script.pending(SERVICE) == ()


def test_faults_from_json() -> None:
    assert Fault.from_json({"kind": "delay", "seconds": 2.5}) == Fault.delay(2.5)
    with pytest.raises(ValueError, match="gremlins"):
        Fault.from_json({"kind": "gremlins"})
    with pytest.raises(ValueError, match="at least once"):
        Fault.drop_response(times=0)


def test_the_journal_is_bounded_and_numbered() -> None:
    journal = Journal(limit=2)
    for place in range(3):
        journal.record(
            at=NOW,
            method="POST",
            path="/",
            query="",
            service=SERVICE if place else None,
            request_headers={},
            request_body=b"\xff" if place == 2 else b"{}",
            status=None,
            response_headers={},
            response_body=b"",
            target_statuses=(),
            fault=None,
        )
    assert [entry.number for entry in journal.entries] == [2, 3]
    assert [entry.number for entry in journal.after(2)] == [3]
    assert len(journal.for_service(SERVICE)) == 2
    assert journal.entries[1].as_json()["request"]["body"] == {"encoding": "base64", "data": "/w=="}
    assert json.loads(json.dumps(journal.entries[0].as_json()))["request"]["body"]["data"] == "{}"


def test_the_newest_rule_that_fits_decides() -> None:
    script = Script(plans.silent())
    script.for_text("palpitations", plans.reject())
    script.for_case_number("YAS-*", plans.upgrade())
    request = Message(a_validation_request(SERVICE, case_number="YAS-7"))
    other = Message(a_validation_request(SERVICE, case_number="NWAS-7"))
    neither = Message(a_validation_request(SERVICE, case_number="NWAS-8", summary="Unwell"))
    neither.one("CarePlan")["activity"] = []
    assert [script.plan_for(message).name for message in (request, other, neither)] == [
        "upgrade:C2",
        "reject",
        "silent",
    ]


@pytest.mark.parametrize("story", [*DEMO_CAS_PLANS, *DEMO_AST_PLANS])
def test_case_numbers_of_the_demo_lead_to_their_plans(story: str) -> None:
    number = case_number(story, organisation="YAS", day="20261121", serial=42)
    request = Message(a_validation_request(SERVICE, case_number=number))
    by_story, script = (
        (DEMO_CAS_PLANS, demo_cas_script()) if story in DEMO_CAS_PLANS else (DEMO_AST_PLANS, demo_ast_script())
    )
    assert script.plan_for(request) is by_story[story]


def _answer(status: int, body: Any = None, *, ids: bool = True) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return httpx.Response(status, content=content, headers=IDS if ids else {})


def _outcome(status: int, code: str, issue: str) -> httpx.Response:
    return _answer(status, operation_outcome(status=status, code=code, issue=issue, diagnostics="x"))


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, Verdict.RETRY),
        (_answer(200), Verdict.DELIVERED),
        (_answer(200, ids=False), Verdict.RETRY),
        (_answer(502, b"<html>"), Verdict.RETRY),
        (_outcome(409, "REC_CONFLICT", "duplicate"), Verdict.DELIVERED),
        (_outcome(409, "REC_CONFLICT", "conflict"), Verdict.REFUSED),
        (_outcome(409, "REC_TIMEOUT", "timeout"), Verdict.RETRY),
        (_outcome(425, "REC_TOO_EARLY", "duplicate"), Verdict.RETRY),
        (_outcome(429, "SEND_TOO_MANY_REQUESTS", "throttled"), Verdict.RETRY),
        (_outcome(503, "SERVICE_UNAVAILABLE", "transient"), Verdict.RETRY),
        (_outcome(401, "SEND_UNAUTHORIZED", "expired"), Verdict.RENEW_TOKEN),
        (_outcome(400, "REC_BAD_REQUEST", "invariant"), Verdict.REFUSED),
        (_outcome(422, "REC_UNPROCESSABLE_ENTITY", "not-supported"), Verdict.REFUSED),
    ],
)
def test_verdicts(answer: httpx.Response | None, verdict: Verdict) -> None:
    assert read_verdict(answer, IDS) is verdict


def test_the_ledger_frees_failures_and_keeps_successes() -> None:
    ledger = MessageLedger()
    ledger.begin("a")
    with pytest.raises(RefusedError, match="425"):
        ledger.begin("a")
    ledger.end("a", success=False)
    ledger.begin("a")
    ledger.end("a", success=True)
    with pytest.raises(RefusedError, match="409 REC_CONFLICT/duplicate"):
        ledger.begin("a")


@pytest.mark.parametrize("defect", [defect for defect in Defect if defect is not Defect.NOT_JSON])
def test_a_malformed_message_differs_and_the_original_stays(defect: Defect) -> None:
    book = CaseBook(DEMO_CAS, prefix="CAS")
    case = book.open(Message(a_validation_request(DEMO_CAS.service_id)), correlation_id="c", now=NOW)
    good = (
        final(case, Complete(Outcome.SAME), NOW, cad_id=None) if defect is Defect.NO_CARE_PLAN else interim(case, NOW)
    )
    before = json.dumps(good)
    assert json.loads(malformed_body(good, defect)) != good
    assert json.dumps(good) == before


def test_a_malformed_response_has_one_defect() -> None:
    with pytest.raises(TypeError, match="one defect"):
        plans.malformed(Defect.NOT_JSON, of=Malformed(Defect.NO_VERSION, Start()))


def test_dangling_references_take_their_list_item_with_them() -> None:
    resource = {
        "resourceType": "Encounter",
        "subject": {"reference": "urn:uuid:known"},
        "basedOn": [{"reference": "urn:uuid:gone"}],
        "location": [{"location": {"reference": "urn:uuid:gone"}, "status": "active"}],
        "episodeOfCare": [{"reference": "EpisodeOfCare/1"}],
        "length": 0,
    }
    kept = without_dangling(resource, {"urn:uuid:known"})
    assert set(kept) == {"resourceType", "subject", "episodeOfCare", "length"}


def test_test_people_have_valid_numbers_in_the_test_range() -> None:
    for person in PEOPLE:
        digits = [int(digit) for digit in person.nhs_number]
        assert sum(digit * weight for digit, weight in zip(digits, range(10, 0, -1), strict=True)) % 11 == 0
        assert person.nhs_number.startswith("999")
        assert person.phone.startswith("07700 900")
    with pytest.raises(ValueError, match="check digit"):
        nhs_number_in_test_range(120007)


def test_the_command_line_becomes_a_configuration(tmp_path: Any) -> None:
    key = tmp_path / "key.pem"
    key.write_text("PEM", encoding="ascii")
    config = config_from(
        [
            "--port",
            "0",
            "--lenient",
            "--open",
            "--client",
            f"a:k1={key}",
            "--client",
            "b",
            "--route",
            f"{SERVICE}=http://x/FHIR/R4",
        ]
    )
    assert config.proxy_port == 0
    assert config.proxy.lenient
    assert not config.proxy.require_token
    assert [dict(client.public_keys) for client in config.proxy.clients] == [{"k1": "PEM"}, {}]
    assert config.proxy.routes == {SERVICE: "http://x/FHIR/R4"}
    assert config.clock.now().tzinfo is UTC
