from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.fhir import systems
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure import StructureResult
from cad_bridge.protocol import definitions as d
from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.receive import judge, open_message, receive
from cad_bridge.protocol.versions import SupportedVersions
from tests.unit.protocol.messages import AST, CAS, NOWHERE_URL, PATIENT_URL, REQUEST_URL, message, raw, response
from tests.unit.protocol.receiving import (
    AST_SERVICE,
    CAS_SERVICE,
    CONVERSATION,
    HEADERS,
    accepted,
    context,
    finding,
    received,
    refused,
    rules,
)


class TestAccepted:
    def test_a_new_validation_request_reaches_its_row_and_service(self) -> None:
        result = accepted(message())
        assert (result.row.id, result.service, result.foreign, result.warnings) == ("DT-02", CAS_SERVICE, False, ())

    @pytest.mark.req("CORE-MH-15")
    def test_an_interim_response_reaches_its_row_service_and_conversation(self) -> None:
        result = accepted(response(), CONVERSATION)
        assert (result.row.id, result.service, result.conversation) == ("DT-11", AST_SERVICE, CONVERSATION)
        assert (result.foreign, result.warnings) == (False, ())

    @pytest.mark.req("CORE-CAN-09")
    def test_a_minimal_cancellation_is_accepted(self) -> None:
        cancel = message(reason="update", sr_status="revoked", definition=d.REQUEST_CANCELLED)
        types = [entry["resource"]["resourceType"] for entry in cancel["entry"]]
        assert types == ["MessageHeader", "ServiceRequest", "Patient", "Organization", "Organization"]
        assert accepted(cancel).row.id == "DT-09"

    @pytest.mark.req("CORE-CN-10")
    @pytest.mark.parametrize("use_case", ["A4T1", "a4t1", "A4t1"])
    def test_use_cases_are_compared_without_case(self, use_case: str) -> None:
        assert accepted(message(use_case=use_case)).facts.use_case == "a4t1"

    @pytest.mark.req("CORE-CN-09")
    def test_the_codings_of_the_category_are_found_by_system_not_by_place(self) -> None:
        bundle = message()
        (concept,) = bundle["entry"][1]["resource"]["category"]
        concept["coding"].reverse()
        assert accepted(bundle).row.id == "DT-02"

    @pytest.mark.req("CORE-MH-06")
    def test_the_source_endpoint_is_there_for_the_answer_and_the_audit(self) -> None:
        bundle = message(source="http://fhir.nhs.uk/id/dos-service-id|2000000011")
        assert accepted(bundle).facts.source_endpoint == AST

    def test_a_tolerated_spelling_is_accepted_with_a_warning(self) -> None:
        cancel = message(reason="delete", sr_status="revoked", definition=d.REQUEST_CANCELLED)
        assert rules(accepted(cancel)) == ["DT-09b"]

    @pytest.mark.req("CORE-BND-13")
    def test_a_resource_that_the_definition_does_not_list_is_kept_with_a_warning(self) -> None:
        assert rules(accepted(message(extra=("Communication",)))) == ["CORE-MH-11"]


class TestNegotiation:
    @pytest.mark.req("CORE-VER-04", "CORE-ERR-GEN-09")
    def test_accept_is_judged_before_the_body(self) -> None:
        headers = replace(HEADERS, accept="application/fhir+json; version=9.0.0")
        result = receive(b"not json", headers=headers, context=context())
        assert isinstance(result, Refused)
        assert result.fault.http_status == 406

    def test_other_content_is_not_read(self) -> None:
        result = receive(b"<Bundle/>", headers=replace(HEADERS, content_type="application/fhir+xml"), context=context())
        assert isinstance(result, Refused)
        assert result.fault.http_status == 415


class TestEnvelope:
    def test_every_finding_of_the_structure_check_is_passed_on(self) -> None:
        issues = (
            finding("structure", "one"),
            finding("value", "two"),
            finding("value", "3", severity=Severity.WARNING),
        )
        within = context(check_structure=lambda body: StructureResult(bundle={}, issues=issues))
        result = received(message(), within=within)
        assert isinstance(result, Refused)
        assert [i.diagnostics for i in result.issues] == ["one", "two"]

    def test_a_body_that_cannot_be_read_is_a_structure_error(self) -> None:
        result = receive(b"{", headers=HEADERS, context=context())
        assert isinstance(result, Refused)
        assert (result.fault.http_status, result.issues[0].code) == (400, "structure")

    @pytest.mark.req("CORE-BND-01")
    def test_a_bundle_of_another_type_is_refused(self) -> None:
        assert refused(message() | {"type": "collection"}) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.req("CORE-BND-01", "CORE-MH-01")
    def test_a_bundle_without_message_header_is_refused(self) -> None:
        assert refused(message(without="MessageHeader")) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.req("CORE-MH-01")
    def test_two_message_headers_are_refused(self) -> None:
        assert refused(message(extra=("MessageHeader",))) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.req("CORE-MH-09")
    def test_a_focus_that_names_no_entry_is_refused(self) -> None:
        bundle = message()
        bundle["entry"][0]["resource"]["focus"] = [{"reference": NOWHERE_URL}]
        assert refused(bundle) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.req("CORE-VER-06", "CORE-ERR-PM-06")
    def test_a_bundle_without_version_is_refused(self) -> None:
        assert refused(message(version_id=None)) == (400, "REC_BAD_REQUEST", "invariant")

    def test_all_that_is_wrong_with_the_envelope_is_said_at_once(self) -> None:
        result = received(message(version_id=None, without="MessageHeader") | {"type": "document"})
        assert isinstance(result, Refused)
        assert [i.rule for i in result.issues] == ["CORE-BND-01", "CORE-MH-01", "CORE-VER-06"]

    @pytest.mark.req("CORE-VER-07", "CORE-ERR-PM-07")
    @pytest.mark.parametrize("version", ["9.9.9", "1.0.0-alpha", "latest", "0.9.0"])
    def test_an_unsupported_version_is_not_supported(self, version: str) -> None:
        assert refused(message(version_id=version)) == (422, "REC_UNPROCESSABLE_ENTITY", "not-supported")

    @pytest.mark.req("CORE-VER-05")
    @pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.4.2", "1.0.0-beta"])
    def test_releases_of_the_same_major_and_listed_pre_releases_are_supported(self, version: str) -> None:
        assert accepted(message(version_id=version)).facts.version_id == version

    def test_the_supported_versions_can_be_configured_per_definition(self) -> None:
        within = context(versions={d.REQUEST_VALIDATION: SupportedVersions.of(["2.0.0"])})
        assert accepted(message(version_id="2.1.0"), within=within).row.id == "DT-02"
        assert refused(message(), within=within)[0] == 422


class TestEventAndUseCase:
    @pytest.mark.req("CORE-MH-07")
    @pytest.mark.parametrize("event", ["booking-response", "servicerequest", "SERVICEREQUEST-REQUEST"])
    def test_an_unknown_event_breaks_a_rule(self, event: str) -> None:
        assert refused(message(event=event)) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.req("CORE-ERR-PM-10")
    def test_a_booking_response_is_never_valid(self) -> None:
        assert refused(message(event="booking-response")) == (400, "REC_BAD_REQUEST", "invariant")

    @pytest.mark.req("CORE-ERR-OUT-01")
    def test_bookings_are_not_built(self) -> None:
        assert refused(message(event="booking-request")) == (501, "REC_NOT_IMPLEMENTED", "not-supported")

    @pytest.mark.req("CORE-CN-08")
    @pytest.mark.parametrize("use_case", ["a4t2", "a4t3", "a6t1", "a1t1"])
    def test_a_use_case_that_the_service_does_not_handle_is_not_supported(self, use_case: str) -> None:
        assert refused(message(use_case=use_case)) == (422, "REC_UNPROCESSABLE_ENTITY", "not-supported")

    @pytest.mark.req("CORE-CN-08")
    def test_an_ambulance_service_does_not_take_validation_requests_though_it_sends_them(self) -> None:
        assert refused(message(destination=AST, source=CAS, receiver_ods="RAST"))[0] == 422

    @pytest.mark.parametrize("missing", ["category", "use_case"])
    def test_a_category_that_is_not_given_breaks_a_rule(self, missing: str) -> None:
        assert refused(message(**{missing: None})) == (400, "REC_BAD_REQUEST", "invariant")

    def test_contradictory_use_cases_are_not_guessed_between(self) -> None:
        bundle = message()
        (concept,) = bundle["entry"][1]["resource"]["category"]
        concept["coding"].append({"system": systems.USE_CASE, "code": "a4t2"})
        assert refused(bundle) == (400, "REC_BAD_REQUEST", "invariant")


class TestDefinition:
    @pytest.mark.req("CORE-MH-11")
    def test_a_request_without_plan_is_refused(self) -> None:
        assert refused(message(without="CarePlan")) == (400, "REC_BAD_REQUEST", "invariant")

    def test_an_unknown_definition_is_not_supported(self) -> None:
        unknown = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request"
        assert refused(message(definition=unknown)) == (422, "REC_UNPROCESSABLE_ENTITY", "not-supported")

    def test_no_definition_is_something_required(self) -> None:
        assert refused(message(definition=None)) == (400, "REC_BAD_REQUEST", "required")

    def test_delete_without_definition_breaks_two_rules(self) -> None:
        result = received(message(definition=None, reason="delete", sr_status="entered-in-error"))
        assert isinstance(result, Refused)
        assert [(i.code, i.rule) for i in result.issues] == [("required", "CORE-MH-11"), ("invariant", "X-05")]

    def test_counts_and_profile_rules_are_answered_together(self) -> None:
        def profile(*_: Any, **__: Any) -> list[Issue]:
            return [finding("required", "no phone"), finding("value", "odd", severity=Severity.WARNING)]

        result = received(message(without="Consent"), within=context(check_profile=profile))
        assert isinstance(result, Refused)
        assert [i.code for i in result.issues] == ["invariant", "required"]

    def test_profile_warnings_are_kept(self) -> None:
        def profile(*_: Any, **__: Any) -> list[Issue]:
            return [finding("value", "odd", severity=Severity.WARNING)]

        assert rules(accepted(message(), within=context(check_profile=profile))) == ["test"]

    def test_an_alias_is_accepted_and_noted(self) -> None:
        alias = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-response-short"
        bundle = response(category="referral", use_case="a6t3", definition=d.RESPONSE_SHORT, responder_status="planned")
        bundle["entry"][0]["resource"]["definition"] = alias
        assert rules(accepted(bundle, CONVERSATION)) == ["X-38"]

    def test_a_request_whose_focus_is_not_the_request_is_noted(self) -> None:
        bundle = message()
        bundle["entry"][0]["resource"]["focus"] = [{"reference": PATIENT_URL}]
        assert rules(accepted(bundle)) == ["CORE-MH-09"]


class TestRow:
    @pytest.mark.req("CORE-ERR-PM-04")
    def test_an_unknown_workflow_is_refused_with_the_row_it_nearly_was(self) -> None:
        result = received(message(careplan_status="completed"))
        assert isinstance(result, Refused)
        assert (result.fault.http_status, result.fault.code) == (400, "REC_BAD_REQUEST")
        assert {i.code for i in result.issues} == {"invariant"}
        assert [i.rule for i in result.issues] == ["DT-99", "DT-02"]
        assert result.issues[0].diagnostics.startswith(
            "'error: unknown or non-standard workflow' is refused. The message"
        )
        assert (
            result.issues[1].diagnostics == "It would be 'new validation request' (DT-02) with CarePlan.status active."
        )

    def test_a_strict_service_refuses_what_is_tolerated_elsewhere(self) -> None:
        strict = replace(CAS_SERVICE, strict=True)
        cancel = message(reason="delete", sr_status="revoked", definition=d.REQUEST_CANCELLED)
        result = received(cancel, within=context(strict))
        assert isinstance(result, Refused)
        assert [i.rule for i in result.issues] == ["DT-09b", "DT-09"]
        assert result.issues[0].diagnostics.startswith("'cancel (tolerated spelling)' is not accepted by this strict")
        assert result.issues[1].diagnostics == "It would be 'cancel validation request' (DT-09) with reason update."

    def test_access_headers_are_demanded_where_strict(self) -> None:
        issue = finding("required", "absent", severity=Severity.WARNING)
        headers = replace(HEADERS, access_issues=(issue,))
        assert accepted(message(), headers=headers).warnings == (issue,)
        strict = context(replace(CAS_SERVICE, strict=True))
        assert refused(message(), headers=headers, within=strict) == (400, "REC_BAD_REQUEST", "required")


class TestPrivacy:
    @pytest.mark.req("CORE-ERR-09")
    @given(where=st.integers(0, 11))
    def test_no_diagnostic_repeats_a_value_of_the_message(self, where: int) -> None:
        secret = "Julie Jones 9476719931"
        bundle = message()
        header, request = bundle["entry"][0]["resource"], bundle["entry"][1]["resource"]
        targets: list[tuple[dict[str, Any], str, Any]] = [
            (bundle, "type", secret),
            (bundle["meta"], "versionId", secret),
            (header["eventCoding"], "code", secret),
            (header["reason"]["coding"][0], "code", secret),
            (header["destination"][0], "endpoint", secret),
            (header["destination"][0], "endpoint", f"{secret}|{secret}"),
            (header["source"], "endpoint", secret),
            (header, "definition", secret),
            (header, "focus", [{"reference": secret}]),
            (request, "status", secret),
            (request["category"][0]["coding"][0], "code", secret),
            (request["category"][0]["coding"][1], "code", secret),
        ]
        holder, name, value = targets[where]
        holder[name] = value
        result = received(bundle)
        assert isinstance(result, Refused)
        assert not any("Julie" in issue.diagnostics or "Julie" in issue.expression for issue in result.issues)


def test_opening_and_judging_is_receiving() -> None:
    body = raw(response())
    opened = open_message(body, headers=HEADERS, context=context())
    assert not isinstance(opened, Refused)
    parts = judge(opened, context=context(), conversations=[CONVERSATION])
    whole = receive(body, headers=HEADERS, context=context(), conversations=[CONVERSATION])
    assert parts == whole


def test_the_message_is_not_changed_by_being_judged() -> None:
    opened = open_message(raw(message()), headers=HEADERS, context=context())
    assert not isinstance(opened, Refused)
    before = json.dumps(opened.bundle)
    judge(opened, context=context())
    assert json.dumps(opened.bundle) == before
    assert opened.facts.sr_full_url == REQUEST_URL
