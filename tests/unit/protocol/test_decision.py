from __future__ import annotations

from typing import Any

import pytest

from cad_bridge.fhir import systems
from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, Coding, OwnEncounters
from cad_bridge.fhir.facts import Facts
from cad_bridge.protocol import definitions as d
from cad_bridge.protocol.decision import COLUMNS, Decision, decide_row, describe, near_misses
from cad_bridge.protocol.decision_rows import ROWS, UNCLEAR, Intent
from tests.unit.protocol.messages import LINKED_URL, OTHER_URL, OWN, OWN_URL, REQUEST_URL, encounter, facts

REJECTED = {"reason_codings": (Coding(systems.REJECTED_REASON, "RRNA", None),)}
OWN_ENCOUNTER = encounter("triaged", full_url=OWN_URL)


def validation_response(*encounters: Any, **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "event": d.RESPONSE,
        "definition": d.RESPONSE_INTERIM,
        "encounters": encounters,
        "careplan_status": None,
    }
    return facts(**(given | changes))


def cad_response(*encounters: Any, **changes: Any) -> Facts:
    given: dict[str, Any] = {"category": "referral", "use_case": "a6t3", "definition": d.RESPONSE_SHORT}
    return validation_response(*encounters, **(given | changes))


def row(found: Facts, *, own: OwnEncounters = OWN, strict: bool = False) -> str:
    return decide_row(found, own_encounters=own, strict=strict).row.id


class TestWhoseEncounter:
    @pytest.mark.req("CORE-MH-16", "APP6-RSP-06")
    def test_a_response_is_read_from_the_encounter_that_it_focuses_on(self) -> None:
        responder = encounter("in-progress", is_focus=True)
        assert row(validation_response(OWN_ENCOUNTER, responder), own=NO_OWN_ENCOUNTERS) == "DT-11"

    @pytest.mark.req("APP6-RSP-06")
    @pytest.mark.parametrize("order", [1, -1])
    def test_a_response_focused_on_the_request_is_read_from_the_encounter_that_is_not_ours(self, order: int) -> None:
        encounters = (OWN_ENCOUNTER, encounter("cancelled", **REJECTED))[::order]
        assert row(cad_response(*encounters)) == "DT-19"

    def test_a_focus_on_our_own_encounter_is_no_response_of_anybody(self) -> None:
        mine = encounter("in-progress", full_url=OWN_URL, is_focus=True)
        assert row(validation_response(mine, encounter("in-progress"))) == "DT-99"

    def test_the_linked_ambulance_case_is_never_taken_for_the_responders_encounter(self) -> None:
        linked = encounter("triaged", full_url=LINKED_URL, is_linked=True)
        response = validation_response(
            OWN_ENCOUNTER, encounter("finished"), linked, definition=d.RESPONSE_FULL, careplan_status="active"
        )
        decision = decide_row(response, own_encounters=OWN)
        assert decision.row.id == "DT-14"
        assert decision.encounter is not None
        assert decision.encounter.full_url == OTHER_URL

    def test_an_encounter_that_cannot_be_told_apart_is_not_guessed(self) -> None:
        response = validation_response(
            encounter("in-progress"), encounter("cancelled", full_url=LINKED_URL, **REJECTED)
        )
        decision = decide_row(response)
        assert (decision.row.id, decision.circumstances.encounter_status) == ("DT-99", UNCLEAR)

    def test_where_ours_is_not_recognised_the_requesters_one_is_left_out(self) -> None:
        requesters = encounter("triaged", full_url=LINKED_URL)
        response = validation_response(requesters, encounter("in-progress"), sr_encounter=LINKED_URL)
        assert row(response) == "DT-11"
        by_id = encounter("triaged", full_url=LINKED_URL, id="e-7")
        assert (
            row(validation_response(by_id, encounter("in-progress", id="e-8"), sr_encounter="Encounter/e-7")) == "DT-11"
        )
        nobody = validation_response(requesters, encounter("in-progress"), sr_encounter="Encounter/None")
        assert decide_row(nobody, own_encounters=OWN).circumstances.encounter_status == UNCLEAR

    @pytest.mark.parametrize(
        "own",
        [
            OwnEncounters(full_urls=frozenset({OWN_URL})),
            OwnEncounters(ids=frozenset({"e-1"})),
            OwnEncounters(identifiers=frozenset({("https://ast.example/case", "1234")})),
        ],
        ids=["fullUrl", "id", "identifier"],
    )
    def test_ours_is_known_by_full_url_or_id_or_identifier(self, own: OwnEncounters) -> None:
        mine = encounter("triaged", full_url=OWN_URL, id="e-1", identifiers=(("https://ast.example/case", "1234"),))
        assert row(cad_response(mine, encounter("cancelled", **REJECTED)), own=own) == "DT-19"

    def test_an_identifier_that_both_sides_use_tells_nothing(self) -> None:
        number = (("https://ast.example/case", "1234"),)
        own = OwnEncounters(identifiers=frozenset(number))
        both = [encounter("planned", identifiers=number), encounter("planned", full_url=OWN_URL, identifiers=number)]
        assert decide_row(cad_response(*both), own_encounters=own).circumstances.encounter_status == UNCLEAR

    @pytest.mark.req("APP6-UPD-05")
    @pytest.mark.parametrize("order", [1, -1])
    def test_an_update_may_echo_our_encounter_and_is_read_from_the_senders(self, order: int) -> None:
        echoed = encounter("planned", full_url=OWN_URL)
        update = facts(
            reason="update",
            category="referral",
            use_case="a6t1",
            definition=d.REQUEST_REFERRAL,
            encounters=(encounter("in-progress"), echoed)[::order],
        )
        decision = decide_row(update, own_encounters=OWN)
        assert decision.row.id == "DT-10a"
        assert decision.encounter is not None
        assert decision.encounter.full_url == OTHER_URL

    def test_the_senders_encounter_of_an_unknown_conversation_is_the_one_that_the_request_names(self) -> None:
        update = facts(
            reason="update", encounters=(encounter("planned", full_url=OWN_URL), encounter("triaged")),
            sr_encounter=OTHER_URL,
        )  # fmt: skip
        assert row(update, own=NO_OWN_ENCOUNTERS) == "DT-04"


class TestReadings:
    @pytest.mark.req("APP4-VS-35")
    @pytest.mark.parametrize(("status", "fired"), [("finished", "DT-13"), ("triaged", "DT-13"), ("completed", "DT-99")])
    def test_a_final_response_has_finished_or_triaged(self, status: str, fired: str) -> None:
        final = validation_response(
            OWN_ENCOUNTER, encounter(status), reason="update", definition=d.RESPONSE_FULL, careplan_status="completed"
        )
        assert row(final) == fired

    @pytest.mark.req("APP6-RSP-11")
    def test_an_out_of_area_referral_cannot_be_rejected(self) -> None:
        decision = decide_row(
            cad_response(OWN_ENCOUNTER, encounter("cancelled", **REJECTED), use_case="a6t1"), own_encounters=OWN
        )
        assert decision.row.id == "DT-20"
        assert decision.fault is not None
        assert (decision.fault.http_status, decision.fault.issue_code) == (400, "invariant")

    @pytest.mark.req("APP6-RSP-15")
    @pytest.mark.parametrize("reason", ["new", "update"])
    def test_status_responses_come_as_new_or_update(self, reason: str) -> None:
        assert row(cad_response(OWN_ENCOUNTER, encounter("planned"), reason=reason)) == "DT-15"

    @pytest.mark.parametrize(
        "reasons",
        [{}, {"reason_texts": ("no crew",)}, {"reason_codings": (Coding("https://example.org/x", "RRNA", None),)}],
        ids=["none", "text only", "another system"],
    )
    def test_a_rejection_needs_a_reason_from_the_code_system(self, reasons: dict[str, Any]) -> None:
        assert row(cad_response(OWN_ENCOUNTER, encounter("cancelled", **reasons))) == "DT-99"

    def test_an_unknown_code_of_the_system_is_a_reason(self) -> None:
        reason = {"reason_codings": (Coding(systems.REJECTED_REASON, "FC", "Failed Contact"),)}
        assert row(cad_response(OWN_ENCOUNTER, encounter("cancelled", **reason))) == "DT-19"

    @pytest.mark.req("CORE-CAN-10")
    def test_delete_cancels_only_with_the_cancelled_definition_and_not_where_strict(self) -> None:
        cancel = {"reason": "delete", "sr_status": "revoked", "encounters": (), "careplan_status": None}
        tolerated = decide_row(facts(**cancel, definition=d.REQUEST_CANCELLED))
        assert (tolerated.row.id, tolerated.row.intent, tolerated.fault) == ("DT-09b", Intent.CANCEL, None)
        assert tolerated.row.warning is not None
        assert decide_row(facts(**cancel, definition=d.REQUEST_CANCELLED), strict=True).fault is not None
        assert row(facts(**cancel, definition=None)) == "DT-99"

    @pytest.mark.req("APP6-CAN-02", "CORE-CAN-09")
    def test_a_cancellation_needs_neither_encounter_nor_plan(self) -> None:
        cancel = facts(
            reason="update", category="referral", use_case="a6t1", sr_status="entered-in-error",
            definition=d.REQUEST_CANCELLED, encounters=(), careplan_status=None, careplan_intent=None,
        )  # fmt: skip
        assert row(cancel) == "DT-08"

    @pytest.mark.req("APP3-UPD-01")
    def test_an_update_of_a_referral_to_cas_is_refused_only_where_strict(self) -> None:
        update = facts(
            reason="update", category="referral", use_case="a3t1", definition=d.REQUEST_REFERRAL,
            encounters=(encounter("finished", class_code="VR"),), careplan_status="completed",
        )  # fmt: skip
        assert decide_row(update).fault is None
        assert decide_row(update, strict=True).fault is not None

    @pytest.mark.req("APP3-RSP-01")
    def test_no_show_feedback_is_understood(self) -> None:
        feedback = cad_response(use_case="a3t1", sr_status="revoked", definition=d.RESPONSE_REFERRAL)
        assert row(feedback) == "DT-21"

    @pytest.mark.parametrize(
        ("changes", "fired"),
        [
            ({}, "DT-05"),
            ({"encounters": (encounter(class_code="VR"),)}, "DT-99"),
            ({"encounters": ()}, "DT-99"),
            ({"careplan_intent": "order"}, "DT-99"),
            ({"task_statuses": ("requested", "requested")}, "DT-05"),
            ({"task_statuses": ("requested", "accepted")}, "DT-99"),
            ({"task_statuses": (None,)}, "DT-99"),
            ({"definition": d.REQUEST_VALIDATION}, "DT-99"),
            ({"definition": None}, "DT-99"),
        ],
    )
    def test_each_condition_of_an_out_of_area_referral_counts_on_its_own(
        self, changes: dict[str, Any], fired: str
    ) -> None:
        referral = {"category": "referral", "use_case": "a6t1", "definition": d.REQUEST_REFERRAL}
        assert row(facts(**(referral | changes))) == fired


class TestTrace:
    def test_each_row_above_is_there_with_the_first_thing_that_did_not_fit(self) -> None:
        decision = decide_row(facts())
        missed = [(each.row.id, each.column) for each in decision.trace]
        assert missed == [("DT-08", "reason"), ("DT-09", "reason"), ("DT-09b", "reason"), ("DT-01", "category")]

    def test_a_condition_is_named_by_its_text(self) -> None:
        decision = decide_row(
            facts(category="referral", use_case="a6t1", definition=d.REQUEST_REFERRAL, careplan_intent="order")
        )
        assert {each.row.id: each.column for each in decision.trace}["DT-05"] == "CarePlan.intent is plan"

    def test_every_row_and_column_can_be_put_into_words(self) -> None:
        for found in (facts(), facts(event="x"), cad_response(OWN_ENCOUNTER, encounter("cancelled"))):
            for missed in decide_row(found, own_encounters=OWN).trace:
                assert missed.column in COLUMNS or missed.column in {c.value for c in missed.row.conditions}
                assert missed.needed

    @pytest.mark.req("CORE-ERR-08")
    def test_a_refused_message_is_told_which_rows_it_missed_by_one_thing(self) -> None:
        decision = decide_row(facts(careplan_status="completed"))
        assert [(m.row.id, m.needed) for m in near_misses(decision.circumstances)] == [
            ("DT-02", "CarePlan.status active")
        ]

    @pytest.mark.req("CORE-ERR-09")
    def test_a_code_of_no_vocabulary_is_not_repeated(self) -> None:
        odd = "Julie Jones"
        found = facts(
            event=odd, reason=odd, category=odd, use_case=odd, sr_status=odd, careplan_status=odd, definition=odd
        )
        assert odd not in describe(decide_row(found).circumstances)

    def test_the_columns_are_described_in_words(self) -> None:
        words = describe(decide_row(facts()).circumstances)
        assert words == (
            "event servicerequest-request, reason new, category validation, use case a4t1, "
            "ServiceRequest.status active, Encounter.status triaged, CarePlan.status active, "
            "definition request-validation"
        )


def test_row_ids_are_unique_and_errors_come_with_nothing_to_act_on() -> None:
    assert len({each.id for each in ROWS}) == len(ROWS)
    assert all((each.fault is not None) == (each.intent is Intent.NONE) for each in ROWS)


def test_every_definition_that_a_row_names_is_known() -> None:
    assert all(each.definition is None or d.definition_for(each.definition) is not None for each in ROWS)


def test_the_decision_keeps_the_encounter_it_was_made_from() -> None:
    decision: Decision = decide_row(facts(sr_encounter=REQUEST_URL))
    assert decision.encounter is not None
    assert decision.encounter.status == "triaged"
