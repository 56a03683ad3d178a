"""A CAS that makes its own BaRS responses: checked like received ones, sent byte for byte, decided like plain JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cad_bridge.sandbox import validation_responses as raw
from cad_bridge.sandbox.actions import Complete, Outcome, Reject
from cad_bridge.sandbox.cases import Case
from cad_bridge.sandbox.identity import ServiceIdentity
from cad_bridge.sandbox.message import Message
from tests.service import CLINICIAN_KEY, EOC
from tests.two_sites import ANSWERED_BY, TwoSites, two_sites

FHIR = {"Content-Type": "application/fhir+json"}
Json = dict[str, Any]


@dataclass
class OtherMake:
    """A CAS that holds the case in its own program, and shares no line with the service."""

    sites: TwoSites
    asked: Json
    held: Json
    case: Case

    async def post(self, action: str, bundle: Json | bytes, **headers: str) -> httpx.Response:
        """Give a response to our service."""
        content = bundle if isinstance(bundle, bytes) else json.dumps(bundle, indent=1).encode()
        path = f"/cases/{self.held['id']}/{action}"
        given = FHIR | headers
        return await self.sites.responder.api("POST", path, key=CLINICIAN_KEY, content=content, headers=given)

    def interim(self) -> Json:
        """The consultation has started."""
        self.case.move_to("in-progress", datetime.now(UTC))
        return self._own(raw.interim(self.case, datetime.now(UTC)))

    def rejection(self, code: str = "FC") -> Json:
        """The case goes back."""
        self.case.move_to("cancelled", datetime.now(UTC))
        return self._own(raw.rejection(self.case, Reject(code=code, text="Rang three times"), datetime.now(UTC)))

    def final(self, outcome: Outcome, *, cad_id: str | None = None, interim_sent: bool = True) -> Json:
        """The consultation has ended."""
        self.case.interim_sent = interim_sent
        self.case.move_to("finished", datetime.now(UTC))
        return self._own(raw.final(self.case, Complete(outcome), datetime.now(UTC), cad_id=cad_id))

    def _own(self, bundle: Json) -> Json:
        """With the id of our Encounter, which the acknowledgement told the requester."""
        own = next(e["resource"] for e in bundle["entry"] if e["fullUrl"] == self.case.encounter_url)
        own["id"] = self.held["encounter_id"]
        return bundle


async def _answering(sites: TwoSites, use_case: str = "a4t1", **changes: Any) -> OtherMake:
    asked, held = await sites.ask(use_case, **changes)
    messages = (await sites.responder.api("GET", f"/cases/{held['id']}/messages", key=CLINICIAN_KEY)).json()["messages"]
    request = json.loads(base64.b64decode(messages[0]["body_base64"]))
    for entry in request["entry"]:
        issued = held["issued_ids"].get(entry["fullUrl"])
        entry["resource"] |= {"id": issued} if issued else {}
    case = Case(
        identity=ServiceIdentity(ANSWERED_BY[use_case], "RYE", "Other cas"),
        held=Message(request),
        first_bundle_id=held["request_bundle_id"],
        correlation_id="",
        reply_to=EOC,
        case_number=held["case_number"],
        acknowledged_at=datetime.fromisoformat(held["created_at"]),
        encounter_url=held["encounter_full_url"],
    )
    return OtherMake(sites=sites, asked=asked, held=held, case=case)


async def _received(cas: OtherMake, kind: str) -> bytes:
    """What the requester got of a kind, byte for byte."""
    path = f"/cases/{cas.asked['id']}/messages"
    messages = (await cas.sites.ast.api("GET", path)).json()["messages"]
    return base64.b64decode(next(item["body_base64"] for item in messages if item["kind"] == kind))


@pytest.mark.parametrize(("use_case", "first"), [("a4t1", "start"), ("a4t2", "accept"), ("a4t3", "accept")])
@pytest.mark.req("APP4-VS-03", "APP4-VS-09", "APP4-VR-01")
async def test_ready_responses_are_sent_byte_for_byte_and_decided_like_plain_json(
    database_url: str, second_database_url: str, use_case: str, first: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        cas = await _answering(sites, use_case)
        # Spaces and line ends that no serialiser of ours would write.
        interim = json.dumps(cas.interim(), indent=3).replace("\n", "\r\n").encode()
        begun = await cas.post(first, interim)
        assert begun.status_code == 200, begun.text
        assert begun.json()["claimed_by"] == "Robin Marsh (clinicians)"
        await sites.ast.state(cas.asked["id"], "in_progress")
        assert await _received(cas, "interim") == interim
        if first == "accept":
            # The requester was told; the start itself is told no second time.
            await sites.answer(cas.held, "start", {"by": "Robin Marsh"})
        final = json.dumps(cas.final(Outcome.HEAR_AND_TREAT), indent=3).encode()
        done = await cas.post("complete", final)
        assert done.status_code == 200, done.text
        assert done.json()["state"] == "finished"
        completed = await sites.ast.state(cas.asked["id"], "completed")
        assert await _received(cas, "final") == final
        assert completed["outcome"]["summary"] == done.json()["outcome"]["summary"]
        told = await sites.responder.event(cas.held["id"], "case.completed", key=CLINICIAN_KEY)
        assert (told["data"]["dispatch_required"], told["data"]["arp"]) == (False, "C5")


@pytest.mark.req("APP4-VS-05", "APP4-VS-06", "APP4-VR-22")
async def test_a_ready_rejection_hands_the_case_back(database_url: str, second_database_url: str) -> None:
    async with two_sites(database_url, second_database_url, strict=True) as sites:
        cas = await _answering(sites)
        answer = await cas.post("reject", cas.rejection(), **{"Acting-User": "Nell Nurse"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["state"] == "rejected"
        returned = await sites.ast.event(cas.asked["id"], "case.returned")
        assert returned["data"]["reason"] == {"code": "FC", "text": "Rang three times"}
        told = await sites.responder.event(cas.held["id"], "case.returned", key=CLINICIAN_KEY)
        assert told["data"]["by"] == "Nell Nurse (clinicians)"


OUTCOMES = [
    (Outcome.SAME, None, "dispatch_required", "C3"),
    (Outcome.DOWNGRADE, None, "dispatch_required", "C4"),
    (Outcome.UPGRADE, "S1234567", "dispatch_required", "C2"),
    (Outcome.PATIENT_LIFTED, None, "completed", "C5"),
]


@pytest.mark.req("APP4-VS-18", "APP4-VS-19", "APP4-VS-22")
async def test_a_ready_final_without_interim_is_new_and_every_outcome_is_understood(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url, strict=True) as sites:
        for outcome, cad_id, state, arp in OUTCOMES:
            cas = await _answering(sites, case_number=f"YAS-{outcome}")
            answer = await cas.post("complete", cas.final(outcome, cad_id=cad_id, interim_sent=False))
            assert answer.status_code == 200, answer.text
            asked = await sites.ast.state(cas.asked["id"], state)
            assert asked["duplicate_of"] == cad_id
            told = (await sites.ast.event(cas.asked["id"], "case.completed"))["data"]
            assert told["arp"] == arp
            assert (told["clock_start"] > cas.asked["clock_start"]) is (outcome is Outcome.UPGRADE)


def _resource(bundle: Json, kind: str) -> Json:
    found: Json = next(e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind)
    return found


def _of_another_request(bundle: Json) -> None:
    _resource(bundle, "MessageHeader")["response"]["identifier"] = "00000000-0000-4000-8000-000000000000"


def _to_another_service(bundle: Json) -> None:
    _resource(bundle, "MessageHeader")["destination"][0]["endpoint"] = ANSWERED_BY["a4t2"]


def _of_another_patient(bundle: Json) -> None:
    _resource(bundle, "Patient")["identifier"][0]["value"] = "9990000026"


def _with_another_id(bundle: Json) -> None:
    _resource(bundle, "Patient")["id"] = "somebody-elses"


def _of_another_encounter(bundle: Json) -> None:
    header = _resource(bundle, "MessageHeader")
    own = next(e for e in bundle["entry"] if e["fullUrl"] == header["focus"][0]["reference"])
    own["resource"]["id"] = "another"


def _closing_with_an_ambulance(bundle: Json) -> None:
    _resource(bundle, "CarePlan")["status"] = "active"


def _with_a_new_clock(bundle: Json) -> None:
    _resource(bundle, "CarePlan")["period"]["start"] = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()


def _as_the_first_response(bundle: Json) -> None:
    _resource(bundle, "MessageHeader")["reason"]["coding"][0] |= {"code": "new", "display": "New"}


SPOILT: list[tuple[Callable[[Json], None], str]] = [
    (_of_another_request, "response.identifier"),
    (_to_another_service, "destination.endpoint"),
    (_of_another_patient, "Patient"),
    (_with_another_id, "resource.id"),
    (_of_another_encounter, "focus.resolve().id"),
    (_closing_with_an_ambulance, "CarePlan).status"),
    (_with_a_new_clock, "period.start"),
    (_as_the_first_response, "MessageHeader).reason"),
]


async def test_a_response_that_does_not_fit_the_case_is_refused_with_its_path(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        cas = await _answering(sites)
        assert (await cas.post("start", cas.interim())).status_code == 200
        for spoil, path in SPOILT:
            bundle = cas.final(Outcome.HEAR_AND_TREAT)
            spoil(bundle)
            answer = await cas.post("complete", bundle)
            assert answer.status_code == 422, (spoil, answer.text)
            assert any(path in error["path"] for error in answer.json()["errors"]), (spoil, answer.text)
            assert "9990000026" not in answer.text
        assert (await sites.responder.case(cas.held["id"], key=CLINICIAN_KEY))["state"] == "in_progress"
        assert (await cas.post("complete", cas.final(Outcome.HEAR_AND_TREAT))).status_code == 200


async def test_each_action_takes_its_own_kind_of_response_and_each_once(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        cas = await _answering(sites)
        mine = f"/cases/{cas.asked['id']}/start"
        requesters = await sites.ast.api("POST", mine, content=json.dumps(cas.interim()).encode(), headers=FHIR)
        assert requesters.status_code == 409, "a requester gives no response"
        upgrade = cas.final(Outcome.UPGRADE, interim_sent=False)
        without_itk = await cas.post("complete", upgrade)
        assert without_itk.status_code == 422
        assert "outcomeReference" in without_itk.text
        assert (await cas.post("complete", cas.interim())).status_code == 422
        assert (await cas.post("accept", cas.interim())).status_code == 422, "a CAS tells when it starts"
        interim = cas.interim()
        assert (await cas.post("start", interim)).status_code == 200
        assert (await cas.post("start", cas.interim())).status_code == 409
        final = cas.final(Outcome.HEAR_AND_TREAT)
        taken = final | {"id": interim["id"]}
        assert (await cas.post("complete", taken)).status_code == 409, "a Bundle.id is used once"
        assert (await cas.post("complete", final)).status_code == 200
        assert (await cas.post("complete", cas.final(Outcome.SAME))).status_code == 409, "the case has ended here"


async def test_an_update_that_nobody_read_and_another_clinicians_claim_hold_for_ready_responses_too(
    database_url: str, second_database_url: str
) -> None:
    async with two_sites(database_url, second_database_url) as sites:
        cas = await _answering(sites)
        await sites.answer(cas.held, "accept", {"by": "Ann"})
        anothers = await cas.post("start", cas.interim())
        assert anothers.status_code == 409
        assert "Ann" in anothers.text
        begun = await cas.post("start", cas.interim(), **{"Take-Over": "true"})
        assert begun.status_code == 200, begun.text
        version = begun.json()["version"]
        stale = await cas.post("complete", cas.final(Outcome.HEAR_AND_TREAT), **{"If-Match": f'"{version - 1}"'})
        assert stale.status_code == 409
        done = await cas.post("complete", cas.final(Outcome.HEAR_AND_TREAT), **{"If-Match": f'"{version}"'})
        assert done.status_code == 200, done.text
