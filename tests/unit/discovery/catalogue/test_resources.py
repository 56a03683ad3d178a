"""Resources of the catalogue: read leniently, checked strictly, joined to entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from cad_bridge.discovery.catalogue.elements import codings, instant, referred_ids
from cad_bridge.discovery.catalogue.join import entries_from_resources
from cad_bridge.discovery.catalogue.records import read_endpoint, read_healthcare_service, resources_in
from cad_bridge.discovery.catalogue.tokens import Token
from cad_bridge.discovery.catalogue.validate import has_errors, is_usable_address, validate
from tests.unit.discovery.catalogue.resources import (
    ODS,
    SERVICE_ID,
    endpoint,
    healthcare_service,
    organisation_reference,
    organization,
    without,
)


def expressions(resource: Any, resource_type: str, **how: Any) -> list[tuple[str, str]]:
    return [(str(issue.severity), issue.expression) for issue in validate(resource, resource_type, **how)]


@pytest.mark.parametrize(
    "resource", [healthcare_service(), endpoint(), organization()], ids=lambda r: r["resourceType"]
)
def test_a_clean_resource_has_no_findings(resource: dict[str, Any]) -> None:
    assert validate(resource, resource["resourceType"]) == ()


@pytest.mark.parametrize(
    ("resource", "resource_type", "expression"),
    [
        ([], "Endpoint", "Endpoint"),
        (organization(), "Endpoint", "resourceType"),
        (without(endpoint(), "identifier"), "Endpoint", "Endpoint.identifier"),
        (endpoint(identifier=[{"value": "x"}]), "Endpoint", "Endpoint.identifier[0].system"),
        (endpoint(status="on"), "Endpoint", "Endpoint.status"),
        (without(endpoint(), "connectionType"), "Endpoint", "Endpoint.connectionType"),
        (endpoint(payloadType=[]), "Endpoint", "Endpoint.payloadType"),
        (without(endpoint(), "managingOrganization"), "Endpoint", "Endpoint.managingOrganization.identifier"),
        (endpoint(address="ftp://example.org"), "Endpoint", "Endpoint.address"),
        (without(endpoint(), "address"), "Endpoint", "Endpoint.address"),
        (endpoint(header="secret"), "Endpoint", "Endpoint.header"),
        (endpoint(period="always"), "Endpoint", "Endpoint.period"),
        (endpoint(period={"start": "2026-01-01"}), "Endpoint", "Endpoint.period.start"),
        (
            endpoint(period={"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}),
            "Endpoint",
            "Endpoint.period",
        ),
        (
            healthcare_service(identifier=[{"system": "https://example.org", "value": "1"}]),
            "HealthcareService",
            "HealthcareService.identifier",
        ),
        (healthcare_service(active="yes"), "HealthcareService", "HealthcareService.active"),
        (healthcare_service(name=" "), "HealthcareService", "HealthcareService.name"),
        (
            healthcare_service(providedBy={"identifier": {"system": SERVICE_ID, "value": "1"}}),
            "HealthcareService",
            "HealthcareService.providedBy.identifier",
        ),
        (
            healthcare_service(endpoint=[{"reference": "Organization/1"}]),
            "HealthcareService",
            "HealthcareService.endpoint",
        ),
        (
            organization(identifier=[{"system": SERVICE_ID, "value": "1"}]),
            "Organization",
            "Organization.identifier",
        ),
        (without(organization(), "name"), "Organization", "Organization.name"),
    ],
)
def test_what_is_missing_or_wrong_is_an_error_with_its_path(resource: Any, resource_type: str, expression: str) -> None:
    assert expressions(resource, resource_type) == [("error", expression)]
    assert has_errors(validate(resource, resource_type))


def test_every_finding_is_told_at_once() -> None:
    broken = without(endpoint(status="on", address="x"), "payloadType")
    assert [path for _, path in expressions(broken, "Endpoint")] == [
        "Endpoint.status",
        "Endpoint.payloadType",
        "Endpoint.address",
    ]


def test_a_finding_holds_no_value_of_the_resource() -> None:
    for issue in validate(endpoint(status="s3cret", address="https://user:s3cret@example.org"), "Endpoint"):
        assert "s3cret" not in f"{issue.diagnostics}{issue.expression}"


def test_a_template_has_no_period() -> None:
    dated = endpoint(period={"start": "2026-01-01T00:00:00Z"})
    assert expressions(dated, "Endpoint") == []
    assert expressions(dated, "Endpoint", template=True) == [("error", "Endpoint.period")]


def test_the_published_shapes_pass_with_a_warning() -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-msg"}
    published = endpoint(
        connectionType={"coding": [coding]}, managingOrganization=[organisation_reference("RX8")], header="public"
    )
    assert expressions(published, "Endpoint") == [
        ("warning", "Endpoint.connectionType"),
        ("warning", "Endpoint.managingOrganization"),
    ]
    assert not has_errors(validate(published, "Endpoint"))
    several = healthcare_service(providedBy=[organisation_reference("RX8")])
    assert expressions(several, "HealthcareService") == [("warning", "HealthcareService.providedBy")]
    one = healthcare_service(endpoint={"reference": "Endpoint/1"})
    assert expressions(one, "HealthcareService") == [("warning", "HealthcareService.endpoint")]


@pytest.mark.parametrize(
    ("address", "usable"),
    [
        ("https://bars.example.org/FHIR/R4", True),
        ("https://bars.example.org:8443/FHIR/R4", True),
        ("http://127.0.0.1:9400/FHIR/R4", True),
        ("http://[::1]:9400/FHIR/R4", True),
        ("http://localhost:9400", True),
        ("http://bars.example.org/FHIR/R4", False),
        ("http://127.0.0.1.example.org/", False),
        ("https://user:secret@bars.example.org", False),
        ("https://bars.example.org/?key=1", False),
        ("https://bars.example.org/#x", False),
        ("https://", False),
        ("https://[", False),
        ("bars.example.org", False),
        ("", False),
    ],
)
def test_where_messages_may_be_sent(address: str, usable: bool) -> None:
    assert is_usable_address(address) is usable


def test_codings_in_every_shape() -> None:
    code = {"system": "s", "code": "c"}
    for value in (code, [code], {"coding": [code]}, [{"coding": [code]}], {"coding": code}):
        assert codings(value) == (Token("s", "c"),)
    for value in (None, "c", [None], {"coding": []}, {"coding": [{"system": "s"}]}):
        assert codings(value) == ()


def test_references_in_every_shape() -> None:
    given = [
        {"reference": "Endpoint/1"},
        {"reference": "https://example.org/FHIR/R4/Endpoint/2"},
        {"reference": "Endpoint/3/_history/4"},
        {"reference": "Organization/5"},
        {"reference": "6"},
        {"identifier": {}},
        "Endpoint/7",
    ]
    assert referred_ids(given, "Endpoint") == ("1", "2", "3")
    assert referred_ids({"reference": "Endpoint/1"}, "Endpoint") == ("1",)


def test_instants() -> None:
    assert instant("2021-11-26T15:00:00.8185338+00:00") == datetime(2021, 11, 26, 15, 0, 0, 818533, tzinfo=UTC)
    assert [instant(value) for value in ("2021-11-26", "2021-11-26T15:00:00", "x", None, 1)] == [None] * 5


def test_a_record_of_rubbish_is_empty_not_an_error() -> None:
    rubbish = dict.fromkeys(endpoint(), 1) | {"period": "x", "header": {"a": 1}}
    assert read_endpoint(rubbish).address is None
    record = read_healthcare_service({name: [[None]] for name in healthcare_service()})
    assert (record.identifiers, record.provided_by, record.endpoint_ids, record.active) == ((), None, (), True)


def test_resources_are_found_in_every_kind_of_answer() -> None:
    one, two = endpoint(1), endpoint(2)
    searched = {
        "resourceType": "Bundle",
        "entry": [{"resource": one}, {"resource": healthcare_service()}, {}, {"resource": two}],
    }
    for answer in (searched, [one, healthcare_service(), two], [searched]):
        assert resources_in(answer, "Endpoint") == (one, two)
    assert resources_in(one, "Endpoint") == (one,)
    assert resources_in(None, "Endpoint") == resources_in("x", "Endpoint") == resources_in({}, "Endpoint") == ()


def test_a_service_and_its_endpoint_make_an_entry() -> None:
    joined = entries_from_resources([healthcare_service()], [endpoint(), endpoint(2)])
    (entry,) = joined.entries
    assert joined.issues == ()
    assert (entry.service_id, entry.ods_code, entry.address) == (
        f"{SERVICE_ID}|2000000011",
        "RX8",
        "https://bars-1.example.org/FHIR/R4",
    )
    assert (entry.use_cases, entry.status) == (frozenset({"a6t1"}), "active")
    assert (entry.endpoint_id, entry.healthcare_service_id) == ("endpoint-1", "service-2000000011")


def test_an_endpoint_may_carry_the_service_id_itself() -> None:
    carrying = endpoint(2, identifier=[{"system": SERVICE_ID.replace("https", "http"), "value": "2000000011"}])
    joined = entries_from_resources([healthcare_service(endpoint=[])], [carrying])
    assert [entry.endpoint_id for entry in joined.entries] == ["endpoint-2"]


def test_an_inactive_service_is_off_and_an_endpoint_that_is_not_bars_does_not_count() -> None:
    (entry,) = entries_from_resources([healthcare_service(active=False)], [endpoint()]).entries
    assert entry.status == "off"
    other = endpoint(payloadType=[{"coding": [{"system": "x", "code": "any"}]}])
    joined = entries_from_resources([healthcare_service()], [other])
    assert joined.entries == ()
    assert [issue.expression for issue in joined.issues] == ["HealthcareService[0].endpoint"]


def test_use_cases_that_a_site_configures_are_added_and_none_is_guessed() -> None:
    unsaid = without(healthcare_service(name="999 to CAS validation a4t1"), "type")
    (plain,) = entries_from_resources([unsaid], [endpoint()]).entries
    assert plain.use_cases == frozenset()
    configured = {f"{SERVICE_ID}|2000000011": frozenset({"a6t2"})}
    (entry,) = entries_from_resources([healthcare_service()], [endpoint()], use_cases=configured).entries
    assert entry.use_cases == {"a6t1", "a6t2"}


def test_the_provider_s_code_may_come_through_an_organisation() -> None:
    local = {"system": "https://example.org/org", "value": "7"}
    service = healthcare_service(providedBy={"identifier": local})
    known = organization(identifier=[local, {"system": ODS, "value": "RX9"}])
    (entry,) = entries_from_resources([service], [endpoint()], organizations=[known]).entries
    assert entry.ods_code == "RX9"
    lost = entries_from_resources([service, without(service, "providedBy")], [endpoint()])
    assert lost.entries == ()
    assert [issue.expression for issue in lost.issues] == [
        "HealthcareService[0].providedBy",
        "HealthcareService[1].providedBy",
    ]
