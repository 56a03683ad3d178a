"""What a clinician's outcome may say of the clock and of an upgrade."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cad_bridge.engine.requests import RequestRefusedError
from cad_bridge.engine.responses import Responding, complete_command
from cad_bridge.fhir.content import Outcome
from cad_bridge.workflow.vocabulary import Priority, Side
from tests.unit.web.board_pages import stored_case
from tests.unit.workflow.builders import NOW

STARTED = NOW - timedelta(minutes=5)
NURSE = {"sds_role_profile_id": "PT1", "name": {"text": "Nurse"}}


def refused(**outcome: Any) -> list[str]:
    """The fields that are refused for a C3 case, by path."""
    stored = stored_case({}, side=Side.RESPONDER, state="in_progress", arp=Priority.C3, clock_start=STARTED)
    said = {"dispatch_required": outcome["arp"] != "C5", "summary": "Seen.", "practitioner": NURSE} | outcome
    try:
        complete_command(stored, Outcome.model_validate(said), Responding(client="cas"), now=NOW)
    except RequestRefusedError as error:
        return [problem.path for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("arp", "moved_by", "is_refused"),
    [
        ("C3", 0, False),
        ("C3", 1, True),
        ("C4", 1, True),
        ("C5", 1, True),
        ("HCP3", 1, True),
        ("C4", -1, True),
        ("HCP2", 1, False),
        ("HCP2", 0, True),
        ("HCP2", -1, True),
    ],
)
@pytest.mark.req("APP4-VS-18", "APP4-VS-19")
def test_a_clock_start_that_breaks_the_t5_rule_is_refused(arp: str, moved_by: int, is_refused: bool) -> None:
    given = STARTED + timedelta(minutes=moved_by)
    assert refused(arp=arp, clock_start=given) == (["clock_start"] if is_refused else [])


@pytest.mark.parametrize(("arp", "is_refused"), [("C1", True), ("C2", True), ("C3", False), ("HCP1", False)])
@pytest.mark.req("APP4-VS-21", "APP4-VS-22")
def test_an_upgrade_to_c1_or_c2_names_its_itk_case(arp: str, is_refused: bool) -> None:
    assert refused(arp=arp) == (["new_cad_id"] if is_refused else [])
    assert refused(arp=arp, new_cad_id="S1") == []
