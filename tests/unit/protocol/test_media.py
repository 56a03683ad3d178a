from __future__ import annotations

import pytest

from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.media import check_content_type, negotiate
from cad_bridge.protocol.versions import Version


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (None, "1.1.0"),
        ("", "1.1.0"),
        ("*/*", "1.1.0"),
        ("application/fhir+json", "1.1.0"),
        ("application/fhir+json; version=1.4.0", "1.4.0"),
        ("application/fhir+json;version=1.0.0", "1.0.0"),
        ('Application/FHIR+JSON ; Version="1.1.0"', "1.1.0"),
        ("application/fhir+json; version=1", "1.0.0"),
        ("application/fhir+xml, application/fhir+json; version=1.1.6; q=0.5", "1.1.6"),
        ("application/fhir+json; version=9.0.0, application/fhir+json; version=1.0.0", "1.0.0"),
        ("application/fhir+json; q=nonsense", "1.1.0"),
        (' application/fhir+json ;  VERSION = " 1.2.0 " ', "1.2.0"),
        ("text/plain, , APPLICATION/*;version=1.3.0", "1.3.0"),
    ],
)
def test_what_can_be_met_is_met(accept: str | None, version: str) -> None:
    negotiated = negotiate(accept)
    assert str(negotiated) == version


@pytest.mark.req("CORE-VER-04", "CORE-ERR-GEN-09", "CORE-ERR-META-04")
@pytest.mark.parametrize(
    "accept",
    [
        "application/fhir+json; version=9.0.0",
        "application/fhir+json; version=0.9.0",
        "application/fhir+json; version=abc",
        "text/plain",
        "application/fhir+xml",
        "application/fhir+json; q=0",
    ],
)
def test_what_cannot_be_met_is_not_acceptable(accept: str) -> None:
    refused = negotiate(accept)
    assert isinstance(refused, Refused)
    assert (refused.fault.http_status, refused.fault.code) == (406, "REC_NOT_ACCEPTABLE")
    assert [i.code for i in refused.issues] == ["processing"]
    what = "BaRS Core major version 1" if "version" in accept else "application/fhir+json"
    assert refused.issues[0].diagnostics == f"Accept cannot be met: only {what} is served."


@pytest.mark.req("CORE-VER-10")
def test_two_major_versions_can_be_served_side_by_side() -> None:
    asked = "application/fhir+json; version=2.3.0"
    assert isinstance(negotiate(asked), Refused)
    assert negotiate(asked, served_majors=frozenset({1, 2})) == Version(2, 3)


@pytest.mark.req("CORE-HDR-16", "CORE-HDR-21")
@pytest.mark.parametrize(
    "content_type",
    [None, "application/fhir+json", "application/fhir+json;version=1.0.0", "application/json; charset=UTF-8"],
)
def test_json_is_read_whatever_version_it_announces(content_type: str | None) -> None:
    assert check_content_type(content_type) is None


@pytest.mark.parametrize(
    "content_type",
    ["application/fhir+xml", "text/plain", "application/fhir+json; charset=latin-1", "multipart/form-data"],
)
def test_other_content_is_an_unsupported_media_type(content_type: str) -> None:
    refused = check_content_type(content_type)
    assert refused is not None
    assert (refused.fault.http_status, refused.fault.code) == (415, "REC_UNSUPPORTED_MEDIA_TYPE")
