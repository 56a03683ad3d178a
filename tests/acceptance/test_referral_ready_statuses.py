"""An ambulance service that makes its own status responses: checked, fitted to the case, and sent byte for byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest

from cad_bridge.sandbox import referral_responses
from cad_bridge.sandbox.actions import Refuse
from cad_bridge.sandbox.cases import Case
from cad_bridge.sandbox.identity import ServiceIdentity
from cad_bridge.sandbox.message import Message
from tests.by_hand import messages_of, reasons_of
from tests.referrals import referral_body
from tests.service import CLINICIAN_KEY, EOC
from tests.two_asts import THEIR_EOC, TwoAsts, two_asts

FHIR = {"Content-Type": "application/fhir+json"}
Json = dict[str, Any]


@dataclass
class OtherMake:
    """An ambulance service that holds the case in its own program, and shares no line with the service."""

    sites: TwoAsts
    asked: Json
    held: Json
    case: Case

    @classmethod
    async def referred(cls, sites: TwoAsts, use_case: str) -> OtherMake:
        """A case that was referred to it."""
        asked, held = await sites.refer(referral_body(use_case, receiver=THEIR_EOC))
        (request,) = await messages_of(sites.theirs, held["id"], key=CLINICIAN_KEY)
        bundle = json.loads(request["body"])
        for entry in bundle["entry"]:
            issued = held["issued_ids"].get(entry["fullUrl"])
            entry["resource"] |= {"id": issued} if issued else {}
        case = Case(
            identity=ServiceIdentity(THEIR_EOC, "RX6", "North East EOC"),
            held=Message(bundle),
            first_bundle_id=held["request_bundle_id"],
            correlation_id="",
            reply_to=EOC,
            case_number=held["case_number"],
            acknowledged_at=datetime.fromisoformat(held["created_at"]),
            encounter_url=held["encounter_full_url"],
            status_history=[(known["status"], datetime.fromisoformat(known["at"])) for known in held["status_history"]],
        )
        return cls(sites, asked, held, case)

    def status(self, status: str) -> Json:
        """How the case stands now."""
        now = self.sites.clock()
        self.case.move_to(status, now)
        return self._own(referral_responses.status_response(self.case, now))

    def refusal(self) -> Json:
        """It cannot help."""
        now = self.sites.clock()
        self.case.move_to("cancelled", now)
        return self._own(referral_responses.refusal(self.case, Refuse("OTH", "Snowed in"), now))

    def _own(self, bundle: Json) -> Json:
        own = next(e["resource"] for e in bundle["entry"] if e["fullUrl"] == self.case.encounter_url)
        own["id"] = self.held["encounter_id"]
        return bundle

    async def post(self, action: str, bundle: Json) -> tuple[httpx.Response, bytes]:
        """Give it to our service, in spaces that no serialiser of ours would write, and let it go."""
        raw = json.dumps(bundle, indent=3).encode()
        path = f"/cases/{self.held['id']}/{action}"
        answer = await self.sites.theirs.api("POST", path, key=CLINICIAN_KEY, content=raw, headers=FHIR)
        await self.sites.send()
        return answer, raw


async def _received(service: OtherMake) -> list[bytes]:
    """What the sender got about the case, in order."""
    found = await messages_of(service.sites.ours, service.asked["id"])
    return [message["body"] for message in found if message["direction"] == "in"]


@pytest.mark.req("APP6-RSP-01", "APP6-RSP-08", "APP6-RSP-17")
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_statuses_of_ones_own_are_sent_byte_for_byte_and_count_like_plain_json(
    database_url: str, second_database_url: str, use_case: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        service = await OtherMake.referred(sites, use_case)
        given = []
        for action, status in (
            ("accept", "planned"),
            ("status", "in-progress"),
            ("status", "planned"),
            ("status", "in-progress"),
        ):
            answer, raw = await service.post(action, service.status(status))
            assert answer.status_code == 200, answer.text
            given.append(raw)
        # Plain JSON and messages may be mixed.
        await sites.they(service.held, "status", status="finished")
        case, held = await sites.both(service.asked["id"])
        assert (await _received(service))[:-1] == given
        assert (case["state"], held["state"]) == ("completed", "finished")
        assert reasons_of(case) == reasons_of(held) == []
        told = ["planned", "in-progress", "planned", "in-progress", "finished"]
        assert [change["status"] for change in held["status_history"]] == told
        assert case["dispatch_duty"] == held["dispatch_duty"] == ("sender" if use_case == "a6t3" else "receiver")


@pytest.mark.req("APP6-RSP-10", "APP6-RSP-12")
async def test_a_refusal_of_ones_own_gives_the_case_back_with_its_reason(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        service = await OtherMake.referred(sites, "a6t2")
        answer, raw = await service.post("reject", service.refusal())
        assert answer.status_code == 200, answer.text
        case, held = await sites.both(service.asked["id"])
        assert await _received(service) == [raw]
        assert (case["state"], case["dispatch_duty"], held["dispatch_duty"]) == ("returned", "sender", "sender")
        assert case["escalations"][0]["data"]["rejection"] == {"code": "OTH", "text": "Snowed in"}


@pytest.mark.req("APP6-RSP-09", "APP6-RSP-11")
async def test_an_out_of_area_case_is_not_refused_by_a_message_either(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        service = await OtherMake.referred(sites, "a6t1")
        answer, _ = await service.post("reject", service.refusal())
        assert answer.status_code == 422
        assert "out of area cannot be rejected" in answer.text
        assert await _received(service) == []


@pytest.mark.req("APP6-RSP-08")
async def test_a_history_that_does_not_go_on_from_what_was_told_is_refused(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        service = await OtherMake.referred(sites, "a6t2")
        bundle = service.status("in-progress")
        own = next(e["resource"] for e in bundle["entry"] if e["fullUrl"] == service.case.encounter_url)
        whole = own["statusHistory"]
        for wrong in (whole[1:], [*whole, whole[-1]]):
            own["statusHistory"] = wrong
            answer, _ = await service.post("status", bundle)
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["path"].endswith("statusHistory")
        own["statusHistory"] = whole
        own["id"] = "another"
        answer, _ = await service.post("status", bundle)
        assert answer.status_code == 422
        assert (await sites.both(service.asked["id"]))[1]["state"] == "received"


async def test_a_category_5_case_and_a_case_of_ours_take_no_status_message(
    database_url: str, second_database_url: str
) -> None:
    async with two_asts(database_url, second_database_url) as sites:
        service = await OtherMake.referred(sites, "a6t2")
        raw = json.dumps(service.status("planned")).encode()
        path = f"/cases/{service.asked['id']}/status"
        answer = await sites.ours.api("POST", path, content=raw, headers=FHIR)
        assert answer.status_code == 409
