"""A CAD refers a case by a BaRS message of its own: checked like a received one, and sent byte for byte."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import httpx
import orjson
import pytest

from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_referral import referral_update_bundle
from cad_bridge.fhir.content import Request
from cad_bridge.sandbox import plans
from tests.by_hand import a_clock, messages_of, reasons_of, send_due
from tests.referrals import (
    HOME_AST,
    LEEDS,
    NEWCASTLE,
    OUR_PARTY,
    REMOTE_PARTY,
    RemoteSender,
    location,
    referral_body,
    referring,
)
from tests.service import EOC, Running

FHIR = {"Content-Type": "application/fhir+json"}


class CadMessages(RemoteSender):
    """A CAD of ours that makes its messages itself. Their fullUrls are not those that our builders would choose."""

    @classmethod
    def ours(cls, use_case: str = "a6t1", **changes: Any) -> CadMessages:
        """A referral to the simulated AST."""
        return cls.between(use_case, EOC, HOME_AST, **changes)

    @classmethod
    def between(cls, use_case: str, sender: str, receiver: str, **changes: Any) -> CadMessages:
        """A referral of one service to another."""
        made = RemoteSender.of(use_case, **changes)
        body = made.content.model_dump(mode="json", exclude_none=True) | {"sender": sender, "receiver": receiver}
        to = replace(REMOTE_PARTY, service_id=receiver, ods_code="RYE" if use_case == "a3t1" else "RX6")
        envelope = replace(made.envelope, sender=OUR_PARTY, receiver=to, version_id="1.0.0-beta")
        return cls(content=Request.model_validate(body), envelope=envelope)

    def new(self) -> bytes:
        """The referral, with names of its own."""
        self.sent = _renamed(super().new())
        return self.sent

    def told_more(self, issued_ids: dict[str, str], **changes: Any) -> bytes:
        """An update with the ids that were issued."""
        body = self.content.model_dump(mode="json", exclude_none=True) | changes
        plain_ids = {_other(url): id_ for url, id_ in issued_ids.items()}
        later = self.envelope.created_at + timedelta(seconds=1)
        self.envelope = replace(self.envelope, created_at=later, message_id=str(uuid4()))
        update = referral_update_bundle(
            _renamed(self.sent), Request.model_validate(body), issued_ids=plain_ids, envelope=self.envelope
        )
        return _renamed(update)

    def no_longer(self, issued_ids: dict[str, str], status: Literal["revoked", "entered-in-error"]) -> bytes:
        """A cancellation with the ids that were issued."""
        plain_ids = {_other(url): id_ for url, id_ in issued_ids.items()}
        self.envelope = replace(self.envelope, message_id=str(uuid4()))
        made = cancellation_bundle(
            _renamed(self.sent), issued_ids=plain_ids, status=status, reason_text="Found", envelope=self.envelope
        )
        return _renamed(made)


def _other(url: str) -> str:
    """Another last digit; twice gives the first again."""
    return f"{url[:-1]}{int(url[-1], 16) ^ 1:x}"


def _renamed(message: bytes) -> bytes:
    """The message with other fullUrls; twice gives the first again."""
    text = message.decode()
    for url in {entry["fullUrl"] for entry in orjson.loads(message)["entry"]}:
        text = text.replace(url, f"{_other(url)}#")
    return text.replace("#", "").encode()


async def _post(running: Running, body: bytes, **headers: str) -> httpx.Response:
    return await running.api("POST", "/referrals", content=body, headers=FHIR | headers)


@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_a_message_of_the_cads_own_is_sent_byte_for_byte(database_url: str, use_case: str) -> None:
    place = location(NEWCASTLE if use_case == "a6t1" else LEEDS)
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(use_case, incident_location=place)
        body = cad.new()
        answer = await _post(running, body)
        assert answer.status_code == 201, answer.text
        case = answer.json()
        assert (case["state"], case["dispatch_duty"], case["arp"]) == ("sent", "sender", "C3")
        await send_due(running)
        sent = [message["body"] for message in await messages_of(running, case["id"])]
        assert sent == [body]
        held = await running.case(case["id"])
        assert held["state"] == "pending"
        assert (held["discovery"] or {}).get("how") == ("named" if use_case == "a6t1" else None)


async def test_it_is_updated_by_another_message_and_not_by_plain_json(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(incident_location=location(NEWCASTLE))
        case = (await _post(running, cad.new())).json()
        await send_due(running)
        issued = (await running.case(case["id"]))["issued_ids"]
        path = f"/cases/{case['id']}/update"
        plain = referral_body(case_number=case["case_number"], presenting_complaint="Worse")
        assert (await running.api("POST", path, json=plain)).status_code in {409, 422}
        update = cad.told_more(issued, triage={"arp": "C1", "summary": "Unconscious"})
        answer = await running.api("POST", path, content=update, headers=FHIR)
        assert answer.status_code == 202, answer.text
        await send_due(running)
        now = await running.case(case["id"])
        assert now["arp"] == "C1"
        assert update in [message["body"] for message in await messages_of(running, case["id"])]
        assert reasons_of(now) == []


@pytest.mark.req("APP6-CAN-01", "CORE-CAN-05", "CORE-CAN-02")
@pytest.mark.parametrize(("use_case", "status"), [("a6t1", "revoked"), ("a6t3", "entered-in-error")])
async def test_it_is_cancelled_by_another_message_after_a_look_at_the_receiver(
    database_url: str, use_case: str, status: Any
) -> None:
    place = location(NEWCASTLE if use_case == "a6t1" else LEEDS)
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(use_case, incident_location=place)
        case = (await _post(running, cad.new())).json()
        await send_due(running)
        body = cad.no_longer((await running.case(case["id"]))["issued_ids"], status)
        answer = await running.api("POST", f"/cases/{case['id']}/cancel", content=body, headers=FHIR)
        assert answer.status_code == 202, answer.text
        assert (answer.json()["state"], answer.json()["dispatch_duty"]) == ("cancelled", "sender")
        await send_due(running)
        assert running.sandbox is not None
        assert [entry.method for entry in running.sandbox.journal.entries][-2:] == ["GET", "POST"]
        assert running.sandbox.journal.entries[-1].request_body == body
        assert list(running.sandbox.ast.cases)[-1].request_status == status
        told = next(e for e in await running.events(case["id"]) if e["type"] == "case.cancelled")
        assert told["data"]["reason"] == "Found"
        assert reasons_of(await running.case(case["id"])) == []


async def test_a_cancellation_that_does_not_fit_the_case_is_refused(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(incident_location=location(NEWCASTLE))
        case = (await _post(running, cad.new())).json()
        await send_due(running)
        path = f"/cases/{case['id']}/cancel"
        issued = (await running.case(case["id"]))["issued_ids"]
        body = cad.no_longer(issued, "revoked")
        for wrong in (
            body.replace(b'"9990000018"', b'"9990548609"'),
            body.replace(b'"text":"Found"', b'"id":"none"'),
            cad.no_longer({}, "revoked"),
            cad.told_more(issued, presenting_complaint="Worse"),
        ):
            answer = await running.api("POST", path, content=wrong, headers=FHIR)
            assert answer.status_code == 422, answer.text
        plain = (await running.api("POST", "/referrals", json=referral_body("a6t2"))).json()
        other = await running.api("POST", f"/cases/{plain['id']}/cancel", content=body, headers=FHIR)
        assert other.status_code == 409
        assert (await running.case(case["id"]))["state"] == "pending"


async def test_closing_it_sends_no_update_of_ours(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(incident_location=location(NEWCASTLE))
        case = (await _post(running, cad.new())).json()
        await send_due(running)
        closed = await running.api("POST", f"/cases/{case['id']}/close")
        assert closed.json()["state"] == "handed_over"
        assert [message["kind"] for message in await messages_of(running, case["id"])] == ["request"]


async def test_a_receiver_in_doubt_is_confirmed_by_a_header(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(incident_location=location(LEEDS))
        body = cad.new()
        refused = await _post(running, body)
        assert refused.status_code == 409
        assert "discovery" in refused.json()
        answer = await _post(running, body, **{"Confirm-Receiver": "Agreed by telephone"})
        assert answer.status_code == 201, answer.text
        assert answer.json()["discovery"]["reason"] == "Agreed by telephone"


async def test_a_message_that_is_no_new_referral_is_refused(database_url: str) -> None:
    async with referring(database_url, plan=plans.silent(), clock=a_clock(), background=False) as running:
        cad = CadMessages.ours(incident_location=location(NEWCASTLE))
        cad.new()
        answer = await _post(running, cad.told_more({}, triage={"arp": "C1", "summary": "x"}))
        assert answer.status_code == 422
        assert "a new referral" in answer.json()["errors"][0]["message"]
