from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.fhir import systems
from cad_bridge.protocol import definitions as d
from cad_bridge.protocol.capability import (
    capability_statement,
    message_definition_resource,
    searchset,
    served_definitions,
    supported_messages,
)
from cad_bridge.protocol.definitions import DEFINITIONS, definition_for
from cad_bridge.protocol.negotiation import (
    check_capability,
    choose_definition,
    read_capability,
    read_message_definitions,
)
from cad_bridge.protocol.services import LocalService, Role
from cad_bridge.protocol.versions import Version
from cad_bridge.workflow.vocabulary import UseCase
from tests.shared_material import SHARED, needs_shared
from tests.unit.protocol.messages import AST, CAS

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
BUNDLE_ID = UUID("5f2a3c1e-6a55-4a8e-9d5b-2f0a7c4f1b01")
CAS_SERVICE = LocalService(
    id=CAS,
    ods_code="RCAS",
    name="CAS",
    role=Role.CAS,
    use_cases=frozenset({UseCase.CAS_VALIDATION, UseCase.CAS_REFERRAL}),
)
AST_SERVICE = LocalService(
    id=AST,
    ods_code="RAST",
    name="AST",
    role=Role.AST,
    use_cases=frozenset({UseCase.CAS_VALIDATION, UseCase.CALL_ASSIST}),
)
VALIDATION = definition_for(d.REQUEST_VALIDATION)
assert VALIDATION is not None


def statement(*services: LocalService, **changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "base_url": "https://bars.example.nhs.uk/FHIR/R4",
        "software_name": "cad_bridge",
        "software_version": "2.0.0",
        "released_at": AT,
    }
    return capability_statement(services, **(arguments | changes))


def served(service: LocalService, use_case: UseCase | None = None) -> list[tuple[str, str]]:
    return [(definition.name, str(each)) for definition, each in served_definitions(service, use_case=use_case)]


class TestDefinitions:
    @pytest.mark.req("CORE-CN-07")
    def test_each_service_serves_the_definitions_of_what_it_receives(self) -> None:
        assert served(CAS_SERVICE) == [
            ("request-referral", "a3t1"),
            ("request-cancelled", "a3t1"),
            ("request-validation", "a4t1"),
            ("request-cancelled", "a4t1"),
        ]
        assert served(AST_SERVICE) == [
            ("response-validation-interim", "a4t1"),
            ("response-validation-full", "a4t1"),
            ("response-referral-short", "a6t2"),
            ("request-referral", "a6t2"),
            ("request-cancelled", "a6t2"),
        ]

    def test_one_use_case_can_be_asked_for(self) -> None:
        assert {use_case for _, use_case in served(CAS_SERVICE, UseCase.CAS_REFERRAL)} == {"a3t1"}
        assert served(CAS_SERVICE, UseCase.MUTUAL_AID) == []

    @pytest.mark.req("CORE-CN-20")
    def test_a_definition_has_the_shape_of_the_published_artefacts(self) -> None:
        resource = message_definition_resource(VALIDATION, service_id=CAS, use_case=UseCase.CAS_VALIDATION)
        context_type = {"system": "http://terminology.hl7.org/CodeSystem/usage-context-type", "code": "workflow"}
        assert resource["useContext"] == [
            {
                "code": context_type,
                "valueCodeableConcept": {"coding": [{"system": systems.SERVICE_ID, "code": "2000000022"}]},
            },
            {"code": context_type, "valueCodeableConcept": {"coding": [{"system": systems.USE_CASE, "code": "a4t1"}]}},
        ]
        assert (resource["url"], resource["version"]) == (d.REQUEST_VALIDATION, "1.1.0")

    def test_the_ids_differ_where_the_published_ones_do_not(self) -> None:
        resources = [
            message_definition_resource(definition, service_id=service.id, use_case=use_case)
            for service in (CAS_SERVICE, AST_SERVICE)
            for definition, use_case in served_definitions(service)
        ]
        assert len({resource["id"] for resource in resources}) == len(resources)

    @needs_shared
    @pytest.mark.req("CORE-CN-20")
    @pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda definition: definition.name)
    def test_what_is_served_says_what_the_published_one_says(self, definition: d.MessageDefinition) -> None:
        folder = SHARED / "bars/conformance/messagedefinition"
        artefact = next(
            a for a in (json.loads(p.read_text()) for p in folder.glob("*.json")) if a["url"] == definition.url
        )
        resource = message_definition_resource(definition, service_id=CAS, use_case=UseCase.CAS_VALIDATION)
        for element in ("resourceType", "url", "version", "status", "eventCoding"):
            assert resource[element] == artefact[element]
        assert sorted(map(str, resource["focus"])) == sorted(map(str, artefact["focus"]))
        assert resource.keys() == artefact.keys()

    @pytest.mark.req("CORE-CN-14")
    def test_definitions_come_in_a_searchset(self) -> None:
        resources = [message_definition_resource(VALIDATION, service_id=CAS, use_case=UseCase.CAS_VALIDATION)]
        bundle = searchset(resources, bundle_id=BUNDLE_ID, self_url="https://bars.example.nhs.uk", at=AT)
        assert (bundle["type"], bundle["total"], bundle["entry"][0]["resource"]) == ("searchset", 1, resources[0])

    @pytest.mark.req("CORE-WF-04")
    def test_what_we_serve_we_can_choose_from(self) -> None:
        resources = [
            message_definition_resource(definition, service_id=CAS, use_case=use_case)
            for definition, use_case in served_definitions(CAS_SERVICE)
        ]
        bundle = searchset(resources, bundle_id=BUNDLE_ID, self_url="https://bars.example.nhs.uk", at=AT)
        chosen = choose_definition(read_message_definitions(bundle), VALIDATION, service_id=CAS, use_case="a4t1")
        assert getattr(chosen, "version", chosen) == Version(1, 1)


class TestCapability:
    @pytest.mark.req("CORE-CN-03")
    def test_the_version_is_that_of_the_core_served(self) -> None:
        assert statement(CAS_SERVICE)["version"] == "1.1.0"
        assert statement(CAS_SERVICE, core_version="1.1.6")["version"] == "1.1.6"

    @pytest.mark.req("CORE-CN-02")
    def test_every_definition_is_listed_with_its_mode(self) -> None:
        assert supported_messages([CAS_SERVICE]) == [
            ("sender", d.RESPONSE_INTERIM),
            ("sender", d.RESPONSE_FULL),
            ("receiver", d.REQUEST_REFERRAL),
            ("receiver", d.REQUEST_VALIDATION),
            ("receiver", d.REQUEST_CANCELLED),
        ]
        both = supported_messages([AST_SERVICE])
        assert {url for mode, url in both if mode == "sender"} == {
            d.REQUEST_VALIDATION, d.REQUEST_REFERRAL, d.REQUEST_CANCELLED, d.RESPONSE_SHORT,
        }  # fmt: skip
        assert ("receiver", d.RESPONSE_SHORT) in both

    @pytest.mark.req("CORE-CN-02")
    def test_server_and_client_capabilities_are_published(self) -> None:
        rest = {each["mode"]: each for each in statement(CAS_SERVICE)["rest"]}
        assert set(rest) == {"server", "client"}
        assert {each["type"] for each in rest["server"]["resource"]} == {
            "CapabilityStatement", "MessageDefinition", "ServiceRequest",
        }  # fmt: skip
        assert rest["client"]["operation"][0]["definition"].endswith("/MessageHeader-process-message")

    @pytest.mark.req("CORE-WF-04")
    def test_our_own_statement_satisfies_a_sender(self) -> None:
        remote = read_capability(statement(CAS_SERVICE))
        assert check_capability(remote, [VALIDATION], core=Version(1, 1), needs_read=True) is None

    def test_everything_served_is_fhir(self) -> None:
        bundle_type = pytest.importorskip("fhir.resources.R4B.bundle").Bundle
        statement_type = pytest.importorskip("fhir.resources.R4B.capabilitystatement").CapabilityStatement
        resources = [
            message_definition_resource(definition, service_id=AST, use_case=use_case)
            for definition, use_case in served_definitions(AST_SERVICE)
        ]
        bundle = searchset(resources, bundle_id=BUNDLE_ID, self_url="https://bars.example.nhs.uk", at=AT)
        assert bundle_type.model_validate(bundle).total == len(resources)
        assert statement_type.model_validate(statement(CAS_SERVICE, AST_SERVICE)).version == "1.1.0"
