"""The generated schema: bindings complete, calendar exact, nothing forgotten that the models of fhir.resources say."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_bridge.fhir.bindings import CODE_BINDINGS, CONCEPT_BINDINGS, MEDIA_TYPE, VALUE_SETS, class_element
from cad_bridge.fhir.schema import COMPILED_TYPES, definitions, message_schema, message_validator, resource_validator
from cad_bridge.fhir.schema_fields import Field, fields_of
from cad_bridge.fhir.schema_primitives import DATE, DATE_TIME, INSTANT, PRIMITIVES, TIME
from cad_bridge.fhir.schema_types import CHECKED_TYPES, MESSAGE_TYPES, RESOURCE_TYPES
from cad_bridge.fhir.structure import warm_up

MEDIA_TYPES = {path for path, name in CODE_BINDINGS.items() if name == "mimetypes"}
CUT_OFF = {
    "Device.udiCarrier.entryType",
    "Encounter.status",
    "Encounter.statusHistory.status",
    "Observation.status",
    "Task.status",
    "Questionnaire.item.type",
}
"""Bindings of which the metadata of fhir.resources hold the beginning only."""


def element_validator(path: str) -> jsonschema_rs.Validator:
    class_name, element = class_element(path)
    schema = message_schema()["$defs"][class_name]["properties"][element]
    return jsonschema_rs.Draft202012Validator({**schema, "$defs": message_schema()["$defs"]})


def field_at(path: str) -> Field:
    class_name, element = class_element(path)
    return next(field for field in fields_of(class_name) if field.name == element)


def accepts(path: str, code: str) -> bool:
    value: Any = [code] if field_at(path).is_list else code
    return element_validator(path).is_valid(value)


@pytest.mark.parametrize("path", sorted(CODE_BINDINGS.keys() - MEDIA_TYPES))
def test_a_required_binding_takes_each_of_its_codes_and_no_other(path: str) -> None:
    codes = VALUE_SETS[CODE_BINDINGS[path]]
    assert len(codes) == len(set(codes)) > 1
    validator, is_list = element_validator(path), field_at(path).is_list
    assert all(validator.is_valid([code] if is_list else code) for code in codes)
    others = ["no-such-code", "", codes[0] + " ", codes[0].swapcase() + "x", "+", "etc."]
    assert not any(validator.is_valid([code] if is_list else code) for code in others)


@pytest.mark.parametrize("path", sorted(MEDIA_TYPES))
def test_a_media_type_is_a_grammar(path: str) -> None:
    assert all(accepts(path, code) for code in ("text/plain", "application/fhir+json", "text/html; charset=utf-8"))
    assert not any(accepts(path, code) for code in ("text", "/plain", "text/", "text plain", "", "text/pl ain"))
    assert re.fullmatch(MEDIA_TYPE, "image/svg+xml")


@pytest.mark.parametrize("path", sorted(CONCEPT_BINDINGS))
def test_a_required_binding_of_a_concept_takes_each_of_its_codes_with_or_without_system(path: str) -> None:
    system, name = CONCEPT_BINDINGS[path]
    validator = element_validator(path)
    for code in VALUE_SETS[name]:
        assert validator.is_valid({"coding": [{"system": system, "code": code}]})
        assert validator.is_valid({"coding": [{"code": code}]})
        assert validator.is_valid(
            {"coding": [{"system": "http://other", "code": "x"}, {"system": system, "code": code}]}
        )
        assert not validator.is_valid({"coding": [{"system": "http://other", "code": code}]})
    assert not validator.is_valid({"coding": [{"system": system, "code": "no-such-code"}]})
    assert not validator.is_valid({"text": VALUE_SETS[name][0]})


def test_the_table_of_bindings_says_what_complete_metadata_say() -> None:
    for path, name in CODE_BINDINGS.items():
        known = field_at(path).codes
        if known and path not in CUT_OFF:
            assert set(known) == set(VALUE_SETS[name]), path


@pytest.mark.parametrize("path", sorted(CUT_OFF))
def test_the_table_of_bindings_completes_what_metadata_cut_off(path: str) -> None:
    known = set(field_at(path).codes)
    assert "+" in known
    assert known - {"+"} < set(VALUE_SETS[CODE_BINDINGS[path]])


def test_no_list_of_codes_in_the_metadata_is_forgotten() -> None:
    bound = {class_element(path) for path in CODE_BINDINGS}
    listed = {
        (name, field.name)
        for name in message_schema()["$defs"].keys() - PRIMITIVES.keys() - {"AnyResource"}
        for field in fields_of(name)
        if field.codes
    }
    assert listed - bound == {("Expression", "language")}, "its binding is extensible"


def test_every_binding_is_of_an_element_that_the_schema_has() -> None:
    for path in (*CODE_BINDINGS, *CONCEPT_BINDINGS):
        class_name, element = class_element(path)
        assert element in message_schema()["$defs"][class_name]["properties"], path


# --- primitives ----------------------------------------------------------------------------------------------


def matches(pattern: str, text: str) -> bool:
    return jsonschema_rs.is_valid({"pattern": pattern}, text, pattern_options=jsonschema_rs.RegexOptions())


@given(st.integers(1, 9999), st.integers(0, 13), st.integers(0, 32))
def test_a_day_is_accepted_exactly_if_it_exists(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    try:
        exists = date(year, month, day) is not None
    except ValueError:
        exists = False
    assert matches(DATE, text) is exists
    assert matches(DATE_TIME, text) is exists
    assert matches(INSTANT, f"{text}T00:00:00Z") is exists


@pytest.mark.parametrize("year", [1900, 2000, 2023, 2024, 2100, 2400, 4, 100])
def test_29_february_is_only_in_leap_years(year: int) -> None:
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    assert matches(DATE, f"{year:04}-02-29") is is_leap


@given(st.datetimes(timezones=st.timezones()))
def test_every_point_in_time_is_an_instant(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset.total_seconds() % 60 or abs(offset.total_seconds()) > 14 * 3600:
        return
    assert matches(INSTANT, moment.isoformat())
    assert matches(DATE_TIME, moment.isoformat())


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (DATE, "0000"),
        (DATE, "2024-1-1"),
        (DATE, "2024-01-01T00:00:00Z"),
        (DATE, "2024-01-01\n"),
        (DATE_TIME, "2024-01T00:00:00Z"),
        (DATE_TIME, "2024-01-01T00:00:00"),
        (DATE_TIME, "2024-01-01T00:00:00+15:00"),
        (DATE_TIME, "2024-01-01T00:00:00.Z"),
        (DATE_TIME, "2024-01-01t00:00:00z"),
        (DATE_TIME, "2024-01-01T00:00:61Z"),
        (INSTANT, "2024-01-01"),
        (TIME, "24:00:00"),
        (TIME, "12:00"),
        (TIME, "12:00:00Z"),
    ],
)
def test_a_time_written_otherwise_is_none(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


# --- types -----------------------------------------------------------------------------------------------------


def test_the_compiled_types_are_those_of_messages_and_their_neighbours() -> None:
    assert set(MESSAGE_TYPES) < set(COMPILED_TYPES) <= CHECKED_TYPES < set(RESOURCE_TYPES)
    assert set(COMPILED_TYPES) <= message_schema()["$defs"].keys()


@pytest.mark.parametrize(
    "resource_type", ["ClinicalImpression", "Provenance", "MedicationRequest", "List", "Parameters"]
)
def test_any_other_type_of_r4_has_a_schema_of_its_own(resource_type: str) -> None:
    validator = resource_validator(resource_type)
    assert not validator.is_valid({"resourceType": resource_type, "x": 1})
    assert validator is resource_validator(resource_type)


def test_an_expression_may_drop_the_type_from_the_name_of_a_choice() -> None:
    """So that hardly any other element may have such a name; those that do are in no message of ours."""
    names = message_schema()["$defs"].keys() - PRIMITIVES.keys() - {"AnyResource"}
    fields = {(name, field) for name in names for field in fields_of(name)}
    stems = {field.name: field.choice for _, field in fields if field.choice}
    assert all(name.startswith(str(stem)) for name, stem in stems.items())
    assert {(name, field.name) for name, field in fields if not field.choice and field.name in stems} == {
        ("DeviceProperty", "valueCode"),
        ("DeviceProperty", "valueQuantity"),
        ("Questionnaire", "effectivePeriod"),
    }


def test_the_schema_is_made_once_and_always_the_same() -> None:
    warm_up()
    assert message_validator() is message_validator()
    assert definitions("Patient") == definitions("Patient")


def test_contained_resources_may_be_of_any_type_but_must_say_which() -> None:
    patient = {"resourceType": "Patient", "contained": [{"id": "x"}]}
    validator = jsonschema_rs.Draft202012Validator({"$ref": "#/$defs/Patient", "$defs": message_schema()["$defs"]})
    assert not validator.is_valid(patient)
