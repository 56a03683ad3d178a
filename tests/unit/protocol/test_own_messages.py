"""What we send of a validation is taken by a strict service of ours: every outcome, reason and kind of update."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_response import interim_bundle, rejection_bundle
from cad_bridge.fhir.build_update import update_bundle
from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.content import Outcome, RejectionReason, Request
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.definitions import check_definition
from tests.contents import LATER, envelope, own_encounter, plain_outcome, plain_request
from tests.strategies import outcomes, requests

FULL = plain_request(
    flags=[{"category": "SG", "text": "one", "date": "2026-11-21"}, {"category": "RC"}],
    chief_concern="Fall",
    allergies=[{"text": "Latex"}],
    medications=[{"text": "Aspirin"}],
    timings={"call_connect": "2026-11-21T11:56:12Z", "cpr_start": "2026-11-21T11:58:00Z"},
)
BARE = plain_request(flags=[], presenting_complaint=None)


def refused(raw: bytes) -> list[tuple[str, str]]:
    """The rules by which a strict service refuses a message, with their places."""
    structure = check_structure(raw)
    assert structure.bundle is not None
    facts = read_facts(structure.bundle)
    issues = [*structure.issues, *check_definition(facts, strict=True)]
    issues += check_message(structure.bundle, facts, strict=True)
    return [(issue.rule, issue.expression) for issue in issues if issue.is_error]


def issued(raw: bytes) -> dict[str, str]:
    """What a receiver issues: an id for all that came without one."""
    entries = orjson.loads(raw)["entry"]
    return {e["fullUrl"]: f"id-{n}" for n, e in enumerate(entries) if "id" not in e["resource"]}


def update(held: bytes, now: Request, message: int = 2) -> bytes:
    return update_bundle(held, now, issued_ids=issued(held), envelope=envelope(message=message, at=LATER))


def response(request: bytes) -> dict[str, Any]:
    return {
        "issued_ids": issued(request),
        "encounter": own_encounter(),
        "envelope": envelope(from_requester=False, bundle=2, message=5, at=LATER),
    }


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(first=requests(), then=requests(), outcome=outcomes(), code=st.sampled_from(["RRNA", "OTH", "FC"]))
def test_a_strict_service_takes_whatever_is_sent(first: Request, then: Request, outcome: Outcome, code: str) -> None:
    opened = request_bundle(first, envelope())
    same = {"use_case": first.use_case, "case_number": first.case_number, "journey_id": first.journey_id}
    changed = update(opened, then.model_copy(update=same))
    by = outcome.practitioner
    sent = {
        "request": opened,
        "update": changed,
        "update back": update(changed, first, message=3),
        "interim": interim_bundle(changed, practitioner=by, **response(changed)),
        "rejection": rejection_bundle(changed, practitioner=by, reason=RejectionReason(code=code), **response(changed)),
        "final": final_bundle(changed, outcome=outcome, interim_sent=True, **response(changed)),
    }
    assert {kind: refused(raw) for kind, raw in sent.items()} == {kind: [] for kind in sent}


@pytest.mark.req("PAY-FLG-05", "PAY-OBS-05")
def test_what_is_taken_back_keeps_the_status_that_the_tables_fix() -> None:
    gone = update(request_bundle(FULL, envelope()), BARE)
    entries = [entry["resource"] for entry in orjson.loads(gone)["entry"]]
    flags = [one for one in entries if one["resourceType"] == "Flag"]
    assert {one["status"] for one in flags} == {"active"}
    assert [one["code"].get("text") for one in flags][1:] == ["No longer holds: one", "No longer holds"]
    assert [one.get("period", {}).get("end") for one in flags][1:] == ["2026-11-21T12:10:00+00:00"] * 2
    observed = [one for one in entries if "dataAbsentReason" in one]
    assert {one["code"]["text"] for one in observed} >= {"Presenting complaint", "Chief concern"}
    assert {one["status"] for one in observed} == {"final"}
    # Whoever passes over the reason of the absence must find nothing that no longer holds.
    assert not any(name.startswith(("value", "effective")) for one in observed for name in one)
    assert refused(gone) == []


@pytest.mark.parametrize("status", ["revoked", "entered-in-error"])
def test_a_cancellation_after_an_update_is_taken(status: Any) -> None:
    held = update(request_bundle(FULL, envelope()), BARE)
    cancelled = cancellation_bundle(
        held, issued_ids=issued(held), status=status, reason_text="Called back", envelope=envelope(message=4, at=LATER)
    )
    assert refused(cancelled) == []


@pytest.mark.parametrize("flags", [(), ({"category": "RA", "code": {"code": "doeslipread"}},)])
def test_an_outcome_that_takes_flags_back_is_taken(flags: Any) -> None:
    asked = request_bundle(FULL, envelope())
    final = final_bundle(asked, outcome=plain_outcome(flags=flags), interim_sent=True, **response(asked))
    assert b"No longer holds: one" in final
    assert refused(final) == []


def test_a_patient_who_signs_is_taken() -> None:
    patient = FULL.patient.model_dump(exclude_none=True) | {"communication": {"language": "q4"}}
    assert refused(request_bundle(plain_request(patient=patient), envelope())) == []
