"""Every row of the element tables speaks when it is broken and is silent when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.payload import PAYLOADS, ROWS, is_tolerated
from cad_bridge.fhir.payload_rows import Row
from cad_bridge.fhir.payload_view import MessageView
from cad_bridge.fhir.profile import check_profile
from tests.unit.fhir.messages import SORTS, Json, Sort, message, resource, url

WRONG = "not what the table says"


def issues_of(bundle: Json, sort: Sort, *, strict: bool = False) -> list[Issue]:
    return check_profile(bundle, use_case=sort.use_case, kind=sort.kind, strict=strict)


def rules_of(bundle: Json, sort: Sort) -> set[str]:
    return {issue.rule for issue in issues_of(bundle, sort)}


def sort_for(letter: str, *, later: bool = False) -> Sort:
    """A message that the table applies to; a later one of the conversation where ids must be there."""
    fitting = [sort for sort in SORTS if letter in sort.payload]
    return next((sort for sort in fitting if not later or sort.kind != "request"), fitting[0])


def resources(bundle: Json, resource_type: str) -> Iterator[Json]:
    if resource_type == "Bundle":
        yield bundle
    else:
        yield from (e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == resource_type)


def places(node: Any, names: list[str]) -> list[tuple[Json, str]]:
    """Every holder and key at the end of a path of element names, through all lists."""
    if isinstance(node, list):
        return [place for item in node for place in places(item, names)]
    if not isinstance(node, dict):
        return []
    keys = [key for key in node if key == names[0] or (names[0].endswith("[x]") and key.startswith(names[0][:-3]))]
    if len(names) == 1:
        return [(node, key) for key in keys]
    return [place for key in keys for place in places(node[key], names[1:])]


BREAK_AT = {
    "PAY-MH-05": "extension.url",
    "PAY-MH-06": "extension.extension.url",
    "PAY-MH-08": "extension.extension.url",
    "PAY-PAT-06": "contact.extension.url",
    "PAY-LOC-04": "extension.url",
    "PAY-LOC-05": "extension.extension.url",
    "PAY-ILO-06": "extension.url",
    "PAY-ILO-07": "extension.extension.url",
    "PAY-QSR-05": "extension.url",
}
"""Rows that are about the URL by which an extension is known."""


def element_names(row: Row) -> list[str]:
    """The plain names of a row's path, without its marks."""
    path = BREAK_AT.get(row.rule, row.path)
    return [step.partition("{")[0].rstrip("?") for step in path.split(".")]


def found(bundle: Json, row: Row) -> list[tuple[Json, str]]:
    holders = resources(bundle, row.subject.partition("/")[0])
    return [place for holder in holders for place in places(holder, element_names(row))]


CASES = [
    pytest.param(row, letter, id=f"{row.rule}-{letter}", marks=pytest.mark.req(row.rule))
    for row in ROWS
    for letter in row.payloads
]


@pytest.mark.parametrize("sort", SORTS, ids=str)
def test_a_conforming_message_is_silent_even_for_a_strict_service(sort: Sort) -> None:
    assert issues_of(message(sort), sort, strict=True) == []


@pytest.mark.parametrize(("row", "letter"), CASES)
def test_a_row_speaks_when_its_element_is_left_out(row: Row, letter: str) -> None:
    sort = sort_for(letter, later=True)
    bundle = message(sort)
    broken = found(bundle, row)
    assert broken, "the conforming message has the element"
    assert row.rule not in rules_of(bundle, sort)
    for holder, key in broken:
        holder.pop(key, None)
    assert row.rule in rules_of(bundle, sort)


@pytest.mark.parametrize(
    ("row", "letter"),
    [case for case in CASES if case.values[0].demand is not None],  # type: ignore[union-attr]
)
def test_a_row_speaks_when_its_element_says_something_else(row: Row, letter: str) -> None:
    sort = sort_for(letter, later=True)
    bundle = message(sort)
    for holder, key in found(bundle, row):
        holder[key] = [WRONG] if isinstance(holder[key], list) else WRONG
    assert row.rule in rules_of(bundle, sort)


@pytest.mark.parametrize(("row", "letter"), CASES)
def test_a_row_refuses_for_a_strict_service_what_is_not_tolerated_of_everybody(row: Row, letter: str) -> None:
    sort = sort_for(letter, later=True)
    bundle = message(sort)
    for holder, key in found(bundle, row):
        holder.pop(key, None)
    tolerated = is_tolerated(row, MessageView(bundle, sort.kind, sort.use_case))
    (strict, *_) = [issue for issue in issues_of(bundle, sort, strict=True) if issue.rule == row.rule]
    (lenient, *_) = [issue for issue in issues_of(bundle, sort) if issue.rule == row.rule]
    assert strict.is_error is not tolerated
    assert not lenient.is_error
    assert strict.expression.startswith("Bundle")


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.path == "id" and row.subject != "Bundle"], ids=lambda r: r.rule
)
def test_ids_that_the_receiver_issues_are_not_asked_for_in_a_first_request(row: Row) -> None:
    for sort in (each for each in SORTS if each.kind == "request" and each.payload in row.payloads):
        bundle = message(sort)
        for holder, key in found(bundle, row):
            holder.pop(key, None)
        assert row.rule not in rules_of(bundle, sort)


@pytest.mark.req("CORE-SYNC-04")
@pytest.mark.parametrize("letter", ["3", "V", "6"])
def test_an_update_has_no_ids_for_what_it_adds_and_those_of_what_is_held(letter: str) -> None:
    sort = next(sort for sort in SORTS if letter in sort.payload and sort.kind == "update")
    bundle = message(sort)
    (patient,) = resources(bundle, "Patient")
    del patient["id"]
    assert "PAY-PAT-01" in rules_of(bundle, sort)
    patient["meta"]["lastUpdated"] = bundle["meta"]["lastUpdated"]
    assert rules_of(bundle, sort) == set()
    (request,) = resources(bundle, "ServiceRequest")
    request["meta"]["lastUpdated"] = bundle["meta"]["lastUpdated"]
    del request["id"]
    assert rules_of(bundle, sort) == {"PAY-SR-01"}


@pytest.mark.parametrize(("resource_type", "status"), [("Flag", "inactive"), ("Observation", "entered-in-error")])
@pytest.mark.parametrize("kind", ["request", "update", "final"])
def test_a_strict_service_understands_what_is_taken_back_but_not_in_a_first_request(
    kind: str, resource_type: str, status: str
) -> None:
    sort = next(sort for sort in SORTS if sort.kind == kind and sort.payload in "VF")
    bundle = message(sort)
    for each in resources(bundle, resource_type):
        each["status"] = status
    issues = issues_of(bundle, sort, strict=True)
    assert {issue.rule for issue in issues} <= {"PAY-FLG-05", "PAY-FSS-05", "PAY-OBS-05"}
    assert issues
    assert {issue.is_error for issue in issues} == {kind == "request"}


@pytest.mark.req("PAY-BND-09")
@pytest.mark.parametrize("letter", [letter for letter in PAYLOADS if letter != "R"])
def test_a_type_of_resource_that_the_definition_does_not_name_is_told(letter: str) -> None:
    sort = sort_for(letter)
    bundle = message(sort)
    bundle["entry"].append({"fullUrl": url("x"), "resource": resource("Substance", "x", code={"text": "x"})})
    (issue,) = [each for each in issues_of(bundle, sort) if each.rule == "PAY-BND-09"]
    assert issue.expression == f"Bundle.entry[{len(bundle['entry']) - 1}].resource.resourceType"
    assert not issue.is_error


@pytest.mark.req("PAY-ILO-01")
def test_a_request_of_application_6_without_a_location_is_refused() -> None:
    sort = sort_for("6")
    bundle = message(sort)
    bundle["entry"] = [entry for entry in bundle["entry"] if entry["resource"]["resourceType"] != "Location"]
    (issue,) = [each for each in issues_of(bundle, sort) if each.rule == "PAY-ILO-01"]
    assert issue.is_error


def test_both_spellings_of_the_cdss_extension_and_both_places_are_understood() -> None:
    sort = sort_for("V")
    bundle = message(sort)
    (header,) = resources(bundle, "MessageHeader")
    (cdss,) = header.pop("extension")
    cdss["extension"][0]["url"], cdss["extension"][1]["url"] = "requesterCDSSSoftware", "requesterCDSSVersion"
    header["source"]["extension"] = [cdss]
    assert issues_of(bundle, sort, strict=True) == []


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://fhir.nhs.uk/codesystem/usecases-categories-bars", "A4T1"),
        ("https://fhir.nhs.uk/CodeSystem/usecase-categories-bars", "a4t1"),
    ],
)
def test_category_codings_are_found_by_system_in_any_spelling_and_order(system: str, code: str) -> None:
    sort = sort_for("V")
    bundle = message(sort)
    (request,) = resources(bundle, "ServiceRequest")
    codings = request["category"][0]["coding"]
    codings[1] |= {"system": system, "code": code}
    codings.reverse()
    assert issues_of(bundle, sort, strict=True) == []
