"""Discovery and cases: why a case went where it went, and what is doubtful about the place of one that came."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messages import update, validation_request
from tests.referrals import NEWCASTLE, OTHER_AST, location, receiving, refer, referral_body
from tests.service import CLINICIAN_KEY, OUR_CAS, Running, configuration, serving

NOWHERE = "http://127.0.0.1:9"


async def decisions(running: Running, case_id: str) -> list[dict[str, Any]]:
    answer = await running.api("GET", f"/cases/{case_id}/discovery")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["decisions"]
    return found


@pytest.mark.req("APP6-REF-11")
async def test_the_sender_sees_why_a_receiver_was_picked(database_url: str) -> None:
    async with receiving(database_url) as running:
        case = await refer(running, incident_location=location(NEWCASTLE))
        (decision,) = await decisions(running, case["id"])
        assert (decision["how"], decision["ods_code"], decision["service_id"]) == ("automatic", "RX6", case["receiver"])
        assert decision["decided_by"] == "eoc-cad"
        assert decision["reason"] is None
        assert decision["doubts"] == []
        assert decision["boundary_version"].startswith("default-")
        assert decision["discovery"]["border_m"] > 1000
        hidden = await running.api("GET", f"/cases/{case['id']}/discovery", key=CLINICIAN_KEY)
        assert hidden.status_code == 404


async def test_a_manual_choice_is_recorded_with_its_reason_and_what_it_overruled(database_url: str) -> None:
    async with receiving(database_url) as running:
        named = {"receiver": OTHER_AST, "incident_location": location(NEWCASTLE)}
        refused = await running.api("POST", "/referrals", json=referral_body(**named))
        assert refused.status_code == 409
        confirmation = {"by": "Dee Dispatcher", "reason": "Their crew stands at the scene"}
        case = await refer(running, confirm_receiver=confirmation, **named)
        (decision,) = await decisions(running, case["id"])
        assert (decision["how"], decision["ods_code"], decision["service_id"]) == ("manual", "RX7", OTHER_AST)
        assert decision["reason"] == "Their crew stands at the scene"
        assert decision["decided_by"].startswith("Dee Dispatcher")
        assert decision["discovery"]["ast"]["ods_code"] == "RX6"
        assert decision["doubts"][0].startswith("receiver-elsewhere:")


async def test_a_real_site_needs_boundaries_for_operational_use(database_url: str) -> None:
    inbound = {"proxy_address": "10.0.0.5", "subjects": ["CN=proxy"]}
    async with receiving(database_url, bars={"base_url": NOWHERE, "inbound": inbound}) as running:
        asked = await running.api("POST", "/referrals", json=referral_body())
        assert asked.status_code == 409
        assert asked.json()["discovery"]["confirm"][0].startswith("illustrative:")


# --- received cases ---------------------------------------------------------------------------------------


def placed(bundle: dict[str, Any], **changes: str | float) -> dict[str, Any]:
    """The bundle with another position, grid, or postcode of the incident."""
    (incident,) = (e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "Location")
    for name, value in changes.items():
        if name in {"latitude", "longitude"}:
            incident["position"][name] = value
        elif name == "postalCode":
            incident["address"][name] = value
        else:
            parts = incident["extension"][0]["extension"]
            parts[:] = [*(part for part in parts if part["url"] != name), {"url": name, "valueString": value}]
    return bundle


async def rules(running: Running) -> list[str]:
    (case,) = (await running.api("GET", "/cases", key=CLINICIAN_KEY)).json()["cases"]
    about_places = {"HAZ-H04-02", "HAZ-H04-03", "S1", "S2"}
    return [warning["rule"] for warning in case["warnings"] if warning["rule"] in about_places]


async def test_a_place_without_doubt_raises_no_warning(database_url: str) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        assert (await running.post_message(validation_request(destination=OUR_CAS))).status_code == 200
        assert await rules(running) == []


@pytest.mark.req("HAZ-H04-02", "APP-COM-16")
@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"northings": "453562"}, "HAZ-H04-02"),
        ({"postalCode": "EX1 1AA"}, "HAZ-H04-02"),
        ({"latitude": -1.5436, "longitude": 53.7975}, "S1"),
    ],
    ids=["grid", "postcode", "swapped"],
)
async def test_a_doubtful_place_is_accepted_kept_and_shown_with_a_warning(
    database_url: str, changes: dict[str, Any], rule: str
) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        message = placed(validation_request(destination=OUR_CAS), **changes)
        answer = await running.post_message(message)
        assert answer.status_code == 200, answer.text
        assert set(await rules(running)) == {rule}


async def test_an_update_brings_the_doubts_of_its_own_place(database_url: str) -> None:
    async with serving(configuration(base_url=NOWHERE), database_url, background=False) as running:
        message = validation_request(destination=OUR_CAS)
        ids = {"X-Correlation-Id": "9562466f-c982-4bd5-bb0e-255e9f5e6689"}
        answer = (await running.post_message(message, headers=ids)).json()
        assert await rules(running) == []
        moved = placed(update(message, answer, summary="Moved"), northings="453562")
        for entry in moved["entry"]:
            if entry["resource"]["resourceType"] == "Location":
                entry["resource"]["meta"]["lastUpdated"] = "2099-01-01T00:00:00+00:00"
        taken = await running.post_message(moved, headers=ids)
        assert taken.status_code == 200, taken.text
        assert set(await rules(running)) == {"HAZ-H04-02"}
