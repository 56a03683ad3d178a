"""A CAD refers a case: over real HTTP, through the proxy, to a simulated ambulance service, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Defect, ReportStatus
from cad_bridge.sandbox.cases import Case
from cad_bridge.settings import key_digest
from tests.by_hand import a_clock, messages_of, query, reasons_of, send_due, sweep, types_of
from tests.referrals import (
    HOME_AST,
    LEEDS,
    NEWCASTLE,
    OTHER_AST,
    early_body,
    ids,
    location,
    refer,
    referral_body,
    referring,
)
from tests.service import CAD_KEY, EOC, Running, until

SOON = 0.05


def held(running: Running) -> Case:
    """The newest case of the simulated AST."""
    assert running.sandbox is not None
    return list(running.sandbox.ast.cases)[-1]


def resources(message: bytes, kind: str) -> list[dict[str, Any]]:
    """The resources of a type in a message."""
    return [e["resource"] for e in orjson.loads(message)["entry"] if e["resource"]["resourceType"] == kind]


async def posted(running: Running, case_id: str) -> list[bytes]:
    """Our own messages about a case, in order."""
    return [message["body"] for message in await messages_of(running, case_id) if message["direction"] == "out"]


async def post(running: Running, **changes: Any) -> Any:
    """The answer to a referral."""
    return await running.api("POST", "/referrals", json=referral_body(**changes))


# --- out of area ----------------------------------------------------------------------------------


@pytest.mark.req("APP6-REF-11", "APP6-REF-27", "APP6-RSP-13")
async def test_a_referral_without_a_receiver_goes_to_the_ast_of_the_place(database_url: str) -> None:
    async with referring(database_url, plan=plans.attend(after=SOON)) as running:
        case = await refer(running)
        assert (case["state"], case["dispatch_duty"], case["receiver"]) == ("sent", "sender", HOME_AST)
        why = case["discovery"]
        assert (why["how"], why["service_id"], why["ods_code"]) == ("automatic", HOME_AST, "RX6")
        assert why["answer"]["boundary_version"]
        assert why["answer"]["border_m"] > 1000
        done = await running.state(case["id"], "completed")
        events = await running.events(case["id"])
        assert [event["type"] for event in events] == [
            "case.created",
            "case.acknowledged",
            *["case.status"] * 3,
            "case.completed",
        ]
        assert events[0]["data"]["discovery"] == why
        assert [event["case"]["dispatch_duty"] for event in events] == ["sender", *["receiver"] * 5]
        assert done["remote_case_number"] == held(running).case_number
        assert done["deadlines"] == []
        kept = query(database_url, "SELECT how, service_id, boundary_version FROM receiver_decisions")
        assert kept == [("automatic", HOME_AST, why["answer"]["boundary_version"])]


@pytest.mark.req("APP6-REF-04", "APP6-REF-06", "APP6-REF-10")
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_what_goes_out_names_its_use_case_and_is_what_application_6_asks_for(
    database_url: str, use_case: str
) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        case = await refer(running, use_case)
        body = (await posted(running, case["id"]))[0]
        request = resources(body, "ServiceRequest")[0]
        codes = {coding["code"] for concept in request["category"] for coding in concept["coding"]}
        assert codes == {"referral", use_case}
        assert request["status"] == "active"
        header = resources(body, "MessageHeader")[0]
        assert header["reason"]["coding"][0]["code"] == "new"
        assert header["definition"].endswith("servicerequest-request-referral")
        plan = resources(body, "CarePlan")[0]
        assert (plan["status"], plan["intent"]) == ("active", "plan")
        assert resources(body, "Encounter")[0]["class"]["code"] == "EMER"


@pytest.mark.req("APP6-REF-09", "APP6-UPD-01", "APP6-UPD-02")
async def test_a_case_is_referred_after_the_sieve_and_told_more_of_in_stages(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent()) as running:
        body = early_body()
        answer = await running.api("POST", "/referrals", json=body)
        assert answer.status_code == 201, answer.text
        case = answer.json()
        await running.state(case["id"], "pending")
        sieve = {"breathing": False}
        stages: list[dict[str, Any]] = [
            {"incident_location": location(NEWCASTLE), "timings": body["timings"] | {"cpr_start": _now()}},
            {
                "triage": {
                    "arp": "C1",
                    "summary": "Arrest",
                    "nature_of_call": {"code": "AP1P"},
                    "pre_triage_sieve": sieve,
                }
            },
            {"scene_safety": {"status": "safe"}, "call_log": [{"at": _now(), "text": "CPR by bystander"}]},
        ]
        for number, stage in enumerate(stages, start=1):
            body |= stage
            told = await running.api("POST", f"/cases/{case['id']}/update", json=body)
            assert told.status_code == 202, told.text
            await _taken(running, case["id"], number)
        now = await running.case(case["id"])
        assert (now["arp"], now["state"]) == ("C1", "pending")
        there = held(running)
        assert there.updates == 3
        kinds = {entry["resource"]["resourceType"] for entry in there.held.entries}
        assert {"Procedure", "Communication", "QuestionnaireResponse", "Questionnaire", "Flag"} <= kinds
        statuses = [resources(message, "Encounter")[0]["status"] for message in await posted(running, case["id"])]
        assert statuses == ["in-progress", "in-progress", "triaged", "triaged"]


def _now() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat()


async def _taken(running: Running, case_id: str, number: int) -> None:
    async def look() -> bool:
        found = [e for e in await running.events(case_id) if e["data"].get("update") == "taken"]
        return len(found) >= number

    await until(look, f"update {number} taken")


@pytest.mark.req("APP6-REF-07")
async def test_the_state_of_the_case_here_follows_the_cad(database_url: str) -> None:
    clock = a_clock()
    async with referring(database_url, plan=plans.silent(), clock=clock, background=False) as running:
        body = referral_body(sender_status="in-progress")
        case = (await running.api("POST", "/referrals", json=body)).json()
        await send_due(running)
        clock.advance(timedelta(seconds=5))
        ended = await running.api("POST", f"/cases/{case['id']}/update", json=body | {"sender_status": "triaged"})
        assert ended.status_code == 202, ended.text
        clock.advance(timedelta(seconds=5))
        await send_due(running)
        closed = await running.api("POST", f"/cases/{case['id']}/close")
        assert closed.json()["state"] == "handed_over"
        await send_due(running)
        statuses = [resources(message, "Encounter")[0]["status"] for message in await posted(running, case["id"])]
        assert statuses == ["in-progress", "triaged", "finished"]
        assert reasons_of(await running.case(case["id"])) == []


@pytest.mark.req("APP6-RSP-11")
async def test_a_home_ast_that_refuses_is_answered_with_an_error_and_a_person_is_told(database_url: str) -> None:
    plan = plans.malformed(Defect.FORBIDDEN_REFUSAL, of=ReportStatus("planned"), after=SOON)
    async with referring(database_url, plan=plan) as running:
        case = await refer(running)
        raised = await running.event(case["id"], "escalation.raised")
        assert raised["data"]["reason"] == "forbidden-refusal"
        now = await running.case(case["id"])
        assert (now["state"], now["dispatch_duty"]) == ("pending", "receiver")
        assert running.sandbox is not None
        refused = running.sandbox.ast.performed[0].sent
        assert refused.status == 400


async def test_a_resource_that_is_stood_down_is_told_and_the_case_waits_again(database_url: str) -> None:
    async with referring(database_url, plan=plans.stand_down(after=SOON)) as running:
        case = await refer(running)
        done = await running.state(case["id"], "completed")
        told = [e["data"]["status"] for e in await running.events(case["id"]) if e["type"] == "case.status"]
        assert told == ["planned", "in-progress", "planned", "in-progress", "finished"]
        assert [change["status"] for change in done["status_history"]] == told


# --- who receives it ------------------------------------------------------------------------------


async def _doubted(running: Running, **changes: Any) -> dict[str, Any]:
    answer = await post(running, **changes)
    assert answer.status_code == 409, answer.text
    problem: dict[str, Any] = answer.json()
    assert query_cases(await running.api("GET", "/cases")) == 0
    return problem


def query_cases(answer: Any) -> int:
    """How many cases there are."""
    return len(answer.json()["cases"])


@pytest.mark.parametrize(
    ("changes", "reason", "how"),
    [
        pytest.param({"receiver": OTHER_AST}, "receiver-elsewhere", "manual", id="named-elsewhere"),
        pytest.param({"incident_location": location({"latitude": 54.9738, "longitude": -1.61, "easting": 430160,
            "northing": 433562})}, "sources-disagree", "manual", id="contradiction"),
        pytest.param({"incident_location": location({"latitude": 54.9738, "longitude": -1.61, "easting": 424000,
            "northing": 566000})}, "sources-disagree", "confirmed", id="two-places-of-one-service"),
    ],
)  # fmt: skip
async def test_a_doubtful_receiver_has_to_be_confirmed_by_a_person_with_a_reason(
    database_url: str, changes: dict[str, Any], reason: str, how: str
) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        problem = await _doubted(running, **changes)
        assert reason in str(problem["errors"])
        assert problem["discovery"]["discovery"]["boundary_version"]
        named = changes | {"receiver": changes.get("receiver", HOME_AST)}
        confirmed = {"by": "Dee Dispatcher", "reason": "Agreed by telephone with their duty manager"}
        answer = await post(running, confirm_receiver=confirmed, **named)
        assert answer.status_code == 201, answer.text
        why = answer.json()["discovery"]
        assert (why["how"], why["reason"]) == (how, confirmed["reason"])
        assert any(reason in doubt for doubt in why["doubts"])
        kept = query(database_url, "SELECT how, service_id, reason, decided_by FROM receiver_decisions")
        assert kept[0][:3] == (how, named["receiver"], confirmed["reason"])
        assert "Dee Dispatcher" in kept[0][3]


async def test_a_named_receiver_whose_area_holds_the_incident_needs_no_confirmation(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        case = await refer(running, receiver=HOME_AST)
        assert case["discovery"]["how"] == "named"


@pytest.mark.parametrize(
    ("place", "path"),
    [
        pytest.param(LEEDS, "incident_location", id="our-own-area"),
        pytest.param({"latitude": 51.5074, "longitude": -0.1278}, "receiver", id="nobody-takes-it"),
        pytest.param({"latitude": 58.0, "longitude": 2.9}, "receiver", id="at-sea"),
    ],
)
async def test_a_place_that_names_no_service_is_refused_with_what_was_found(
    database_url: str, place: dict[str, Any], path: str
) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        problem = await _doubted(running, incident_location=location(place))
        assert problem["errors"][0]["path"] == path
        assert "discovery" in problem


async def test_a_location_that_moves_into_another_area_is_a_warning_on_the_case(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        body = referral_body()
        case = (await running.api("POST", "/referrals", json=body)).json()
        moved = body | {"incident_location": location(LEEDS)}
        told = await running.api("POST", f"/cases/{case['id']}/update", json=moved)
        assert told.status_code == 202, told.text
        warnings = [warning for warning in told.json()["warnings"] if warning["rule"] == "APP6-REF-11"]
        assert warnings
        assert "receiver-elsewhere" in warnings[0]["diagnostics"]


# --- call assist and mutual aid -------------------------------------------------------------------


@pytest.mark.req("APP6-RSP-17", "APP6-REF-24")
async def test_a_call_assist_is_ours_until_it_is_accepted_and_can_then_be_closed(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent()) as running:
        case = await refer(running, "a6t2")
        waiting = await running.state(case["id"], "pending")
        assert waiting["dispatch_duty"] == "sender"
        assert waiting["answer_by"]
        assert (await running.api("POST", f"/cases/{case['id']}/close")).status_code == 409
        assert running.sandbox is not None
        await running.sandbox.ast.act(held(running), ReportStatus("planned"))
        accepted = await running.state(case["id"], "accepted")
        assert accepted["dispatch_duty"] == "receiver"
        told = await running.event(case["id"], "case.status")
        assert told["data"]["accepted"] is True
        closed = (await running.api("POST", f"/cases/{case['id']}/close")).json()
        assert (closed["state"], closed["dispatch_duty"]) == ("handed_over", "receiver")


@pytest.mark.req("APP6-RSP-12", "APP-COM-24")
@pytest.mark.parametrize("use_case", ["a6t2", "a6t3"])
async def test_a_refusal_is_shown_to_the_dispatcher_with_its_reason(database_url: str, use_case: str) -> None:
    async with referring(database_url, plan=plans.decline("RRNA", "Two crews on duty", after=SOON)) as running:
        case = await refer(running, use_case)
        back = await running.state(case["id"], "returned")
        assert back["dispatch_duty"] == "sender"
        assert (await running.event(case["id"], "case.returned"))["data"]["reason"]["text"] == "Two crews on duty"
        raised = await running.event(case["id"], "escalation.raised")
        assert raised["data"]["reason"] == "rejected"
        assert raised["data"]["detail"]["rejection"] == {"code": "RRNA", "text": "Two crews on duty"}


@pytest.mark.req("APP6-REF-05")
@pytest.mark.parametrize("use_case", ["a6t2", "a6t3"])
async def test_what_is_asked_has_to_be_said_and_is_sent(database_url: str, use_case: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        assert (await post(running, use_case=use_case, requested_action=None)).status_code == 422
        by = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=25)
        asked = {"text": "Double-crewed ambulance", "number": 2, "by": by.isoformat()}
        case = await refer(running, use_case, resource_requested=asked)
        assert datetime.fromisoformat(case["needed_by"]) == by
        body = (await posted(running, case["id"]))[0]
        assert resources(body, "ServiceRequest")[0]["category"][0]["text"]
        task = resources(body, "Task")[0]
        assert task["status"] == "requested"
        assert datetime.fromisoformat(task["restriction"]["period"]["end"]) == by


@pytest.mark.req("APP6-REF-26")
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_more_than_one_patient_is_refused_with_what_to_do_instead(database_url: str, use_case: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        answer = await post(running, use_case=use_case, patients=2)
        assert answer.status_code == 422
        error = answer.json()["errors"][0]
        assert error["path"] == "patients"
        assert "each" in error["message"]


async def test_mutual_aid_is_asked_of_two_services_and_other_referrals_of_one(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        for use_case, receivers, expected in (
            ("a6t3", (HOME_AST, OTHER_AST, HOME_AST), [201, 201, 409]),
            ("a6t2", (HOME_AST, OTHER_AST), [201, 409]),
        ):
            number = f"TST-{use_case}"
            got = [
                (await post(running, use_case=use_case, receiver=receiver, case_number=number)).status_code
                for receiver in receivers
            ]
            assert got == expected


# --- deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("use_case", ["a6t2", "a6t3"])
async def test_no_answer_in_time_escalates_exactly_once(database_url: str, use_case: str) -> None:
    clock = a_clock()
    async with referring(database_url, plan=plans.silent(), clock=clock, background=False) as running:
        case = await refer(running, use_case)
        await send_due(running)
        clock.advance(timedelta(minutes=9))
        await sweep(running)
        assert reasons_of(await running.case(case["id"])) == []
        for _ in range(3):
            clock.advance(timedelta(minutes=2))
            await sweep(running)
        now = await running.case(case["id"])
        assert reasons_of(now) == ["answer-overdue"]
        assert (now["state"], now["dispatch_duty"]) == ("pending", "sender")


async def test_a_home_ast_that_falls_silent_escalates_once_for_each_silence(database_url: str) -> None:
    clock = a_clock()
    async with referring(database_url, plan=plans.silent(), clock=clock, background=False) as running:
        case = await refer(running)
        await send_due(running)
        for _ in range(2):
            clock.advance(timedelta(minutes=61))
            await sweep(running)
        assert reasons_of(await running.case(case["id"])) == ["status-overdue"]
        assert running.sandbox is not None
        await running.sandbox.ast.act(held(running), ReportStatus("planned"))
        for _ in range(2):
            clock.advance(timedelta(minutes=61))
            await sweep(running)
        assert reasons_of(await running.case(case["id"])) == ["status-overdue", "status-overdue"]


async def test_a_referral_that_cannot_be_delivered_escalates_exactly_once_and_stays_ours(database_url: str) -> None:
    clock = a_clock()
    async with referring(database_url, plan=plans.refuse(), clock=clock, background=False) as running:
        case = await refer(running)
        await send_due(running)
        now = await running.case(case["id"])
        assert (now["state"], now["dispatch_duty"]) == ("undelivered", "sender")
        assert reasons_of(now) == ["undeliverable"]
        assert "delivery.failed" in await types_of(running, case["id"])
        dispatched = await running.api("POST", f"/cases/{case['id']}/dispatch")
        assert dispatched.json()["state"] == "dispatched"
        clock.advance(timedelta(hours=1))
        await sweep(running)
        assert reasons_of(await running.case(case["id"])) == ["undeliverable"]


async def test_a_referral_that_nobody_answers_escalates_once_while_it_is_tried_again(database_url: str) -> None:
    clock = a_clock()
    async with referring(
        database_url, plan=plans.silent(), clock=clock, background=False, bars={"base_url": "http://127.0.0.1:9"}
    ) as running:
        case = await refer(running)
        for _ in range(3):
            await send_due(running)
            clock.advance(timedelta(seconds=61))
            await sweep(running)
        now = await running.case(case["id"])
        assert reasons_of(now) == ["delivery-unknown"]
        assert (now["state"], now["dispatch_duty"]) == ("sent", "sender")


# --- updates and cancellation ---------------------------------------------------------------------


@pytest.mark.req("APP-COM-26", "APP-COM-27", "APP3-CAN-01")
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_a_referral_is_read_back_before_it_is_updated_or_cancelled(database_url: str, use_case: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        body = referral_body(use_case)
        case = (await running.api("POST", "/referrals", json=body)).json()
        await send_due(running)
        assert running.sandbox is not None
        before = len(running.sandbox.journal.entries)
        await running.api("POST", f"/cases/{case['id']}/update", json=body | {"presenting_complaint": "Worse"})
        await send_due(running)
        await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient found"})
        await send_due(running)
        methods = [entry.method for entry in running.sandbox.journal.entries][before:]
        assert methods == ["GET", "POST", "GET", "POST"]
        assert held(running).request_status == "revoked"
        told = [e["data"] for e in await running.events(case["id"]) if e["type"] == "case.updated"]
        assert [data.get("update") or data.get("cancellation") for data in told] == ["taken", "taken"]


@pytest.mark.req("APP6-CAN-01")
async def test_a_cancellation_is_what_application_6_asks_for(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        case = await refer(running, "a6t2")
        await send_due(running)
        cancelled = await running.api("POST", f"/cases/{case['id']}/cancel", json={"reason": "Patient found"})
        assert cancelled.status_code == 202
        kinds = {message["kind"]: message["body"] for message in await messages_of(running, case["id"])}
        body = kinds["cancellation"]
        assert resources(body, "ServiceRequest")[0]["status"] == "revoked"
        header = resources(body, "MessageHeader")[0]
        assert header["reason"]["coding"][0]["code"] == "update"
        assert header["definition"].endswith("servicerequest-request-cancelled")


async def test_an_update_that_says_nothing_new_or_another_case_is_refused(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        body = referral_body()
        case = (await running.api("POST", "/referrals", json=body)).json()
        path = f"/cases/{case['id']}/update"
        assert (await running.api("POST", path, json=body)).status_code == 422
        assert (await running.api("POST", path, json=body | {"case_number": "OTHER-1"})).status_code == 422
        assert (await running.api("POST", path, json=body | {"receiver": OTHER_AST})).status_code == 422


async def test_a_referral_is_made_once_for_an_idempotency_key(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        body, key = referral_body(), {"Idempotency-Key": "k-1"}
        first = await running.api("POST", "/referrals", json=body, headers=key)
        again = await running.api("POST", "/referrals", json=body, headers=key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["id"] == again.json()["id"]
        assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.req("APP6-REF-01")
async def test_a_service_sends_the_use_cases_that_it_is_configured_for(database_url: str) -> None:
    ast = {"id": EOC, "ods_code": "RX8", "name": "Test Ambulance EOC", "role": "ast", "use_cases": ["a6t1"]}
    client = {"name": "eoc-cad", "key_sha256": key_digest(CAD_KEY), "services": [EOC], "roles": ["cad"]}
    async with referring(
        database_url,
        plan=plans.silent(),
        clock=a_clock(),
        background=False,
        service=[ast],
        client=[client],
        user=[],
    ) as running:
        answers = {use_case: await post(running, **referral_body(use_case)) for use_case in ("a6t1", "a6t2", "a6t3")}
        assert {use_case: answer.status_code for use_case, answer in answers.items()} == {
            "a6t1": 201,
            "a6t2": 422,
            "a6t3": 422,
        }
        assert answers["a6t2"].json()["errors"][0]["path"] == "use_case"


@pytest.mark.req("APP3-RSP-01")
async def test_feedback_that_a_patient_did_not_attend_reaches_a_person(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        case = await refer(running, "a3t1", incident_location=location(LEEDS))
        request = (await messages_of(running, case["id"]))[0]
        answer = await running.post_message(_feedback(request["body"]), headers=ids(request["correlation_id"]))
        assert answer.status_code == 200, answer.text
        now = await running.case(case["id"])
        assert reasons_of(now) == ["safeguarding-feedback"]
        assert now["escalations"][0]["data"]["feedback"]["text"] == "Did not attend"
        assert "case.updated" in await types_of(running, case["id"])


def _feedback(request: bytes) -> dict[str, Any]:
    """What a CAS tells of a patient who did not come: the referral, revoked, turned round."""
    bundle: dict[str, Any] = orjson.loads(request)
    header, order = (
        next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
        for kind in ("MessageHeader", "ServiceRequest")
    )
    header["eventCoding"]["code"] = "servicerequest-response"
    header["definition"] = header["definition"].replace("-request-referral", "-response-referral")
    header["response"] = {"identifier": bundle["id"], "code": "ok"}
    source, destination = header["source"]["endpoint"], header["destination"][0]["endpoint"]
    header["source"]["endpoint"], header["destination"][0]["endpoint"] = destination, source
    receiver = header["destination"][0]["receiver"]
    header["destination"][0]["receiver"], header["sender"] = header["sender"], receiver
    order |= {"status": "revoked", "reasonCode": [{"text": "Did not attend"}]}
    return bundle | {"id": str(uuid4())}


@pytest.mark.req("APP6-REF-01")
@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"use_case": "a4t1", "receiver": HOME_AST, "breach_at": "2036-01-01T00:00:00Z"}, "use_case"),
        ({"use_case": "a6t2", "receiver": None}, "receiver"),
        ({"use_case": "a3t1", "breach_at": "2025-01-01T00:00:00Z"}, "breach_at"),
    ],
)
async def test_what_is_no_referral_is_refused_by_its_field(
    database_url: str, changes: dict[str, Any], path: str
) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        body = referral_body(changes.pop("use_case")) | changes
        answer = await running.api("POST", "/referrals", json=body)
        assert answer.status_code == 422, answer.text
        assert path in {error["path"] for error in answer.json()["errors"]}
