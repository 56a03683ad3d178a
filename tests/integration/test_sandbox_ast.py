"""The simulated AST and requester over real HTTP."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Defect, ReportStatus
from cad_bridge.sandbox.requester import RequesterError
from cad_bridge.sandbox.server import DEMO_AST, DEMO_CAS, DEMO_REQUESTER
from tests.unit.sandbox.world import EOC, a_referral_request, a_world, code_of, header_of, of_type, until

AST = DEMO_AST.service_id
CAS = DEMO_CAS.service_id


@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_reports_every_change_of_state(use_case: str) -> None:
    async with a_world(ast_plan=plans.stand_down()) as eoc:
        answer = await eoc.send(a_referral_request(AST, use_case=use_case), target=AST)
        await until(lambda: len(eoc.responses) == 5)
        contexts = {header["use-context"] for header, _ in eoc.received}
    own = [of_type(message, "Encounter")[1] for message in eoc.responses]
    assert answer.status_code == 200
    assert [encounter["status"] for encounter in own] == [
        "planned",
        "in-progress",
        "planned",
        "in-progress",
        "finished",
    ]
    assert [len(encounter["statusHistory"]) for encounter in own] == [1, 2, 3, 4, 5]
    assert contexts == {f"{use_case}|referral|servicerequest-response|new"}
    assert {header_of(message)["definition"].rpartition("/")[2] for message in eoc.responses} == {
        "bars-message-servicerequest-response-referral-short"
    }


async def test_declines_mutual_aid_with_a_reason() -> None:
    async with a_world(ast_plan=plans.attend()) as eoc:
        eoc.sandbox.ast.script.for_text("second crew", plans.decline("RRNA", "None free"))
        await eoc.send(a_referral_request(AST, use_case="a6t3", text="Please send a SECOND crew"), target=AST)
        await until(lambda: eoc.responses)
    own = of_type(eoc.responses[0], "Encounter")[1]
    assert own["status"] == "cancelled"
    assert own["reasonCode"][0]["coding"][0]["code"] == "RRNA"
    assert own["reasonCode"][0]["text"] == "None free"


async def test_never_declines_an_out_of_area_referral() -> None:
    async with a_world(ast_plan=plans.decline()) as eoc:
        await eoc.send(a_referral_request(AST, use_case="a6t1"), target=AST)
        await until(lambda: eoc.sandbox.ast.errors)
        assert eoc.responses == []


async def test_can_be_told_to_break_that_rule() -> None:
    forbidden = plans.malformed(Defect.FORBIDDEN_REFUSAL, of=ReportStatus("planned"))
    async with a_world(ast_plan=forbidden) as eoc:
        await eoc.send(a_referral_request(AST, use_case="a6t1"), target=AST)
        await until(lambda: eoc.responses)
    assert of_type(eoc.responses[0], "Encounter")[1]["status"] == "cancelled"


async def test_validation_is_not_for_an_ast() -> None:
    async with a_world() as eoc:
        answer = await eoc.send(a_referral_request(AST, use_case="a6t1"), target=CAS)
    assert answer.status_code == 404


async def test_the_requester_gets_its_case_validated() -> None:
    async with a_world(plan=plans.upgrade(arp="C2")) as eoc:
        requester = eoc.sandbox.requester
        requested = await requester.send_validation(CAS, breach_in=timedelta(minutes=20))
        await until(lambda: len(requested.responses) == 2)
        assert eoc.sandbox.cas.findings == []
        assert requester.findings == []
        assert requested.remote_case_number == next(iter(eoc.sandbox.cas.cases)).case_number
    assert requested.sent[0].delivered
    assert requested.responses[1].arp == "C2"
    assert uuid.UUID(requested.service_request_id)


async def test_the_requester_talks_to_any_service() -> None:
    async with a_world() as eoc:
        requested = await eoc.sandbox.requester.send_validation(EOC.service_id, use_case="a4t2")
        headers, message = eoc.received[0]
    assert headers["use-context"] == "a4t2|validation|servicerequest-request|new"
    assert header_of(message)["source"]["endpoint"] == DEMO_REQUESTER.service_id
    with pytest.raises(RequesterError):
        _ = requested.service_request_id


async def test_the_requester_cancels_only_what_is_active() -> None:
    async with a_world(plan=plans.reject()) as eoc:
        requester = eoc.sandbox.requester
        requested = await requester.send_validation(CAS)
        await until(lambda: requested.responses)
        with pytest.raises(RequesterError, match="completed"):
            await requester.send_cancellation(requested)
        careless = await requester.send_cancellation(requested, read_first=False)
    assert careless.answer is not None
    assert (careless.status, code_of(careless.answer)) == (409, ("REC_CONFLICT", "conflict"))


async def test_a_response_to_nothing_is_not_found() -> None:
    async with a_world(plan=plans.malformed(Defect.UNKNOWN_IDENTIFIER)) as eoc:
        requester = eoc.sandbox.requester
        requested = await requester.send_validation(CAS)
        await until(lambda: eoc.sandbox.cas.performed)
        sent = eoc.sandbox.cas.performed[0].sent
    assert sent.answer is not None
    assert (sent.status, code_of(sent.answer)) == (404, ("REC_NOT_FOUND", "not-found"))
    assert requested.responses == []
