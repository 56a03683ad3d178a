from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.headers import RequestHeaders, ServiceIdentifier, given_ids, read_headers
from cad_bridge.protocol.outgoing import (
    Organisation,
    PractitionerRole,
    Product,
    UseContext,
    outgoing_headers,
)
from tests.unit.protocol.messages import CAS, CORRELATION_ID, REQUEST_ID

IDS = {"X-Request-Id": REQUEST_ID, "X-Correlation-Id": CORRELATION_ID}
ORGANISATION = Organisation(ods_code="RX8", name="Yorkshire Ambulance Service")
PRODUCT = Product(
    identifier_system="https://example.org/Id/product", identifier="CB-1", name="cad_bridge", version="2.0"
)
ROLE = PractitionerRole(sds_role_profile_id="100334993514", snomed_code="159561009", display="Call taker")

ASKING_ORGANISATION = {
    "resourceType": "Organization",
    "identifier": [{"system": "https://fhir.nhs.uk/id/ods-organization-code", "value": "RX8"}],
    "name": "Yorkshire Ambulance Service",
}
ASKING_ROLE = {
    "resourceType": "PractitionerRole",
    "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-role-profile-id", "value": "100334993514"}],
    "code": [{"coding": [{"system": "http://snomed.info/sct", "code": "159561009", "display": "Call taker"}]}],
}


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def accepted(headers: dict[str, str], *, method: str = "POST") -> RequestHeaders:
    read = read_headers(headers, method=method)
    assert isinstance(read, RequestHeaders)
    return read


def refused(headers: dict[str, str], *, method: str = "POST") -> Refused:
    read = read_headers(headers, method=method)
    assert isinstance(read, Refused)
    return read


def codes(refusal: Refused) -> list[str]:
    return [issue.code for issue in refusal.issues]


def sent(**changes: Any) -> dict[str, str]:
    arguments: dict[str, Any] = {
        "request_id": UUID(REQUEST_ID),
        "correlation_id": UUID(CORRELATION_ID),
        "target": CAS,
        "organisation": ORGANISATION,
        "product": PRODUCT,
    }
    return outgoing_headers(**(arguments | changes))


def decoded(header: str) -> Any:
    return json.loads(base64.b64decode(header, validate=True))


class TestIds:
    @pytest.mark.req("CORE-HDR-05")
    @pytest.mark.parametrize("style", [str.lower, str.upper, str.title, lambda name: name.replace("Id", "ID")])
    def test_header_names_are_read_in_any_case(self, style: Any) -> None:
        read = accepted({style(name): value for name, value in IDS.items()})
        assert (read.request_id, read.correlation_id) == (REQUEST_ID, CORRELATION_ID)

    @pytest.mark.req("CORE-TI-03", "CORE-ERR-PM-02")
    @pytest.mark.parametrize("name", IDS)
    def test_a_post_without_an_id_lacks_something_required(self, name: str) -> None:
        refusal = refused({key: value for key, value in IDS.items() if key != name})
        assert (refusal.fault.http_status, refusal.fault.code) == (400, "REC_BAD_REQUEST")
        assert [(i.code, i.expression) for i in refusal.issues] == [("required", f"http.{name}")]

    @pytest.mark.req("CORE-TI-04", "CORE-ERR-PM-01")
    @pytest.mark.parametrize("name", IDS)
    @pytest.mark.parametrize("value", ["abc", REQUEST_ID[:-1], f"urn:uuid:{REQUEST_ID}", "{" + REQUEST_ID + "}"])
    def test_a_post_with_a_bad_id_is_invalid(self, name: str, value: str) -> None:
        refusal = refused(IDS | {name: value})
        assert (refusal.fault.http_status, refusal.fault.code, codes(refusal)) == (400, "REC_BAD_REQUEST", ["invalid"])

    @pytest.mark.req("CORE-ERR-MD-06")
    @pytest.mark.parametrize("name", IDS)
    def test_a_get_without_an_id_is_invalid(self, name: str) -> None:
        refusal = refused({key: value for key, value in IDS.items() if key != name}, method="GET")
        assert (refusal.fault.http_status, refusal.fault.code, codes(refusal)) == (400, "REC_BAD_REQUEST", ["invalid"])

    @pytest.mark.req("CORE-ERR-MD-07", "CORE-ERR-GEN-02")
    @pytest.mark.parametrize("name", IDS)
    def test_a_get_with_a_bad_id_has_a_wrong_value(self, name: str) -> None:
        refusal = refused(IDS | {name: "abc"}, method="GET")
        assert (refusal.fault.http_status, refusal.fault.code, codes(refusal)) == (400, "REC_BAD_REQUEST", ["value"])

    def test_everything_that_is_wrong_is_said_at_once(self) -> None:
        refusal = refused({"X-Request-Id": "abc", "NHSD-Target-Identifier": "%%%"})
        assert codes(refusal) == ["invalid", "required", "structure"]

    def test_ids_are_kept_in_lower_case(self) -> None:
        read = accepted({name: f" {value.upper()} " for name, value in IDS.items()})
        assert (read.request_id, read.correlation_id) == (REQUEST_ID, CORRELATION_ID)

    def test_the_method_is_read_in_any_case(self) -> None:
        assert codes(refused({}, method="post")) == ["required", "required"]

    @pytest.mark.req("CORE-TI-02")
    def test_whatever_ids_were_given_can_be_echoed_even_bad_ones(self) -> None:
        assert given_ids({"x-request-id": "abc"}) == {"X-Request-Id": "abc"}
        assert given_ids(IDS) == IDS

    @pytest.mark.req("CORE-TI-02")
    @pytest.mark.parametrize("value", ["", "a b", "a\r\nSet-Cookie: x", "\u00e9", "x" * 300])
    def test_a_value_that_could_do_harm_in_a_response_is_not_echoed(self, value: str) -> None:
        assert given_ids({"X-Request-Id": value}) == {}


class TestTarget:
    @pytest.mark.req("CORE-HDR-03")
    @pytest.mark.parametrize(
        "value",
        [
            "%%%",
            base64.b64encode(b"abc").decode(),
            encoded({"system": "x"}),
            encoded({"value": "x"}),
            encoded({"system": "", "value": "1"}),
            encoded({"system": 1, "value": 2}),
            encoded(["x"]),
            base64.b64encode(b"\xff\xfe").decode(),
            base64.b64encode(b"[" * 100_000).decode(),
            "%" + encoded({"system": "s", "value": "v"}),
        ],
    )
    def test_a_target_that_cannot_be_read_is_refused(self, value: str) -> None:
        refusal = refused(IDS | {"NHSD-Target-Identifier": value})
        assert (refusal.fault.http_status, refusal.fault.code, codes(refusal)) == (
            400,
            "REC_BAD_REQUEST",
            ["structure"],
        )

    @pytest.mark.parametrize(
        "system", ["https://fhir.nhs.uk/Id/dos-service-id", "http://fhir.nhs.uk/id/DOS-service-id"]
    )
    def test_the_target_is_read_in_canonical_spelling(self, system: str) -> None:
        read = accepted(IDS | {"NHSD-Target-Identifier": encoded({"system": system, "value": "2000000022"})})
        assert read.target == ServiceIdentifier(system="https://fhir.nhs.uk/Id/dos-service-id", value="2000000022")
        assert read.target.service_id == CAS

    @pytest.mark.req("CORE-ERR-META-01")
    def test_the_target_may_be_absent(self) -> None:
        assert accepted(IDS, method="GET").target is None

    @pytest.mark.req("CORE-HDR-12", "CORE-HDR-19")
    @pytest.mark.parametrize("value", ["", "garbage", "a4t2|validation|servicerequest-response|new", "||||"])
    def test_use_context_and_authorization_change_nothing(self, value: str) -> None:
        assert accepted(IDS | {"use-context": value, "Authorization": value}) == accepted(IDS)


class TestAccessHeaders:
    @pytest.mark.req("CORE-HDR-10")
    def test_who_asks_is_decoded_for_the_audit(self) -> None:
        read = accepted(
            IDS
            | {
                "NHSD-End-User-Organisation": encoded(ASKING_ORGANISATION),
                "NHSD-Requesting-Practitioner": encoded(ASKING_ROLE),
                "NHSD-Requesting-Software": encoded(
                    {
                        "identifier": [{"system": "s", "value": "v"}],
                        "deviceName": [{"name": "n"}],
                        "version": [{"value": "1"}],
                    }
                ),
            }
        )
        assert read.end_user_organisation is not None
        assert (read.end_user_organisation.ods_code, read.end_user_organisation.name) == (
            "RX8",
            "Yorkshire Ambulance Service",
        )
        assert read.requesting_practitioner is not None
        assert read.requesting_practitioner.role_profile_id == "100334993514"
        assert read.requesting_practitioner.role_code == "159561009"
        assert read.requesting_software is not None
        assert read.requesting_software.identifier == "s|v"
        assert read.access_issues == ()

    @pytest.mark.parametrize(
        "device",
        [
            {"deviceName": {"name": "CAD"}, "version": {"value": "1.2"}},
            {"deviceName": [{"name": "CAD"}], "version": [{"value": "1.2"}]},
        ],
        ids=["objects", "lists"],
    )
    def test_both_published_shapes_of_the_device_are_read(self, device: dict[str, Any]) -> None:
        read = accepted(IDS | {"NHSD-Requesting-Software": encoded(device)}).requesting_software
        assert read is not None
        assert (read.name, read.version) == ("CAD", "1.2")

    def test_absent_or_unreadable_access_headers_are_noted_and_tolerated(self) -> None:
        read = accepted(IDS | {"NHSD-Requesting-Software": "%%%"})
        noted = [(i.code, i.expression, i.is_error) for i in read.access_issues]
        assert noted == [
            ("required", "http.NHSD-End-User-Organisation", False),
            ("structure", "http.NHSD-Requesting-Software", False),
        ]

    @given(st.dictionaries(st.sampled_from(["NHSD-End-User-Organisation", "NHSD-Requesting-Software"]), st.text()))
    def test_access_headers_of_any_content_never_raise(self, headers: dict[str, str]) -> None:
        assert isinstance(read_headers(IDS | headers, method="POST"), RequestHeaders)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.text(max_size=5),
            lambda x: (
                st.lists(x, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["identifier", "system", "value", "name", "code", "coding", "version"]), x
                )
            ),
        )
    )
    def test_access_headers_of_any_json_never_raise(self, value: object) -> None:
        names = ("NHSD-End-User-Organisation", "NHSD-Requesting-Software", "NHSD-Requesting-Practitioner")
        headers = {name: encoded({"identifier": value, "code": value, "deviceName": value}) for name in names}
        assert isinstance(read_headers(IDS | headers, method="POST"), RequestHeaders)


class TestOutgoing:
    @pytest.mark.req("CORE-HDR-01", "CORE-HDR-02")
    def test_the_target_is_base64_json_with_system_and_value(self) -> None:
        assert decoded(sent()["NHSD-Target-Identifier"]) == {
            "system": "https://fhir.nhs.uk/Id/dos-service-id",
            "value": "2000000022",
        }

    @pytest.mark.req("CORE-HDR-01")
    def test_only_without_a_target_is_the_header_left_out(self) -> None:
        assert "NHSD-Target-Identifier" not in sent(target=None)

    @pytest.mark.parametrize("target", ["2000000022", "|2000000022", "https://fhir.nhs.uk/Id/dos-service-id|", ""])
    def test_a_target_of_another_form_is_a_mistake_of_the_caller(self, target: str) -> None:
        with pytest.raises(ValueError, match=r"system\|value"):
            sent(target=target)

    @pytest.mark.req("CORE-HDR-04", "CORE-TI-01")
    def test_both_ids_are_sent(self) -> None:
        headers = sent(target=None)
        assert (headers["X-Request-Id"], headers["X-Correlation-Id"]) == (REQUEST_ID, CORRELATION_ID)

    @pytest.mark.req("CORE-HDR-06")
    def test_the_organisation_has_ods_code_and_name(self) -> None:
        assert decoded(sent()["NHSD-End-User-Organisation"]) == {
            "resourceType": "Organization",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RX8"}],
            "name": "Yorkshire Ambulance Service",
        }

    @pytest.mark.req("CORE-HDR-07")
    def test_the_software_has_identifier_name_and_version(self) -> None:
        device = decoded(sent()["NHSD-Requesting-Software"])
        assert device["resourceType"] == "Device"
        assert device["identifier"] == [{"system": "https://example.org/Id/product", "value": "CB-1"}]
        assert (device["deviceName"][0]["name"], device["version"][0]["value"]) == ("cad_bridge", "2.0")

    @pytest.mark.req("CORE-HDR-08", "CORE-HDR-09")
    def test_the_practitioner_is_a_role_and_sent_only_when_known(self) -> None:
        role = decoded(sent(practitioner=ROLE)["NHSD-Requesting-Practitioner"])
        assert role["resourceType"] == "PractitionerRole"
        assert role["identifier"][0] == {
            "system": "https://fhir.nhs.uk/Id/sds-role-profile-id",
            "value": "100334993514",
        }
        assert role["code"][0]["coding"][0]["system"] == "http://snomed.info/sct"
        assert "NHSD-Requesting-Practitioner" not in sent()

    @pytest.mark.req("CORE-HDR-13")
    def test_accept_names_the_media_type_and_the_core_version(self) -> None:
        assert sent()["Accept"] == "application/fhir+json; version=1.1.0"
        assert sent(core_version="1.4.0")["Accept"] == "application/fhir+json; version=1.4.0"

    @pytest.mark.req("CORE-HDR-17", "CORE-HDR-18")
    def test_use_context_goes_with_a_post_only(self) -> None:
        context = UseContext(use_case="A4T2", category="validation", event="servicerequest-response", reason="new")
        assert sent(use_context=context)["use-context"] == "a4t2|validation|servicerequest-response|new"
        assert not {"use-context", "Content-Type"} & sent().keys()

    @pytest.mark.req("CORE-TI-09")
    def test_a_retry_has_the_very_same_headers(self) -> None:
        assert sent(practitioner=ROLE) == sent(practitioner=ROLE)

    def test_what_we_send_we_can_read(self) -> None:
        read = accepted(sent(practitioner=ROLE), method="GET")
        assert read.target is not None
        assert read.target.service_id == CAS
        assert read.end_user_organisation is not None
        assert read.end_user_organisation.ods_code == "RX8"
        assert read.requesting_software is not None
        assert (read.requesting_software.name, read.requesting_software.version) == ("cad_bridge", "2.0")
        assert read.access_issues == ()
