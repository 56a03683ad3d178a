"""Other services refer to us: received, plotted again, accepted or refused, and every change of status sent back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
import pytest

from tests.by_hand import a_clock, messages_of, reasons_of, sweep, types_of
from tests.referrals import HOME_AST, NEWCASTLE, RemoteSender, ids, location, receiving
from tests.service import CAD_KEY, CLINICIAN_KEY, Running

REASON = {"code": "RRNA", "text": "Both crews are committed for the next hour"}


async def received(running: Running, sender: RemoteSender, *, key: str = CAD_KEY) -> dict[str, Any]:
    """Post a referral and give the case of ours that it made."""
    known = {case["id"] for case in await cases(running, key)}
    answer = await sender.post(running, sender.new())
    assert answer.status_code == 200, answer.text
    return next(case for case in await cases(running, key) if case["id"] not in known)


async def cases(running: Running, key: str = CAD_KEY) -> list[dict[str, Any]]:
    """Our cases in the order of the queue."""
    found: list[dict[str, Any]] = (await running.api("GET", "/cases", key=key)).json()["cases"]
    return found


async def act(
    running: Running, case: dict[str, Any], action: str, *, key: str = CAD_KEY, **body: Any
) -> dict[str, Any]:
    """Do something with a case that fits it."""
    answer = await running.api("POST", f"/cases/{case['id']}/{action}", key=key, json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def responses(running: Running, case: dict[str, Any], *, key: str = CAD_KEY) -> list[dict[str, Any]]:
    """Our own messages about a case, in order."""
    found = await messages_of(running, case["id"], key=key)
    return [orjson.loads(message["body"]) for message in found if message["direction"] == "out"]


def resources(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """The resources of a type."""
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def own_encounter(bundle: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Our Encounter in a message of ours."""
    found = [e for e in resources(bundle, "Encounter") if e["identifier"][0]["value"] == case["case_number"]]
    assert len(found) == 1
    return found[0]


# --- receipt --------------------------------------------------------------------------------------


@pytest.mark.req("APP6-REF-21", "APP6-REF-22", "APP6-REF-27")
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_a_referral_makes_a_case_with_everything_it_says(database_url: str, use_case: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of(use_case)
        answer = await sender.post(running, sender.new())
        assert answer.status_code == 200, answer.text
        case = (await cases(running))[0]
        planned = own_encounter(answer.json(), case)
        assert planned["status"] == "planned"
        assert case["state"] == "received"
        assert case["content"]["patient"]["name"]["family"] == "Sample"
        assert case["content"]["triage"]["arp"] == case["arp"] == "C3"
        assert case["sender"] == HOME_AST
        assert case["dispatch_duty"] == ("receiver" if use_case == "a6t1" else "sender")
        assert await types_of(running, case["id"]) == ["case.created"]


@pytest.mark.req("APP6-REF-08")
@pytest.mark.parametrize("status", ["in-progress", "triaged", "finished"])
async def test_a_referral_is_taken_whatever_state_its_sender_has_it_in(database_url: str, status: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of()
        bundle = orjson.loads(sender.new())
        resources(bundle, "Encounter")[0]["status"] = status
        assert (await running.post_message(bundle, headers=ids(sender.correlation_id))).status_code == 200
        update = orjson.loads(sender.update(presenting_complaint="Now unconscious"))
        resources(update, "Encounter")[0]["status"] = status
        taken = await running.post_message(update, headers=ids(sender.correlation_id))
        assert taken.status_code == 200, taken.text
        assert (await cases(running))[0]["content"]["sender_encounter_status"] == status


@pytest.mark.req("APP6-REF-09", "APP6-QST-03")
async def test_an_early_referral_is_taken_with_almost_nothing_known(database_url: str) -> None:
    async with receiving(database_url) as running:
        early = RemoteSender.of(
            patient={}, contacts=[], triage={"pre_triage_sieve": {"breathing": False}}, presenting_complaint=None
        )
        case = await received(running, early)
        assert case["arp"] is None
        assert case["content"]["triage"]["pre_triage_sieve"] == {"breathing": False}
        detail = await running.case(case["id"])
        intake = next(deadline for deadline in detail["deadlines"] if deadline["kind"] == "intake")
        since = datetime.fromisoformat(case["created_at"])
        assert datetime.fromisoformat(intake["due_at"]) - since <= timedelta(minutes=1)


@pytest.mark.req("APP6-LOC-06", "APP6-LOC-07", "APP-COM-13")
async def test_the_location_is_plotted_again_and_kept_beside_what_was_sent(database_url: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of())
        plot = case["discovery"]
        assert plot["how"] == "plotted"
        assert plot["answer"]["ast"]["ods_code"] == "RX8"
        assert {reading["source"] for reading in plot["readings"]} >= {"latitude and longitude", "easting and northing"}
        assert not [w for w in case["warnings"] if w["rule"] in {"APP6-LOC-06", "HAZ-H04-02"}]
        uprn = "10001234567"
        known = await received(running, RemoteSender.of("a6t1", incident_location=location(NEWCASTLE, uprn=uprn)))
        assert known["discovery"]["uprn"] == known["content"]["incident_location"]["uprn"] == uprn


@pytest.mark.req("APP6-LOC-06", "APP-COM-16")
@pytest.mark.parametrize(
    ("place", "rule"),
    [
        pytest.param(NEWCASTLE, "APP6-LOC-06", id="another-area"),
        pytest.param({"latitude": 53.7975, "longitude": -1.5436, "easting": 424864, "northing": 564422}, "HAZ-H04-02"),
        pytest.param({"latitude": 53.7975, "longitude": -1.5436, "postcode": "NE1 3PA"}, "HAZ-H04-02", id="postcode"),
    ],
)
async def test_a_location_that_contradicts_itself_or_our_boundaries_is_a_warning_on_the_case(
    database_url: str, place: dict[str, Any], rule: str
) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of(incident_location=location(place)))
        assert rule in {warning["rule"] for warning in case["warnings"]}
        assert case["content"]["incident_location"]["latitude"] == place["latitude"]


@pytest.mark.req("APP6-REF-26")
async def test_a_mutual_aid_request_for_two_patients_is_refused(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of("a6t3")
        bundle = orjson.loads(sender.new())
        patient = next(entry for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
        bundle["entry"].append({"fullUrl": f"urn:uuid:{uuid4()}", "resource": patient["resource"]})
        answer = await running.post_message(bundle, headers=ids())
        assert answer.status_code == 400
        assert "Patient" in str(answer.json()["issue"])
        assert await cases(running) == []


async def test_what_mutual_aid_asks_for_is_kept_with_its_number_and_time(database_url: str) -> None:
    by = (datetime.now(UTC) + timedelta(minutes=25)).replace(microsecond=0)
    asked = {"text": "Double-crewed ambulance", "number": 2, "by": by.isoformat()}
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of("a6t3", resource_requested=asked))
        assert case["content"]["resource_requested"]["number"] == 2
        assert datetime.fromisoformat(case["needed_by"]) == by
        accepted = await act(running, case, "accept")
        assert accepted["dispatch_duty"] == "sender"
        due = {deadline["kind"]: deadline["due_at"] for deadline in (await running.case(case["id"]))["deadlines"]}
        assert datetime.fromisoformat(due["dispatch"]) == by


# --- statuses -------------------------------------------------------------------------------------


@pytest.mark.req("APP6-RSP-01", "APP6-RSP-02", "APP6-RSP-08")
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_every_change_of_status_sends_a_response_with_the_whole_history(database_url: str, use_case: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of(use_case))
        await act(running, case, "accept", by="Dee Dispatcher")
        for status in ("in-progress", "planned", "in-progress", "finished"):
            await act(running, case, "status", status=status)
        sent = await responses(running, case)
        histories = [[h["status"] for h in own_encounter(bundle, case)["statusHistory"]] for bundle in sent]
        assert histories == [
            ["planned"],
            ["planned", "in-progress"],
            ["planned", "in-progress", "planned"],
            ["planned", "in-progress", "planned", "in-progress"],
            ["planned", "in-progress", "planned", "in-progress", "finished"],
        ]
        assert [own_encounter(bundle, case)["status"] for bundle in sent] == [history[-1] for history in histories]
        told = [e["data"]["status"] for e in await running.events(case["id"]) if e["type"] == "case.status"]
        assert told == ["planned", "in-progress", "planned", "in-progress", "finished"]
        assert (await types_of(running, case["id"]))[-1] == "case.completed"


@pytest.mark.req("APP6-RSP-03", "APP6-RSP-04", "APP6-RSP-05")
async def test_a_status_names_the_request_and_its_focus_is_our_encounter(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of("a6t2")
        case = await received(running, sender)
        await act(running, case, "accept")
        bundle = (await responses(running, case))[0]
        header = resources(bundle, "MessageHeader")[0]
        assert header["eventCoding"]["code"] == "servicerequest-response"
        assert header["reason"]["coding"][0]["code"] == "new"
        assert header["definition"].endswith("/bars-message-servicerequest-response-referral-short")
        assert header["response"]["identifier"] == sender.envelope.bundle_id
        assert resources(bundle, "ServiceRequest")[0]["status"] == "active"
        focus = next(e["resource"] for e in bundle["entry"] if e["fullUrl"] == header["focus"][0]["reference"])
        assert focus == own_encounter(bundle, case)


@pytest.mark.req("APP6-RSP-07", "APP6-TIM-07")
async def test_a_status_holds_both_encounters_and_keeps_call_times_and_statuses_apart(database_url: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of("a6t1"))
        assert [change["status"] for change in case["status_history"]] == ["planned"]
        await act(running, case, "status", status="in-progress")
        bundle = (await responses(running, case))[0]
        assert len(resources(bundle, "Encounter")) == 2
        senders = next(e for e in resources(bundle, "Encounter") if e is not own_encounter(bundle, case))
        assert "arrived" in {entry["status"] for entry in senders["statusHistory"]}
        assert [h["status"] for h in own_encounter(bundle, case)["statusHistory"]] == ["planned", "in-progress"]


# --- acceptance and refusal -----------------------------------------------------------------------


@pytest.mark.req("APP6-RSP-17", "APP6-REF-24")
async def test_accepting_a_call_assist_sends_planned_and_takes_the_duty(database_url: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of("a6t2"))
        accepted = await act(running, case, "accept")
        assert (accepted["state"], accepted["dispatch_duty"]) == ("accepted", "receiver")
        bundle = (await responses(running, case))[0]
        assert own_encounter(bundle, case)["status"] == "planned"
        assert not [d for d in (await running.case(case["id"]))["deadlines"] if d["kind"] == "intake"]


@pytest.mark.req("APP6-RSP-09", "APP6-RSP-10")
@pytest.mark.parametrize("use_case", ["a6t2", "a6t3"])
async def test_a_refusal_carries_its_reason(database_url: str, use_case: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of(use_case))
        refused = await act(running, case, "reject", **REASON)
        assert (refused["state"], refused["dispatch_duty"]) == ("rejected", "sender")
        own = own_encounter((await responses(running, case))[0], case)
        coding = own["reasonCode"][0]["coding"][0]
        assert own["status"] == "cancelled"
        assert coding["code"] == "RRNA"
        assert coding["system"].endswith("/rejected-reasons-bars")
        assert coding["display"]


@pytest.mark.req("APP6-RSP-10")
async def test_between_ambulance_services_a_failed_contact_is_no_reason(database_url: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of("a6t2"))
        answer = await running.api("POST", f"/cases/{case['id']}/reject", json={"code": "FC", "text": "No answer"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["path"] == "code"


@pytest.mark.req("APP6-RSP-09")
async def test_an_out_of_area_referral_cannot_be_refused(database_url: str) -> None:
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of("a6t1"))
        answer = await running.api("POST", f"/cases/{case['id']}/reject", json=REASON)
        assert answer.status_code == 409
        assert "cannot be refused" in answer.json()["detail"]
        assert await responses(running, case) == []
        assert (await running.case(case["id"]))["dispatch_duty"] == "receiver"


@pytest.mark.parametrize("action", ["start", "complete", "cancel", "dispatch"])
async def test_an_action_of_another_kind_of_case_does_not_fit(database_url: str, action: str) -> None:
    body = {"reason": "x"} if action == "cancel" else {}
    async with receiving(database_url) as running:
        case = await received(running, RemoteSender.of("a6t2"))
        answer = await running.api("POST", f"/cases/{case['id']}/{action}", json=body)
        assert answer.status_code == (422 if action == "complete" else 409)


async def test_a_referral_that_nobody_looks_at_escalates_once(database_url: str) -> None:
    clock = a_clock()
    async with receiving(database_url, clock=clock) as running:
        case = await received(running, RemoteSender.of("a6t1"))
        for _ in range(2):
            clock.advance(timedelta(minutes=10, seconds=1))
            await sweep(running)
        assert reasons_of(await running.case(case["id"])) == ["intake-overdue"]


# --- updates and cancellations --------------------------------------------------------------------


@pytest.mark.req("APP6-UPD-04", "APP6-RSP-02")
async def test_updates_are_merged_into_one_case_and_never_touch_its_own_status(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of("a6t1", triage={"pre_triage_sieve": {"breathing": True, "conscious": False}})
        case = await received(running, sender)
        await act(running, case, "status", status="in-progress")
        triage = {"arp": "C1", "summary": "Peri-arrest", "pre_triage_sieve": {"breathing": True, "conscious": False}}
        for changes in (
            {"triage": triage},
            {"scene_safety": {"status": "unsafe", "reasons": ["Dog loose"]}},
            {"call_log": [{"at": datetime.now(UTC).isoformat(), "text": "CPR in progress"}]},
        ):
            answer = await sender.post(running, sender.update(**changes))
            assert answer.status_code == 200, answer.text
            assert own_encounter(answer.json(), case)["status"] == "in-progress"
        now = await running.case(case["id"])
        assert (now["state"], now["arp"]) == ("in_progress", "C1")
        assert now["content"]["scene_safety"]["reasons"] == ["Dog loose"]
        assert now["content"]["call_log"][0]["text"] == "CPR in progress"
        assert len(await cases(running)) == 1
        assert (await types_of(running, case["id"])).count("case.updated") == 3


@pytest.mark.req("APP6-UPD-03")
async def test_an_update_of_what_we_do_not_hold_is_not_found(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of("a6t1")
        sender.new()
        answer = await sender.post(running, sender.update(presenting_complaint="Fall"))
        issue = answer.json()["issue"][0]
        assert (answer.status_code, issue["code"]) == (404, "not-found")
        assert issue["details"]["coding"][0]["code"] == "REC_NOT_FOUND"


@pytest.mark.req("APP6-CAN-02")
@pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
@pytest.mark.parametrize("use_case", ["a6t1", "a6t2", "a6t3"])
async def test_a_cancellation_ends_the_case_and_its_duty(database_url: str, use_case: str, status: Any) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of(use_case)
        case = await received(running, sender)
        answer = await sender.post(running, sender.cancellation(status))
        assert answer.status_code == 200, answer.text
        now = await running.case(case["id"])
        assert (now["state"], now["dispatch_duty"], now["deadlines"]) == ("cancelled", "sender", [])
        late = await running.api("POST", f"/cases/{case['id']}/status", json={"status": "in-progress"})
        assert late.status_code == 409


# --- category 5 -----------------------------------------------------------------------------------


@pytest.mark.req("APP3-REF-11", "APP3-REF-09")
async def test_the_queue_of_category_5_referrals_is_ordered_by_call_back_time(database_url: str) -> None:
    now = datetime.now(UTC)
    async with receiving(database_url) as running:
        for hours in (3, 1, 2):
            due = (now + timedelta(hours=hours)).isoformat()
            case = await received(running, RemoteSender.of("a3t1", breach_at=due), key=CLINICIAN_KEY)
            assert case["dispatch_duty"] == "receiver"
        queue = await cases(running, CLINICIAN_KEY)
        assert [case["breach_at"] for case in queue] == sorted(case["breach_at"] for case in queue)


@pytest.mark.req("APP3-UPD-01", "APP3-INT-01", "APP3-REF-12")
async def test_a_category_5_referral_is_updated_worked_and_never_answered(database_url: str) -> None:
    async with receiving(database_url) as running:
        sender = RemoteSender.of("a3t1")
        case = await received(running, sender, key=CLINICIAN_KEY)
        assert (await sender.post(running, sender.update(presenting_complaint="Rash"))).status_code == 200
        await act(running, case, "start", key=CLINICIAN_KEY)
        await act(running, case, "status", key=CLINICIAN_KEY, status="finished")
        now = await running.case(case["id"], key=CLINICIAN_KEY)
        assert now["content"]["presenting_complaint"] == "Rash"
        assert now["content"]["triage"]["summary"]
        assert await responses(running, case, key=CLINICIAN_KEY) == []
        assert await types_of(running, case["id"], key=CLINICIAN_KEY) == [
            "case.created",
            "case.updated",
            "case.in_progress",
            "case.status",
            "case.completed",
        ]


async def test_a_patient_who_was_not_called_in_time_escalates(database_url: str) -> None:
    clock = a_clock()
    async with receiving(database_url, clock=clock) as running:
        due = (clock() + timedelta(minutes=20)).isoformat()
        case = await received(running, RemoteSender.of("a3t1", breach_at=due), key=CLINICIAN_KEY)
        await act(running, case, "accept", key=CLINICIAN_KEY)
        clock.advance(timedelta(minutes=21))
        await sweep(running)
        assert reasons_of(await running.case(case["id"], key=CLINICIAN_KEY)) == ["callback-overdue"]
