from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.fhir import systems
from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.queries import (
    DefinitionQuery,
    RequestSearch,
    definition_query,
    no_definitions,
    read_definition_query,
    read_request_id,
    read_request_search,
    request_search,
)
from tests.unit.protocol.messages import CAS, REQUEST_ID

USE_CASE = f"{systems.USE_CASE}|a4t1"


def triple(result: object) -> tuple[int, str, str]:
    assert isinstance(result, Refused)
    return result.fault.http_status, result.fault.code, result.issues[0].code


class TestDefinitionQuery:
    @pytest.mark.req("CORE-CN-13")
    @pytest.mark.parametrize(
        ("contexts", "service", "use_case"),
        [
            ([CAS], CAS, None),
            (["2000000022"], CAS, None),
            (["http://fhir.nhs.uk/id/dos-service-id|2000000022"], CAS, None),
            (["https://fhir.nhs.uk/CodeSystem/dos-id|2000000022"], CAS, None),
            ([CAS, USE_CASE], CAS, "a4t1"),
            ([USE_CASE, CAS], CAS, "a4t1"),
            ([CAS, "A4T1"], CAS, "a4t1"),
            ([USE_CASE], None, "a4t1"),
            ([f"{CAS}&context={USE_CASE}"], CAS, "a4t1"),
            ([CAS, CAS], CAS, None),
            ([f" {CAS} ", "a4t1", "A4T1"], CAS, "a4t1"),
        ],
    )
    def test_one_or_both_contexts_are_read_with_system_or_bare(
        self, contexts: list[str], service: str | None, use_case: str | None
    ) -> None:
        assert read_definition_query(contexts) == DefinitionQuery(service_id=service, use_case=use_case)

    @pytest.mark.req("CORE-ERR-MD-02")
    @pytest.mark.parametrize("contexts", [[], [""], [" "]])
    def test_no_context_is_something_required(self, contexts: list[str]) -> None:
        assert triple(read_definition_query(contexts)) == (400, "REC_BAD_REQUEST", "required")

    @pytest.mark.req("CORE-ERR-MD-03")
    @pytest.mark.parametrize("context", ["||", "|", f"{systems.SERVICE_ID}|", "|2000000022", "a|b|c"])
    def test_a_badly_formed_context_is_invalid(self, context: str) -> None:
        assert triple(read_definition_query([context])) == (400, "REC_BAD_REQUEST", "invalid")

    @pytest.mark.req("CORE-ERR-MD-04")
    @pytest.mark.parametrize("contexts", [["https://example.org/x|1"], [CAS, "2000000033"], [USE_CASE, "a4t2"]])
    def test_a_context_that_cannot_be_used_has_a_wrong_value(self, contexts: list[str]) -> None:
        assert triple(read_definition_query(contexts)) == (400, "REC_BAD_REQUEST", "value")

    @pytest.mark.req("CORE-ERR-MD-05", "CORE-CN-15")
    def test_a_context_that_finds_nothing_is_not_found(self) -> None:
        assert triple(no_definitions()) == (404, "REC_NOT_FOUND", "not-found")

    @pytest.mark.req("CORE-CN-12")
    def test_both_contexts_are_asked_for(self) -> None:
        query = definition_query(service_id="http://fhir.nhs.uk/id/dos-service-id|2000000022", use_case="A4T1")
        assert query == [("context", CAS), ("context", USE_CASE)]
        assert read_definition_query([value for _, value in query]) == DefinitionQuery(service_id=CAS, use_case="a4t1")

    def test_a_service_that_is_no_token_cannot_be_asked_for(self) -> None:
        with pytest.raises(ValueError, match="system"):
            definition_query(service_id="2000000022", use_case="a4t1")

    @given(st.lists(st.text(max_size=20), max_size=3))
    def test_any_contexts_are_read_or_refused(self, contexts: list[str]) -> None:
        result = read_definition_query(contexts)
        assert isinstance(result, Refused) or result.service_id or result.use_case


class TestReadById:
    def test_an_id_is_read_in_lower_case(self) -> None:
        assert read_request_id(f" {REQUEST_ID.upper()} ") == REQUEST_ID

    @pytest.mark.req("CORE-ERR-SR-02")
    @pytest.mark.parametrize("value", ["", " "])
    def test_no_id_is_something_required(self, value: str) -> None:
        assert triple(read_request_id(value)) == (400, "REC_BAD_REQUEST", "required")

    @pytest.mark.req("CORE-ERR-SR-03")
    @pytest.mark.parametrize("value", ["123", "abc", f"{REQUEST_ID}x", f"urn:uuid:{REQUEST_ID}"])
    def test_an_id_that_is_no_uuid_has_a_wrong_value(self, value: str) -> None:
        assert triple(read_request_id(value)) == (400, "REC_BAD_REQUEST", "value")


class TestSearch:
    def test_a_patient_is_searched_by_system_and_value(self) -> None:
        found = read_request_search([("patient:identifier", "http://fhir.nhs.uk/id/nhs-number|9476719931")])
        assert found == RequestSearch(patient=(systems.NHS_NUMBER, "9476719931"), request=None)

    def test_the_other_spelling_and_further_parameters_are_accepted(self) -> None:
        given_parameters = [
            (" Patient.Identifier ", f" {systems.NHS_NUMBER}|9476719931 "),
            ("patient:birthdate", "eq1970"),
        ]
        found = read_request_search(given_parameters)
        assert not isinstance(found, Refused)
        assert found.patient == (systems.NHS_NUMBER, "9476719931")

    @pytest.mark.parametrize(("value", "read"), [("https://x|77", ("https://x", "77")), ("77", (None, "77"))])
    def test_a_request_identifier_stands_in_for_the_patient(self, value: str, read: tuple[str | None, str]) -> None:
        found = read_request_search([("ServiceRequest.identifier", value)])
        assert found == RequestSearch(patient=None, request=read)

    @pytest.mark.req("CORE-ERR-SR-06")
    @pytest.mark.parametrize("parameters", [[], [("patient:name", "x")], [("patient:identifier", " ")]])
    def test_a_search_without_patient_lacks_something_required(self, parameters: list[tuple[str, str]]) -> None:
        assert triple(read_request_search(parameters)) == (400, "REC_BAD_REQUEST", "required")

    @pytest.mark.req("CORE-ERR-SR-08")
    @pytest.mark.parametrize("value", ["9476719931", "|9476719931", f"{systems.NHS_NUMBER}|"])
    def test_a_patient_without_system_or_value_has_a_wrong_value(self, value: str) -> None:
        result = read_request_search([("patient:identifier", value)])
        assert triple(result) == (400, "REC_BAD_REQUEST", "value")
        assert isinstance(result, Refused)
        assert "9476719931" not in str(result)

    @pytest.mark.req("CORE-ERR-SR-09")
    def test_we_search_by_nhs_number_with_its_system(self) -> None:
        assert request_search(nhs_number="9476719931") == [
            ("patient:identifier", "https://fhir.nhs.uk/Id/nhs-number|9476719931")
        ]
