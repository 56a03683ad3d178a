"""The standard pattern of operations: request, re-request, and what is found out after a lost answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import cad_bridge
from cad_bridge.sandbox import plans
from cad_bridge.sandbox.actions import Start
from cad_bridge.sandbox.faults import Fault
from cad_bridge.sandbox.plans import Script
from cad_bridge.sandbox.server import CasConfig
from tests.messages import validation_request
from tests.service import (
    CLINICIAN_KEY,
    OUR_CAS,
    REMOTE_CAS,
    Running,
    configuration,
    request_body,
    serving,
    until,
    with_sandbox,
)

SILENT = CasConfig(script=Script(plans.silent()))
CATEGORY_DISPLAYS = ("999 - CAS Validation", "For Validation", "CAS Validation")


def _messages(running: Running) -> list[dict[str, Any]]:
    assert running.sandbox is not None
    return [json.loads(entry.request_body) for entry in running.sandbox.journal.entries if entry.method == "POST"]


def _status(bundle: dict[str, Any]) -> str:
    found: str = next(
        e["resource"]["status"] for e in bundle["entry"] if e["resource"]["resourceType"] == "ServiceRequest"
    )
    return found


@pytest.mark.req("CORE-WF-06", "CORE-WF-03", "CORE-BND-02")
async def test_a_case_is_asked_for_anew_only_after_the_open_request_was_revoked(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        body = request_body()
        first = (await running.api("POST", "/validation-requests", json=body)).json()
        await running.state(first["id"], "pending")
        assert (await running.api("POST", "/validation-requests", json=body)).status_code == 409
        await running.api("POST", f"/cases/{first['id']}/cancel", json={"reason": "To be asked for anew"})
        await running.event(first["id"], "case.updated")
        second = await running.api("POST", "/validation-requests", json=body)
        assert second.status_code == 201, second.text
        await running.state(second.json()["id"], "pending")
        assert [_status(bundle) for bundle in _messages(running)] == ["active", "revoked", "active"]


@pytest.mark.req("CORE-TI-30")
async def test_a_case_number_that_was_lost_with_the_200_comes_with_the_first_response(database_url: str) -> None:
    async with with_sandbox(database_url, cas=SILENT) as running:
        assert running.sandbox is not None
        running.sandbox.faults.inject(REMOTE_CAS, Fault.drop_response(method="POST"))
        case = await running.open_case()
        proved = await running.state(case["id"], "pending")
        assert proved["remote_case_number"] is None
        theirs = next(iter(running.sandbox.cas.cases))
        await running.sandbox.cas.act(theirs, Start())

        async def known() -> bool:
            return bool((await running.case(case["id"]))["remote_case_number"] == theirs.case_number)

        await until(known, "the responder's case number")


@pytest.mark.req("CORE-CN-11")
async def test_no_user_is_shown_the_display_of_a_use_case_category(database_url: str) -> None:
    """They are metadata: neither the cases and their events nor any page of the board repeats them."""
    async with serving(configuration(base_url="http://127.0.0.1:9"), database_url, background=False) as running:
        bundle = validation_request(destination=OUR_CAS)
        assert CATEGORY_DISPLAYS[0] in json.dumps(bundle), "the sender wrote it"
        assert (await running.post_message(bundle)).status_code == 200
        listed = await running.api("GET", "/cases", key=CLINICIAN_KEY)
        case = listed.json()["cases"][0]
        read = await running.api("GET", f"/cases/{case['id']}", key=CLINICIAN_KEY)
        events = await running.api("GET", f"/cases/{case['id']}/events", key=CLINICIAN_KEY)
        assert [text for text in CATEGORY_DISPLAYS for a in (listed, read, events) if text in a.text] == []
    pages = (Path(cad_bridge.__file__).parent / "web").rglob("*.*")
    sources = [page for page in pages if page.suffix in {".html", ".py"}]
    assert len(sources) > 10
    assert [page.name for page in sources for text in CATEGORY_DISPLAYS if text in page.read_text("utf-8")] == []
