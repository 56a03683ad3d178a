"""The official messages of Applications 3, 4, 6 are accepted or refused as the list of their defects says."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from cad_bridge.fhir.check import check_message, kind_of
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.profile import check_profile
from cad_bridge.fhir.structure import check_structure
from tests.shared_material import SHARED, needs_shared

pytestmark = needs_shared

EXAMPLES = SHARED / "bars" / "examples"
OTHER_APPLICATIONS = ("refreq01", "refreq03", "refreq06", "refreq07", "refresp01")
FILES = {
    path.stem.split("-")[0]: path
    for folder in ("requests", "responses")
    for path in sorted((EXAMPLES / folder).glob("*.json"))
    if not path.stem.startswith(OTHER_APPLICATIONS)
}

KINDS = {
    "refreq02": "request",
    "refreq04": "request",
    "refreq05": "request",
    "refreq08a": "request",
    "refreq08b": "update",
    "refreq08c": "update",
    "refreq08d": "update",
    "refreq09a": "request",
    "refreq09b": "update",
    "refreq09c": "update",
    "refresp02": "rejection",
    "refresp03": "status-response",
    "servreq01": "cancellation",
    "servreq02": "cancellation",
    "valreq01": "request",
    "valreq02": "update",
    "valreq03": "request",
    "valresp01": "request",
    "valresp01a": "interim",
    "valresp01b": "final",
    "valresp02": "final",
    "valresp03": "final",
    "valresp04": "rejection",
    "valresp05": "final",
}
"""What each says it is. valresp01 is the body of a synchronous answer, which reads as the request that it mirrors."""

ON_RECEIPT: dict[str, str] = {
    "S1": "refreq02 refreq04 refreq05 refreq08a refreq08b refreq08c refreq08d "
    "valreq01 valreq02 valreq03 valresp01 valresp01b valresp02 valresp03 valresp05",
    "S21": "refreq08a refreq08b refreq08c refreq08d",
    "S23": "refreq08b refreq08c refreq08d refreq09b refreq09c refresp02 refresp03",
    "V11": "valresp03",
    "V12": "valresp04",
    "V17": "refreq02",
    "APP-COM-40": "refreq02 valreq02 valresp01b valresp02",
    "PAY-FSS-11": "valreq02",
    "PAY-MH-32": "refresp02 refresp03",
    "PAY-MH-33": "servreq02",
    "V26": "servreq02",
    "PAY-CP-14": "refreq08a refreq08b refreq09a",
    "PAY-CP-09": "refreq02",
    "CORE-BND-10": "",
    "reference-target": "",
    "APP-COM-01": "",
    "APP-COM-10": "",
    "PAY-ILO-01": "",
}
"""Which messages have which defect, by the list; not every rule of it is told apart here."""
REFUSED = {"servreq02": "V26"}


@cache
def checked(name: str) -> tuple[Issue, ...]:
    result = check_structure(FILES[name].read_bytes())
    assert result.bundle is not None
    assert not result.is_refused
    return tuple(check_message(result.bundle, read_facts(result.bundle), strict=False))


def test_there_are_24_of_them() -> None:
    assert FILES.keys() == KINDS.keys()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_message_is_taken_for_what_it_is(name: str) -> None:
    result = check_structure(FILES[name].read_bytes())
    assert result.bundle is not None
    assert kind_of(read_facts(result.bundle)) == KINDS[name]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_message_is_accepted_unless_the_list_says_otherwise(name: str) -> None:
    errors = {issue.rule for issue in checked(name) if issue.is_error}
    assert errors == ({REFUSED[name]} if name in REFUSED else set())


@pytest.mark.parametrize("rule", sorted(ON_RECEIPT))
def test_a_defect_is_told_of_exactly_the_messages_that_have_it(rule: str) -> None:
    having = {name for name in FILES if any(issue.rule == rule for issue in checked(name))}
    assert having == set(ON_RECEIPT[rule].split())


def test_no_official_nhs_number_is_one() -> None:
    having = {name for name in FILES if any(issue.rule == "S4" for issue in checked(name))}
    assert FILES.keys() - having == {"refreq08a", "refreq08b", "refreq09a"}, "unknown patients"


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_strict_service_refuses_what_is_only_told_otherwise_but_not_what_is_tolerated(name: str) -> None:
    result: Any = check_structure(FILES[name].read_bytes())
    strict = check_message(result.bundle, read_facts(result.bundle), strict=True)
    assert len(strict) == len(checked(name))
    tolerated = {issue.rule for issue in strict if not issue.is_error}
    assert tolerated <= {
        *("S1", "S2", "S3", "V12", "PAY-CP-14"),
        *("PAY-SR-01", "PAY-SR-05", "PAY-SR-18"),
        *(f"PAY-PAT-{number:02}" for number in range(5, 13)),
    }


def test_the_synchronous_answer_is_refused_by_nobody() -> None:
    result: Any = check_structure(FILES["valresp01"].read_bytes())
    facts = read_facts(result.bundle)
    issues = check_profile(result.bundle, use_case=facts.use_case, kind="acknowledgement", strict=True)
    assert issues
    assert not any(issue.is_error for issue in issues)
