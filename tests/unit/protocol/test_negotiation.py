from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.fhir import systems
from cad_bridge.protocol import definitions as d
from cad_bridge.protocol.definitions import definition_for
from cad_bridge.protocol.negotiation import (
    CannotSend,
    RemoteDefinition,
    check_capability,
    choose_definition,
    read_capability,
    read_message_definitions,
)
from cad_bridge.protocol.versions import Version
from tests.shared_material import SHARED, needs_shared
from tests.unit.protocol.messages import AST, CAS

CORE = Version(1, 1)
WANTED = definition_for(d.REQUEST_VALIDATION)
assert WANTED is not None


def statement(**changes: Any) -> dict[str, Any]:
    given_statement: dict[str, Any] = {
        "resourceType": "CapabilityStatement",
        "version": "1.1.0",
        "rest": [
            {
                "mode": "server",
                "resource": [{"type": "ServiceRequest", "interaction": [{"code": "read"}, {"code": "search-type"}]}],
            },
            {"mode": "client", "resource": [{"type": "Slot", "interaction": [{"code": "read"}]}]},
        ],
        "messaging": [
            {
                "supportedMessage": [
                    {"mode": "receiver", "definition": d.REQUEST_VALIDATION},
                    {"mode": "sender", "definition": d.RESPONSE_FULL},
                ]
            }
        ],
    }
    return given_statement | changes


def checked(needs_read: bool = True, **changes: Any) -> CannotSend | None:
    return check_capability(read_capability(statement(**changes)), [WANTED], core=CORE, needs_read=needs_read)


def offered(
    version: str = "1.1.0", *, url: str = d.REQUEST_VALIDATION, service: str = CAS, use_case: str = "a4t1"
) -> RemoteDefinition:
    parsed = Version.parse(version)
    assert parsed is not None
    return RemoteDefinition(url=url, version=parsed, services=frozenset({service}), use_cases=frozenset({use_case}))


def chosen(*definitions: RemoteDefinition) -> str:
    """The version chosen, or why none was."""
    result = choose_definition(definitions, WANTED, service_id=CAS, use_case="A4T1")
    return result.reason if isinstance(result, CannotSend) else str(result.version)


class TestCapability:
    @pytest.mark.req("CORE-CN-01")
    def test_a_system_that_can_all_that_is_needed_is_fine(self) -> None:
        assert checked() is None

    @pytest.mark.req("CORE-VER-02", "CORE-CN-18")
    @pytest.mark.parametrize("version", ["2.0.0", "0.9.0", "unknown", None])
    def test_another_major_version_stops_the_sender(self, version: str | None) -> None:
        stop = checked(version=version)
        assert stop is not None
        assert "phone" in stop.advice

    def test_minor_versions_go_together(self) -> None:
        assert checked(version="1.4.0") is None

    @pytest.mark.req("CORE-CN-01", "CORE-ERR-META-02")
    def test_a_definition_that_is_not_received_stops_the_sender(self) -> None:
        stop = checked(messaging=[])
        assert stop is not None
        assert "request-validation" in stop.reason

    @pytest.mark.req("CORE-CN-01")
    def test_without_reading_back_no_request_is_sent_and_a_response_is(self) -> None:
        assert checked(rest=[]) is not None
        assert checked(needs_read=False, rest=[]) is None

    def test_what_another_system_sends_or_reads_as_client_does_not_count(self) -> None:
        remote = read_capability(statement())
        assert d.RESPONSE_FULL not in remote.receives
        assert ("Slot", "read") not in remote.interactions

    def test_a_definition_may_be_named_with_version_or_by_alias(self) -> None:
        alias = "https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-response-short|1.0.0-beta"
        messages = [{"supportedMessage": [{"mode": "receiver", "definition": alias}]}]
        assert read_capability(statement(messaging=messages)).receives == {d.RESPONSE_SHORT}

    @needs_shared
    @pytest.mark.req("CORE-CN-01")
    def test_the_published_statement_is_read(self) -> None:
        path = SHARED / "bars/conformance/capabilitystatement/bars-capability-statement-example.json"
        remote = read_capability(json.loads(path.read_text(encoding="utf-8")))
        assert remote.version == Version(1, 1)
        assert {each.url for each in d.DEFINITIONS} <= remote.receives
        assert check_capability(remote, d.DEFINITIONS, core=CORE, needs_read=True) is None


class TestDefinitions:
    @pytest.mark.req("CORE-CN-20")
    def test_both_published_shapes_of_the_context_are_read(self) -> None:
        artefact = {
            "resourceType": "MessageDefinition",
            "url": d.REQUEST_VALIDATION,
            "version": "1.1.0",
            "useContext": [
                {"code": {"code": "workflow"}, "valueCodeableConcept": {"coding": [{"system": system, "code": code}]}}
                for system, code in (("http://fhir.nhs.uk/id/dos-service-id", "2000000022"), (systems.USE_CASE, "A4T1"))
            ],
        }
        openapi = artefact | {
            "useContext": [
                {
                    "code": [
                        {"system": "https://fhir.nhs.uk/CodeSystem/dos-id", "code": "2000000022"},
                        {"system": systems.USE_CASE, "code": "a4t1"},
                    ],
                    "valueCodeableConcept": {"coding": [{"system": "http://x/variant-state", "code": "positive"}]},
                }
            ]
        }
        bundle = {"resourceType": "Bundle", "entry": [{"resource": artefact}, {"resource": openapi}]}
        assert read_message_definitions(bundle) == (offered(), offered())
        assert read_message_definitions(artefact) == (offered(),)

    @pytest.mark.parametrize("missing", ["url", "version", "resourceType"])
    def test_a_definition_without_url_or_version_cannot_be_used(self, missing: str) -> None:
        whole = {"resourceType": "MessageDefinition", "url": d.REQUEST_VALIDATION, "version": "1.1.0"}
        assert len(read_message_definitions({"entry": [{"resource": whole}]})) == 1
        del whole[missing]
        assert read_message_definitions({"entry": [{"resource": whole}]}) == ()

    @needs_shared
    @pytest.mark.req("CORE-CN-20")
    def test_the_published_definitions_are_read(self) -> None:
        folder = SHARED / "bars/conformance/messagedefinition"
        entries = [{"resource": json.loads(path.read_text(encoding="utf-8"))} for path in folder.glob("*.json")]
        read = {each.url: each for each in read_message_definitions({"entry": entries})}
        assert {each.url for each in d.DEFINITIONS} <= read.keys()
        assert read[d.REQUEST_REFERRAL].use_cases == {"a6t1", "a6t2", "a6t3"}
        assert read[d.REQUEST_REFERRAL].services == {f"{systems.SERVICE_ID}|dos-id"}

    @pytest.mark.req("CORE-CN-04")
    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            ({"url": d.REQUEST_REFERRAL}, "does not offer request-validation"),
            ({"service": AST}, "does not offer request-validation"),
            ({"use_case": "a4t2"}, "does not offer request-validation for A4T1"),
            ({"version": "2.0.0"}, "offers request-validation 2.0.0 only"),
            ({"version": "1.0.0-alpha"}, "offers request-validation 1.0.0-alpha only"),
        ],
        ids=["type", "service", "use case", "version", "pre-release"],
    )
    def test_a_definition_must_fit_in_all_four(self, wrong: dict[str, Any], reason: str) -> None:
        assert chosen(offered()) == "1.1.0"
        assert chosen(offered(**wrong)) == f"the service {reason}"

    @pytest.mark.req("CORE-CN-06", "CORE-CN-18", "CORE-WF-09")
    def test_without_a_definition_nothing_is_sent_and_the_user_is_told(self) -> None:
        result = choose_definition([], WANTED, service_id=CAS, use_case="a4t1")
        assert isinstance(result, CannotSend)
        assert "phone" in result.advice

    @pytest.mark.req("CORE-CN-05", "CORE-VER-03")
    @pytest.mark.parametrize(
        ("versions", "choice"),
        [
            (["1.0.0", "1.1.0"], "1.1.0"),
            (["1.0.1", "1.1.3", "1.2.0"], "1.1.3"),
            (["1.0.9", "1.2.0"], "1.2.0"),
            (["1.0.0", "1.2.0"], "1.2.0"),
            (["1.0.0-beta", "1.0.0"], "1.0.0"),
            (["2.0.0", "1.4.0"], "1.4.0"),
        ],
    )
    def test_the_closest_version_is_chosen(self, versions: list[str], choice: str) -> None:
        assert chosen(*map(offered, versions)) == chosen(*map(offered, versions[::-1])) == choice


JSON_VALUES = st.recursive(
    st.none() | st.text(max_size=5) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mode", "resource", "interaction", "code", "coding", "resourceType", "url"]), inner
        )
    ),
)


@given(JSON_VALUES)
def test_any_answer_is_read(value: Any) -> None:
    capability = read_capability(dict.fromkeys(("version", "rest", "messaging"), value))
    assert check_capability(capability, [WANTED], core=CORE, needs_read=True) is not None
    assert read_message_definitions({"entry": value, "useContext": value}) == ()
