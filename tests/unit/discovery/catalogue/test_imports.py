"""Importing a catalogue: all of a file or nothing, with every fault named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cad_bridge.discovery.catalogue.imports import ImportRefusedError, import_csv, import_json
from tests.unit.discovery.catalogue.resources import SERVICE_ID, endpoint, healthcare_service

HEAD = "service_id,ods_code,name,address,use_cases,status\n"
GOOD = f'{SERVICE_ID}|1,RX8,"EOC, York",https://bars.example.org/FHIR/R4,a6t1 A6T2;a6t3,active\n'
ROW: dict[str, Any] = {
    "service_id": f"{SERVICE_ID}|1",
    "ods_code": "RX8",
    "name": "EOC",
    "address": "https://bars.example.org/FHIR/R4",
    "use_cases": ["a6t1"],
}


def problems(read: Any, text: str) -> tuple[str, ...]:
    with pytest.raises(ImportRefusedError) as caught:
        read(text)
    problems: tuple[str, ...] = caught.value.problems
    return problems


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_csv(start: str) -> None:
    first, second = import_csv(f"{start}{HEAD}{GOOD}{SERVICE_ID}|2,RX9,Two,http://127.0.0.1:9400,a6t1,\n").entries
    assert (first.name, first.use_cases) == ("EOC, York", {"a6t1", "a6t2", "a6t3"})
    assert (second.ods_code, second.status) == ("RX9", "active")


def test_csv_without_a_status_column_is_active() -> None:
    text = f"service_id,ods_code,name,address,use_cases\n{SERVICE_ID}|1,RX8,EOC,https://bars.example.org,a6t1\n"
    assert [entry.status for entry in import_csv(text).entries] == ["active"]


def test_every_fault_of_a_csv_file_is_named_with_its_line() -> None:
    text = (
        f"{HEAD}{GOOD}1,,,http://bars.example.org,,on\n{SERVICE_ID}|3,RX8,Three,https://bars.example.org,validation,\n"
    )
    assert problems(import_csv, text) == (
        "line 3: service_id must be system|value",
        "line 3: ods_code is missing",
        "line 3: name is missing",
        "line 3: address must be an https URL (http on a loopback address only)",
        "line 3: status must be one of active, entered-in-error, error, off, suspended, test",
        "line 3: use_cases is missing",
        "line 4: use_cases must be codes such as a6t1",
    )


@pytest.mark.parametrize("text", ["", "service_id,name\n1,2\n"])
def test_a_csv_file_without_the_columns_is_refused(text: str) -> None:
    assert problems(import_csv, text)[0].startswith("columns missing: address")


def test_text_that_is_no_csv_is_refused() -> None:
    assert problems(import_csv, f'{HEAD}"a"b,c\n')[0].endswith("not CSV")


def test_two_addresses_for_one_service_are_refused() -> None:
    other = GOOD.replace("bars.example", "other.example")
    assert problems(import_csv, HEAD + GOOD + other) == (f"{SERVICE_ID}|1 has more than one address",)
    assert len(import_csv(HEAD + GOOD + other.replace("active", "off")).entries) == 2


@pytest.mark.parametrize("document", [[ROW], {"services": [ROW]}])
def test_json(document: Any) -> None:
    (entry,) = import_json(json.dumps(document)).entries
    assert (entry.service_id, entry.use_cases) == (f"{SERVICE_ID}|1", {"a6t1"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("{}", "neither a list of services nor a FHIR Bundle"),
        ("3", "neither a list of services nor a FHIR Bundle"),
        ("[1]", "service 1: not an object"),
        (json.dumps([{**ROW, "name": 5}]), "service 1: name is missing"),
        (json.dumps({"resourceType": "Bundle"}), "the Bundle holds no service that can be reached"),
    ],
)
def test_json_that_is_no_catalogue_is_refused(text: str, problem: str) -> None:
    assert problems(import_json, text) == (problem,)


def test_a_bundle_is_a_catalogue() -> None:
    resources = [healthcare_service(), healthcare_service("2", endpoint=[]), endpoint()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in resources]}
    imported = import_json(json.dumps(bundle))
    assert [entry.service_id for entry in imported.entries] == [f"{SERVICE_ID}|2000000011"]
    assert len(imported.warnings) == 1
    assert "no endpoint of the service speaks BaRS" in imported.warnings[0]


def test_two_owners_of_one_service_are_refused() -> None:
    other = GOOD.replace("RX8", "RX6")
    assert problems(import_csv, HEAD + GOOD + other) == (f"{SERVICE_ID}|1 has more than one ods_code",)


def test_a_bundle_with_a_resource_that_cannot_be_stored_is_refused() -> None:
    resources = [healthcare_service(), endpoint(status="perhaps"), endpoint(2, id=None)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in resources]}
    found = problems(import_json, json.dumps(bundle))
    assert [problem.split(":")[0] for problem in found] == ["Endpoint 2", "Endpoint 3"]
    assert "Endpoint.status" in found[0]
    assert found[1].endswith("needs its id")


def test_a_bundle_with_two_addresses_for_one_service_is_refused() -> None:
    service = healthcare_service(endpoint=[{"reference": "Endpoint/endpoint-1"}, {"reference": "Endpoint/endpoint-2"}])
    resources = [service, endpoint(), endpoint(2)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in resources]}
    assert problems(import_json, json.dumps(bundle)) == (f"{SERVICE_ID}|2000000011 has more than one address",)


def test_what_a_bundle_holds_is_what_is_stored() -> None:
    resources = [healthcare_service(), endpoint()]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": item} for item in resources]}
    assert list(import_json(json.dumps(bundle)).resources) == resources
