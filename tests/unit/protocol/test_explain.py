from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.protocol import definitions as d
from cad_bridge.protocol.explain import Explanation, explain
from tests.unit.protocol.messages import OWN, REQUEST_URL, message, raw, response


def test_an_accepted_message_is_explained_with_the_rows_above() -> None:
    assert explain(raw(message())).text().splitlines() == [
        "The message has event servicerequest-request, reason new, category validation, use case a4t1, "
        "ServiceRequest.status active, Encounter.status triaged, CarePlan.status active, "
        "definition request-validation.",
        "Row DT-02: new validation request (accepted).",
        "By: Core and Application 4; X-58.",
        "The rows above did not fire, because they need:",
        "  DT-08: reason update",
        "  DT-09: reason update",
        "  DT-09b: reason delete",
        "  DT-01: category referral",
    ]


def test_a_refused_message_is_explained_with_the_error_and_what_the_definition_misses() -> None:
    explanation = explain(raw(message(careplan_status="completed", without="HealthcareService")))
    assert not explanation.is_accepted
    lines = explanation.text().splitlines()
    assert "Row DT-99: error: unknown or non-standard workflow (400 - REC_BAD_REQUEST)." in lines
    assert "  DT-02: CarePlan.status active" in lines
    assert lines[-1].startswith(
        "error: Bundle.entry.resource.ofType(HealthcareService): The definition request-validation"
    )


def test_strictness_changes_the_verdict_and_not_the_row() -> None:
    cancel = raw(message(reason="delete", sr_status="revoked", definition=d.REQUEST_CANCELLED))
    verdicts = [
        (e.is_accepted, e.decision.row.id) for e in (explain(cancel), explain(cancel, strict=True)) if e.decision
    ]
    assert verdicts == [(True, "DT-09b"), (False, "DT-09b")]


def test_whose_encounter_is_whose_is_assumed_aloud_where_the_file_does_not_tell() -> None:
    bundle = response(category="referral", use_case="a6t3", definition=d.RESPONSE_SHORT, responder_status="planned")
    header, request = bundle["entry"][0]["resource"], bundle["entry"][1]["resource"]
    header["focus"] = [{"reference": REQUEST_URL}]
    del request["encounter"]
    assumed = explain(raw(bundle))
    assert assumed.assumption == "the first Encounter is the requester's, the second the responder's."
    assert assumed.decision is not None
    assert assumed.decision.row.id == "DT-15"
    assert "Assumed: " in assumed.text()
    assert explain(raw(bundle), own_encounters=OWN).assumption is None


def test_an_unknown_definition_is_said() -> None:
    explanation = explain(raw(message(definition="https://fhir.nhs.uk/MessageDefinition/other")))
    assert [(issue.code, issue.rule) for issue in explanation.issues] == [("not-supported", "G-01")]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"resourceType":"Patient"}'])
def test_what_is_no_message_has_findings_and_no_row(body: bytes) -> None:
    explanation = explain(body)
    assert (explanation.decision, explanation.is_accepted) == (None, False)
    assert explanation.text().startswith("error: ")


def test_the_same_can_be_had_as_json() -> None:
    told = json.loads(json.dumps(explain(raw(message())).as_dict()))
    assert (told["accepted"], told["row"], told["fault"], told["issues"]) == (True, "DT-02", None, [])
    assert told["not_fired"][-1] == {"row": "DT-01", "needs": "category referral"}
    refused = explain(b"{").as_dict()
    assert (refused["row"], refused["not_fired"]) == (None, [])


@given(st.binary(max_size=200))
def test_any_bytes_are_explained(body: bytes) -> None:
    assert isinstance(explain(body), Explanation)
