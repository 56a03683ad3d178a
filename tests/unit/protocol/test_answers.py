from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.protocol.answers import Answer, Origin, Verdict, classify_answer, no_answer
from tests.shared_material import SHARED, needs_shared
from tests.unit.protocol.messages import CORRELATION_ID, REQUEST_ID

IDS = {"X-Request-Id": REQUEST_ID, "X-Correlation-Id": CORRELATION_ID}
BUNDLE = json.dumps({"resourceType": "Bundle", "type": "message"}).encode()


def outcome(code: str | None, issue_code: str = "invariant", *, system: str = "CodeSystem", **more: Any) -> bytes:
    coding = {"system": f"https://fhir.nhs.uk/{system}/http-error-codes", "code": code}
    issue = {"severity": "error", "code": issue_code, "details": {"coding": [coding]}, "diagnostics": "why"} | more
    return json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()


def read(status: int, body: bytes = BUNDLE, headers: dict[str, str] | None = None) -> Answer:
    given_headers = IDS if headers is None else headers
    return classify_answer(status, given_headers, body, request_id=REQUEST_ID, correlation_id=CORRELATION_ID)


class TestDelivery:
    @pytest.mark.req("CORE-SYNC-07")
    def test_200_with_both_ids_is_a_delivery(self) -> None:
        answer = read(200)
        assert (answer.verdict, answer.is_delivered) == (Verdict.DELIVERED, True)

    @pytest.mark.req("CORE-HDR-14")
    def test_nothing_but_the_two_ids_is_needed_and_their_case_does_not_matter(self) -> None:
        shouted = {name.lower(): f" {value.upper()} " for name, value in IDS.items()}
        assert read(200, headers=shouted).is_delivered
        sent = {"request_id": REQUEST_ID.upper(), "correlation_id": CORRELATION_ID.upper()}
        assert classify_answer(200, IDS, BUNDLE, **sent).is_delivered

    @pytest.mark.req("CORE-TI-11")
    @pytest.mark.parametrize("status", [200, 400, 404, 409, 422, 500])
    @pytest.mark.parametrize("name", IDS)
    def test_an_answer_without_an_id_is_a_reason_to_retry(self, status: int, name: str) -> None:
        body = BUNDLE if status == 200 else outcome("REC_CONFLICT", "duplicate")
        headers = {key: value for key, value in IDS.items() if key != name}
        assert read(status, body, headers).verdict is Verdict.RETRY

    @pytest.mark.req("CORE-TI-11")
    def test_an_answer_with_the_ids_of_another_message_is_not_ours(self) -> None:
        assert read(200, headers=IDS | {"X-Request-Id": CORRELATION_ID}).verdict is Verdict.RETRY

    @pytest.mark.req("CORE-TI-16")
    def test_409_duplicate_proves_delivery(self) -> None:
        answer = read(409, outcome("REC_CONFLICT", "duplicate"))
        assert (answer.verdict, answer.is_delivered) == (Verdict.DUPLICATE, True)

    @pytest.mark.req("CORE-TI-17", "CORE-UPD-08")
    def test_409_conflict_is_no_delivery(self) -> None:
        answer = read(409, outcome("REC_CONFLICT", "conflict"))
        assert (answer.verdict, answer.is_delivered) == (Verdict.CONFLICT, False)

    @pytest.mark.req("CORE-TI-17")
    @pytest.mark.parametrize(
        ("status", "code", "issue_code"),
        [
            (400, "REC_CONFLICT", "duplicate"),
            (425, "REC_TOO_EARLY", "duplicate"),
            (409, "BAD_REQUEST", "duplicate"),
            (409, "PROXY_CONFLICT", "duplicate"),
            (409, "CONFLICT", "duplicate"),
            (409, "REC_TIMEOUT", "duplicate"),
            (409, None, "duplicate"),
            (409, "REC_CONFLICT", "invariant"),
        ],
    )
    def test_nothing_less_than_the_whole_pair_proves_delivery(self, status: int, code: str, issue_code: str) -> None:
        assert not read(status, outcome(code, issue_code)).is_delivered

    @pytest.mark.req("CORE-TI-17")
    @pytest.mark.parametrize("order", [1, -1])
    def test_a_duplicate_beside_another_issue_proves_nothing(self, order: int) -> None:
        issues = [json.loads(outcome("REC_CONFLICT", c))["issue"][0] for c in ("duplicate", "conflict")][::order]
        body = json.dumps({"resourceType": "OperationOutcome", "issue": issues}).encode()
        assert read(409, body).verdict is Verdict.CONFLICT

    def test_a_200_that_reports_an_error_is_asked_again(self) -> None:
        assert read(200, outcome("REC_SERVER_ERROR", "exception")).verdict is Verdict.RETRY

    def test_a_200_with_information_only_is_a_delivery(self) -> None:
        assert read(200, outcome(None, "informational", severity="information")).is_delivered

    @pytest.mark.parametrize("status", [201, 202, 204, 302, 304])
    def test_another_success_is_not_taken_for_one(self, status: int) -> None:
        assert read(status).verdict is Verdict.RETRY


class TestRetry:
    @pytest.mark.req("CORE-TI-10")
    def test_silence_is_a_reason_to_retry(self) -> None:
        assert (no_answer().verdict, no_answer().origin) == (Verdict.RETRY, Origin.NETWORK)

    @pytest.mark.req("CORE-TI-12", "CORE-ERR-18", "CORE-ERR-RT-07")
    @pytest.mark.parametrize("status", [400, 403, 404, 409, 502, 503])
    @pytest.mark.parametrize(
        "body", [b"<html>Bad gateway</html>", b"", b"{}", b"[]", b'{"resourceType":"Bundle"}', b"\xff"]
    )
    def test_an_error_without_operation_outcome_is_a_communication_failure(self, status: int, body: bytes) -> None:
        answer = read(status, body)
        assert (answer.verdict, answer.origin) == (Verdict.RETRY, Origin.NETWORK)

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            pytest.param(status, code, marks=pytest.mark.req(req))
            for req, status, code in [
                ("CORE-TI-13", 408, "REC_TIMEOUT"),
                ("CORE-TI-13", 429, "REC_TOO_MANY_REQUESTS"),
                ("CORE-TI-13", 503, "REC_UNAVAILABLE"),
                ("CORE-ERR-RT-19", 503, "REC_SERVICE_UNAVAILABLE"),
                ("CORE-TI-14", 504, "PROXY_TIMEOUT"),
                ("CORE-TI-14", 504, "TIMEOUT"),
                ("CORE-TI-14", 500, "PROXY_TOO_MANY_REQUESTS"),
                ("CORE-TI-14", 500, "TOO_MANY_REQUESTS"),
                ("CORE-TI-14", 503, "PROXY_UNAVAILABLE"),
                ("CORE-TI-14", 503, "UNAVAILABLE"),
                ("CORE-ERR-RT-16", 503, "SERVICE_UNAVAILABLE"),
                ("CORE-TI-15", 429, "SEND_TOO_MANY_REQUESTS"),
                ("CORE-ERR-GEN-10", 429, "SEND_TOO_MANY_REQUESTS"),
                ("CORE-ERR-GEN-11", 409, "REC_TIMEOUT"),
                ("CORE-TI-24", 425, "REC_TOO_EARLY"),
                ("CORE-ERR-GEN-13", 500, "PROXY_SERVER_ERROR"),
                ("CORE-ERR-RT-15", 500, "SERVER_ERROR"),
                ("CORE-ERR-RT-06", 500, "PROXY_SERVER_ERROR"),
                ("CORE-ERR-RT-17", 408, "REC_TIMEOUT"),
                ("CORE-ERR-RT-18", 500, "REC_SERVER_ERROR"),
            ]
        ],
    )
    def test_transient_codes_are_retried_under_any_status(self, status: int, code: str) -> None:
        verdicts = {read(any_status, outcome(code, "timeout")).verdict for any_status in (status, 400, 409, 500)}
        assert verdicts == {Verdict.RETRY}

    @pytest.mark.req("CORE-ERR-RT-23")
    @pytest.mark.parametrize("issue_code", ["too-costly", "too costly"])
    def test_too_costly_would_be_so_again(self, issue_code: str) -> None:
        assert read(500, outcome("REC_SERVER_ERROR", issue_code)).verdict is Verdict.REFUSED

    @pytest.mark.parametrize(
        ("status", "verdict"),
        [(status, Verdict.RETRY) for status in (408, 425, 429, 500, 502, 503, 504)]
        + [(status, Verdict.REFUSED) for status in (400, 409, 422, 426, 430, 499)],
    )
    def test_an_unknown_code_is_judged_by_its_status(self, status: int, verdict: Verdict) -> None:
        assert read(status, outcome("REC_SOMETHING_NEW", "400")).verdict is verdict

    def test_the_time_to_wait_is_passed_on(self) -> None:
        body = outcome("REC_TOO_MANY_REQUESTS", "throttled")
        assert read(429, body, IDS | {"Retry-After": "17"}).retry_after == timedelta(seconds=17)

    def test_a_date_to_wait_for_is_counted_from_the_date_of_the_answer(self) -> None:
        dates = {"Date": "Wed, 21 Oct 2026 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2026 07:29:30 GMT"}
        assert read(503, outcome("REC_UNAVAILABLE"), IDS | dates).retry_after == timedelta(seconds=90)

    def test_no_sender_is_made_to_wait_for_longer_than_a_day(self) -> None:
        waits = [
            read(503, outcome("REC_UNAVAILABLE"), IDS | {"Retry-After": v}).retry_after for v in ("86399", "9" * 40)
        ]
        assert waits == [timedelta(seconds=86_399), timedelta(days=1)]

    @pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "Wed, 21 Oct 2026 07:29:30 GMT", "٣"])
    def test_a_time_that_cannot_be_read_is_none(self, value: str) -> None:
        assert read(503, outcome("REC_UNAVAILABLE"), IDS | {"Retry-After": value}).retry_after is None


class TestToken:
    @pytest.mark.req("CORE-ERR-GEN-06", "CORE-ERR-RT-02", "CORE-ERR-RT-03")
    @pytest.mark.parametrize("issue_code", ["login", "expired", "security", "unknown"])
    def test_a_401_of_the_api_asks_for_a_new_token(self, issue_code: str) -> None:
        assert read(401, outcome("SEND_UNAUTHORIZED", issue_code)).verdict is Verdict.RENEW_TOKEN

    @pytest.mark.req("CORE-TI-15", "CORE-ERR-RT-04")
    def test_send_forbidden_asks_for_a_new_token(self) -> None:
        assert read(403, outcome("SEND_FORBIDDEN", "forbidden")).verdict is Verdict.RENEW_TOKEN

    def test_the_token_comes_before_missing_ids_and_a_missing_body(self) -> None:
        assert read(401, b"<html>", {}).verdict is Verdict.RENEW_TOKEN

    @pytest.mark.parametrize("issue_code", ["security", "forbidden"])
    def test_a_401_of_the_receiver_is_about_the_organisation(self, issue_code: str) -> None:
        assert read(401, outcome("REC_UNAUTHORIZED", issue_code)).verdict is Verdict.REFUSED

    @pytest.mark.req("CORE-ERR-RT-22", "CORE-ERR-MD-10")
    @pytest.mark.parametrize("issue_code", ["security", "forbidden"])
    def test_an_untrusted_connection_is_refused_under_either_issue_code(self, issue_code: str) -> None:
        assert read(403, outcome("REC_FORBIDDEN", issue_code)).verdict is Verdict.REFUSED


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "code", "issue_code", "origin"),
        [
            pytest.param(status, code, issue_code, origin, marks=pytest.mark.req(*reqs))
            for reqs, status, code, issue_code, origin in [
                (("CORE-ERR-GEN-01", "CORE-ERR-MD-01"), 400, "SEND_BAD_REQUEST", "required", Origin.API),
                (("CORE-ERR-SR-01", "CORE-ERR-SR-05"), 400, "SEND_BAD_REQUEST", "required", Origin.API),
                (("CORE-ERR-SR-07",), 400, "SEND_BAD_REQUEST", "value", Origin.API),
                (("CORE-ERR-RT-01",), 400, "SEND_BAD_REQUEST", "required", Origin.API),
                (("CORE-ERR-GEN-04", "CORE-ERR-GEN-05"), 400, "PROXY_BAD_REQUEST", "structure", Origin.PROXY),
                (("CORE-ERR-RT-08", "CORE-ERR-RT-09"), 400, "BAD_REQUEST", "invalid", Origin.PROXY),
                (("CORE-ERR-RT-10", "CORE-ERR-RT-12"), 400, "PROXY_BAD_REQUEST", "structure", Origin.PROXY),
                (("CORE-ERR-RT-11",), 400, "BAD_REQUEST", "required", Origin.PROXY),
                (("CORE-ERR-GEN-07",), 405, "SEND_METHOD_NOT_ALLOWED", "not-supported", Origin.API),
                (("CORE-ERR-GEN-08",), 406, "SEND_NOT_ACCEPTABLE", "processing", Origin.API),
                (("CORE-ERR-RT-05", "CORE-ERR-RT-13"), 404, "PROXY_NOT_FOUND", "not-found", Origin.PROXY),
                (("CORE-ERR-RT-14",), 404, "NOT_FOUND", "multiple-matches", Origin.PROXY),
                (("CORE-ERR-META-03",), 404, "NOT_FOUND", "not-found", Origin.PROXY),
                (("CORE-ERR-GEN-02",), 400, "REC_BAD_REQUEST", "value", Origin.RECEIVER),
                (("CORE-ERR-GEN-03",), 400, "REC_BAD_REQUEST", "not-supported", Origin.RECEIVER),
                (("CORE-ERR-GEN-09",), 406, "REC_NOT_ACCEPTABLE", "processing", Origin.RECEIVER),
                (("CORE-ERR-GEN-14",), 501, "REC_NOT_IMPLEMENTED", "not-supported", Origin.RECEIVER),
                (("CORE-ERR-PM-07",), 422, "REC_UNPROCESSABLE_ENTITY", "not-supported", Origin.RECEIVER),
            ]
        ],
    )
    def test_what_would_fail_again_is_not_repeated(
        self, status: int, code: str, issue_code: str, origin: Origin
    ) -> None:
        answer = read(status, outcome(code, issue_code))
        assert (answer.verdict, answer.origin) == (Verdict.REFUSED, origin)

    @pytest.mark.req("CORE-ERR-07")
    @pytest.mark.parametrize(
        "code", ["NOT_FOUND", "BAD_REQUEST", "SERVER_ERROR", "UNAVAILABLE", "TIMEOUT", "UNAUTHORIZED"]
    )
    def test_proxy_codes_mean_the_same_with_and_without_prefix(self, code: str) -> None:
        bare, prefixed = (read(500, outcome(name, "x")) for name in (code, f"PROXY_{code}"))
        assert (bare.verdict, bare.origin, bare.advice) == (prefixed.verdict, prefixed.origin, prefixed.advice)

    @pytest.mark.req("CORE-ERR-17")
    def test_the_prefix_says_who_spoke(self) -> None:
        spoke = [read(400, outcome(f"{prefix}BAD_REQUEST")).origin for prefix in ("SEND_", "PROXY_", "", "REC_")]
        assert spoke == [Origin.API, Origin.PROXY, Origin.PROXY, Origin.RECEIVER]

    @pytest.mark.req("CORE-ERR-17")
    @pytest.mark.parametrize(("prefix", "ours"), [("SEND_", True), ("PROXY_", True), ("REC_", False)])
    def test_the_user_is_told_whether_it_is_our_fault_or_the_other_sides_refusal(self, prefix: str, ours: bool) -> None:
        assert ("a fault in our system" in read(400, outcome(f"{prefix}BAD_REQUEST")).advice) is ours
        assert ("other service" in read(406, outcome(f"{prefix}NOT_IMPLEMENTED")).advice) is not ours

    def test_codes_are_read_in_any_case(self) -> None:
        assert read(409, outcome("rec_conflict", "duplicate")).verdict is Verdict.DUPLICATE
        assert read(403, outcome("send_forbidden")).verdict is Verdict.RENEW_TOKEN

    def test_a_service_that_cannot_be_reached_is_told_apart_from_our_own_fault(self) -> None:
        assert "cannot be reached" in read(404, outcome("PROXY_NOT_FOUND")).advice
        assert "cannot be reached" not in read(405, outcome("PROXY_METHOD_NOT_ALLOWED")).advice

    def test_of_several_codings_the_one_of_the_bars_system_counts(self) -> None:
        codings = [{"system": "https://example.org/own", "code": "E17"}]
        codings.append({"system": "https://fhir.nhs.uk/Codesystem/http-error-codes", "code": "REC_TIMEOUT"})
        assert read(400, outcome(None, details={"coding": codings})).code == "REC_TIMEOUT"
        assert read(400, outcome(None, details={"coding": codings[:1]})).code == "E17"

    @pytest.mark.req("CORE-ERR-14")
    def test_the_codes_are_there_for_the_log(self) -> None:
        answer = read(422, outcome("REC_UNPROCESSABLE_ENTITY", "not-supported", system="Codesystem"))
        assert (answer.http_status, answer.code, answer.issue_code, answer.diagnostics) == (
            422,
            "REC_UNPROCESSABLE_ENTITY",
            "not-supported",
            "why",
        )

    @pytest.mark.req("CORE-ERR-13", "APP-COM-24")
    @pytest.mark.parametrize("prefix", ["REC_", "SEND_", "PROXY_"])
    @pytest.mark.parametrize("name", ["BAD_REQUEST", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED",
        "NOT_ACCEPTABLE", "CONFLICT", "UNSUPPORTED_MEDIA_TYPE", "UNPROCESSABLE_ENTITY", "NOT_IMPLEMENTED", "TIMEOUT",
        "SERVER_ERROR", "OTHER"])  # fmt: skip
    def test_the_user_gets_a_sentence_without_codes(self, prefix: str, name: str) -> None:
        advice = read(400, outcome(f"{prefix}{name}")).advice
        assert advice.endswith(".")
        assert "_" not in advice
        assert not any(character.isdigit() for character in advice)

    @pytest.mark.req("CORE-ERR-13")
    @pytest.mark.parametrize("code", ["REC_NOT_FOUND", "PROXY_NOT_FOUND", "REC_BAD_REQUEST", "SEND_BAD_REQUEST"])
    def test_a_refusal_says_what_to_do_next(self, code: str) -> None:
        assert "phone" in read(400, outcome(code)).advice


@given(st.integers(100, 599), st.binary(max_size=200), st.dictionaries(st.text(max_size=20), st.text(max_size=40)))
def test_any_answer_is_classified(status: int, body: bytes, headers: dict[str, str]) -> None:
    assert not read(status, body, headers).is_delivered


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(st.sampled_from(["issue", "details", "coding", "code", "severity", "system"]), x)
        ),
    )
)
def test_an_outcome_of_any_shape_is_classified(value: object) -> None:
    body = json.dumps({"resourceType": "OperationOutcome", "issue": value}).encode()
    assert not read(409, body).is_delivered


@needs_shared
def test_every_published_outcome_is_classified_and_only_the_duplicate_is_a_delivery() -> None:
    folder = SHARED / "bars/examples/openapi/operation-outcome"
    verdicts = {
        path.stem: read(int(path.stem.split("-")[0]), path.read_bytes()).verdict for path in folder.glob("*/*.json")
    }
    assert {name for name, v in verdicts.items() if v is Verdict.DUPLICATE} == {"409-rec-conflict-duplicate"}
    assert {name for name, v in verdicts.items() if v is Verdict.CONFLICT} == {"409-rec-conflict-conflict"}
    assert {name for name, v in verdicts.items() if v is Verdict.RENEW_TOKEN} == {
        "401-send-unauthorized-expired",
        "401-send-unauthorized-login",
        "401-send-unauthorized-security",
        "401-send-unauthorized-unknown",
        "403-send-forbidden-forbidden",
    }
    assert {name for name, v in verdicts.items() if v is Verdict.RETRY} == {
        "408-rec-timeout-timeout",
        "429-send-too-many-requests-throttled",
        "500-rec-server-error-exception",
        "500-rec-server-error-no-store",
        "500-rec-server-error-transient",
        "500-server-error-exception",
        "500-server-error-transient",
        "503-rec-service-unavailable-transient",
        "503-service-unavailable-transient",
    }
