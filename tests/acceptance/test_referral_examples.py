"""Official CAD-to-CAD and category 5 messages, unchanged but for their addressing."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.by_hand import messages_of, types_of
from tests.referrals import ids, official, receiving
from tests.service import CLINICIAN_KEY, EOC, OUR_CAS, Running
from tests.shared_material import needs_shared

C1_SERIES = ("refreq08a", "refreq08b", "refreq08c", "refreq08d")
C2_SERIES = ("refreq09a", "refreq09b", "refreq09c")

pytestmark = needs_shared


async def _post(running: Running, name: str, correlation_id: str, *, destination: str = EOC) -> None:
    answer = await running.post_message(official(name, destination=destination), headers=ids(correlation_id))
    assert answer.status_code == 200, f"{name}: {answer.text}"


async def _cases(running: Running, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await running.api("GET", "/cases", **more)).json()["cases"]
    return [await running.case(case["id"], **more) for case in found]


@pytest.mark.req("APP6-UPD-02", "APP6-UPD-04", "APP6-REF-09")
async def test_the_c1_series_becomes_one_case_that_tells_all_of_it(database_url: str) -> None:
    async with receiving(database_url) as running:
        correlation = str(uuid4())
        await _post(running, C1_SERIES[0], correlation)
        early = (await _cases(running))[0]
        assert early["arp"] is None
        assert early["content"]["triage"]["pre_triage_sieve"]["breathing"] is False
        for name in C1_SERIES[1:]:
            await _post(running, name, correlation)
        found = await _cases(running)
        assert len(found) == 1
        case = found[0]
        content = case["content"]
        assert (case["arp"], case["state"]) == ("C1", "received")
        assert content["timings"]["cpr_start"]
        assert content["triage"]["pathways"]["dx"]
        assert content["call_log"] or content["crew_notes"]
        assert content["scene_safety"]["status"] != "unknown"
        assert await types_of(running, case["id"]) == ["case.created", *["case.updated"] * 3]
        kept = await messages_of(running, case["id"])
        assert [message["kind"] for message in kept] == ["request", "update", "update", "update"]


@pytest.mark.req("APP6-UPD-05")
async def test_the_receivers_encounter_that_an_update_echoes_never_touches_the_case(database_url: str) -> None:
    async with receiving(database_url) as running:
        correlation = str(uuid4())
        await _post(running, C1_SERIES[0], correlation)
        case = (await _cases(running))[0]
        allocated = await running.api("POST", f"/cases/{case['id']}/status", json={"status": "in-progress"})
        assert allocated.status_code == 200
        await _post(running, C1_SERIES[1], correlation)
        now = await running.case(case["id"])
        assert now["state"] == "in_progress"
        assert [change["status"] for change in now["status_history"]] == ["planned", "in-progress"]


@pytest.mark.req("APP6-UPD-02", "APP6-UPD-04")
async def test_series_that_share_their_full_urls_stay_apart(database_url: str) -> None:
    """The examples use the same Bundle.id, fullUrls and journey for several patients; the conversation tells."""
    first, second, third = str(uuid4()), str(uuid4()), str(uuid4())
    async with receiving(database_url) as running:
        await _post(running, "refreq04", third)
        other = (await _cases(running))[0]
        await _post(running, C1_SERIES[0], first)
        await _post(running, C2_SERIES[0], second)
        await _post(running, C1_SERIES[1], first)
        await _post(running, C2_SERIES[1], second)
        await _post(running, C1_SERIES[2], first)
        await _post(running, C2_SERIES[2], second)
        await _post(running, C1_SERIES[3], first)
        by_priority = {case["arp"]: case for case in await _cases(running)}
        assert set(by_priority) == {"C1", "C2", "C3"}
        updates = {
            arp: (await types_of(running, case["id"])).count("case.updated") for arp, case in by_priority.items()
        }
        assert updates == {"C1": 3, "C2": 2, "C3": 0}
        families = {arp: case["content"]["patient"]["name"]["family"] for arp, case in by_priority.items()}
        assert families == {"C1": "Jones", "C2": "Grayson", "C3": "Jones"}
        assert by_priority["C3"]["version"] == other["version"]
        sieve = by_priority["C2"]["content"]["triage"]["pre_triage_sieve"]
        assert (sieve["breathing"], sieve["noisy_breathing"]) == (True, False)


@pytest.mark.req("APP6-REF-21", "APP6-REF-23")
@pytest.mark.parametrize(
    ("name", "use_case", "duty"), [("refreq04", "a6t1", "receiver"), ("refreq05", "a6t3", "sender")]
)
async def test_published_requests_are_taken(database_url: str, name: str, use_case: str, duty: str) -> None:
    async with receiving(database_url) as running:
        await _post(running, name, str(uuid4()))
        case = (await _cases(running))[0]
        assert (case["use_case"], case["state"], case["dispatch_duty"]) == (use_case, "received", duty)
        assert case["content"]["patient"]["name"]


@pytest.mark.req("APP3-REF-01", "APP3-REF-09")
async def test_a_published_category_5_referral_is_taken_by_our_cas(database_url: str) -> None:
    async with receiving(database_url) as running:
        await _post(running, "refreq02", str(uuid4()), destination=OUR_CAS)
        case = (await _cases(running, key=CLINICIAN_KEY))[0]
        assert (case["use_case"], case["dispatch_duty"]) == ("a3t1", "receiver")


@pytest.mark.req("APP-COM-16")
async def test_published_positions_are_exchanged_and_that_is_said_and_not_corrected(database_url: str) -> None:
    async with receiving(database_url) as running:
        await _post(running, "refreq04", str(uuid4()))
        case = (await _cases(running))[0]
        assert case["content"]["incident_location"]["latitude"] < 0
        assert case["content"]["coordinate_readings"]["swapped"]["latitude"] > 50
        assert case["discovery"]["answer"]["outcome"] == "rejected"
        assert {"S1", "APP6-LOC-06"} <= {warning["rule"] for warning in case["warnings"]}
