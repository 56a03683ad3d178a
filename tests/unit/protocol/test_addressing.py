from __future__ import annotations

from dataclasses import replace

import pytest

from cad_bridge.fhir import systems
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.headers import ServiceIdentifier
from cad_bridge.protocol.receive import open_message
from tests.unit.protocol.messages import AST, CAS, CASE_ID, CORRELATION_ID, OWN, REQUEST_ID, message, raw, response
from tests.unit.protocol.receiving import (
    AST_SERVICE,
    CAS_SERVICE,
    CONVERSATION,
    ELSEWHERE,
    HEADERS,
    REQUEST_UUID,
    accepted,
    context,
    received,
    refused,
    rules,
)


class TestDestination:
    @pytest.mark.req("CORE-MH-05")
    def test_a_service_that_is_not_ours_is_not_found(self) -> None:
        assert refused(message(destination=ELSEWHERE)) == (404, "REC_NOT_FOUND", "not-found")

    @pytest.mark.req("CORE-MH-04")
    def test_an_organisation_that_is_not_ours_is_not_found(self) -> None:
        assert refused(message(receiver_ods="RXX")) == (404, "REC_NOT_FOUND", "not-found")

    def test_organisation_codes_are_compared_without_case(self) -> None:
        within = context(replace(CAS_SERVICE, ods_code="rcas"), replace(AST_SERVICE, ods_code="rast"))
        assert accepted(message(receiver_ods="rCaS"), within=within).warnings == ()
        assert accepted(response(receiver_ods="RAST"), CONVERSATION, within=within).warnings == ()

    def test_an_organisation_without_code_is_tolerated_unless_strict(self) -> None:
        assert rules(accepted(message(receiver_ods=None))) == ["S8"]
        strict = context(replace(CAS_SERVICE, strict=True))
        headers = replace(HEADERS, target=ServiceIdentifier(system=systems.SERVICE_ID, value="2000000022"))
        assert refused(message(receiver_ods=None), headers=headers, within=strict)[0] == 400

    @pytest.mark.req("CORE-MH-05")
    def test_a_routing_header_that_names_another_service_is_refused(self) -> None:
        headers = replace(HEADERS, target=ServiceIdentifier(system=systems.SERVICE_ID, value="2000000011"))
        assert refused(message(), headers=headers) == (400, "REC_BAD_REQUEST", "invariant")

    def test_a_routing_header_that_agrees_is_fine(self) -> None:
        headers = replace(HEADERS, target=ServiceIdentifier(system=systems.SERVICE_ID, value="2000000022"))
        assert accepted(message(), headers=headers).service is CAS_SERVICE

    @pytest.mark.req("CORE-MH-02", "CORE-MH-03")
    @pytest.mark.parametrize("end", ["source", "destination"])
    @pytest.mark.parametrize("endpoint", ["https://example.org/fhir", "2000000022", "|", "system|", "|value"])
    def test_an_endpoint_of_another_form_has_a_wrong_value(self, end: str, endpoint: str) -> None:
        assert refused(message(**{end: endpoint})) == (400, "REC_BAD_REQUEST", "value")

    def test_both_endpoints_are_told_at_once(self) -> None:
        result = received(message(source="x", destination="y"))
        assert isinstance(result, Refused)
        assert len(result.issues) == 2

    def test_a_refusal_speaks_for_the_organisation_of_the_addressed_service(self) -> None:
        result = received(message(use_case="a4t2"))
        assert isinstance(result, Refused)
        assert result.ods_code == "RCAS"


class TestResponse:
    @pytest.mark.req("CORE-MH-13", "CORE-ERR-PM-08", "APP6-RSP-14")
    def test_a_response_that_answers_nothing_is_refused(self) -> None:
        assert refused(response(response_identifier=None)) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.parametrize(("element", "missing"), [(None, "element"), ({"code": "ok"}, "identifier")])
    def test_what_is_missing_of_the_response_is_said(self, element: dict[str, str] | None, missing: str) -> None:
        bundle = response(response_identifier=None)
        if element:
            bundle["entry"][0]["resource"]["response"] = element
        result = received(bundle)
        assert isinstance(result, Refused)
        assert result.issues[0].diagnostics == f"MessageHeader.response {missing} is absent."

    @pytest.mark.req("CORE-MH-14", "CORE-ERR-PM-09", "APP6-RSP-14")
    def test_a_response_to_an_unknown_message_is_not_found(self) -> None:
        assert refused(response()) == (404, "REC_NOT_FOUND", "not-found")

    @pytest.mark.req("CORE-MH-17")
    @pytest.mark.parametrize("prefix", ["", "urn:uuid:", "URN:UUID:"])
    def test_the_identifier_is_looked_up_without_its_prefix(self, prefix: str) -> None:
        bundle = response(response_identifier=f"{prefix}0c4b7e2a-93f7-4a5c-8a0e-3f1d2b6c7d88")
        opened = open_message(raw(bundle), headers=HEADERS, context=context())
        assert not isinstance(opened, Refused)
        assert opened.facts.response_identifier == "0c4b7e2a-93f7-4a5c-8a0e-3f1d2b6c7d88"

    def test_endpoints_left_as_in_the_request_are_tolerated_and_noted(self) -> None:
        """The published validation responses: sent by the CAS, but with the AST as source."""
        result = accepted(response(source=AST, destination=CAS), CONVERSATION, within=context(AST_SERVICE))
        assert (result.foreign, result.service, rules(result)) == (False, AST_SERVICE, ["V4"])

    def test_a_wrong_receiving_organisation_is_tolerated_and_noted(self) -> None:
        assert rules(accepted(response(receiver_ods="RCAS"), CONVERSATION)) == ["V5"]

    def test_another_correlation_id_is_tolerated_and_noted(self) -> None:
        assert rules(accepted(response(), replace(CONVERSATION, correlation_id=REQUEST_ID))) == ["CORE-TI-06"]

    def test_the_correlation_id_is_compared_without_case(self) -> None:
        shouted = replace(CONVERSATION, correlation_id=CORRELATION_ID.upper())
        assert rules(accepted(response(), shouted)) == []
        other = replace(shouted, correlation_id=REQUEST_ID)
        assert accepted(response(), other, shouted).conversation == shouted

    @pytest.mark.parametrize(
        ("source", "destination"), [(ELSEWHERE, AST), (CAS, ELSEWHERE), (AST, AST), (CAS, CAS), (ELSEWHERE, CAS)]
    )
    def test_a_response_of_other_services_is_kept_for_a_person_and_moves_nothing(
        self, source: str, destination: str
    ) -> None:
        result = accepted(response(source=source, destination=destination), CONVERSATION)
        assert result.foreign
        assert result.conversation == CONVERSATION
        assert rules(result)[0] == "decision 7"

    def test_of_several_conversations_the_one_with_these_services_is_meant(self) -> None:
        other = replace(CONVERSATION, remote_service=ELSEWHERE, case_id=REQUEST_UUID)
        assert accepted(response(), other, CONVERSATION).conversation == CONVERSATION

    def test_of_several_with_these_services_the_one_with_the_correlation_id_is_meant(self) -> None:
        other = replace(CONVERSATION, correlation_id=REQUEST_ID, case_id=REQUEST_UUID)
        assert accepted(response(), other, CONVERSATION).conversation == CONVERSATION

    def test_where_nothing_singles_one_out_a_person_decides(self) -> None:
        other = replace(CONVERSATION, case_id=REQUEST_UUID)
        result = accepted(response(), other, CONVERSATION)
        assert (result.foreign, result.conversation) == (True, None)

    def test_a_foreign_response_is_checked_like_any_other(self) -> None:
        assert refused(response(source=ELSEWHERE, without="Patient"), CONVERSATION)[0] == 400

    def test_an_encounter_of_ours_that_is_not_recognised_is_noted(self) -> None:
        stranger = replace(CONVERSATION, own_encounters=type(OWN)(ids=frozenset({"e-9"})))
        assert rules(accepted(response(), stranger)) == ["X-08"]

    def test_a_response_to_a_service_that_is_nowhere_ours_is_not_found(self) -> None:
        elsewhere = replace(CONVERSATION, own_service=ELSEWHERE)
        assert refused(response(destination=ELSEWHERE), elsewhere, within=context(CAS_SERVICE))[0] == 404

    def test_an_update_of_a_known_case_brings_its_conversation(self) -> None:
        ours = KnownConversation(case_id=CASE_ID, own_service=CAS, remote_service=AST, correlation_id=CORRELATION_ID)
        other = replace(ours, remote_service=ELSEWHERE)
        assert accepted(message(reason="update"), other, ours).conversation == ours
        assert accepted(message(reason="update"), other).conversation is None
