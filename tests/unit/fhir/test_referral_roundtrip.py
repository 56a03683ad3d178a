"""Whatever the local API accepts as a referral survives the message, is conformant, and is what it says it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cad_bridge.fhir.build_referral import referral_bundle, referral_update_bundle
from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.content import Request, RequestContent
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.decision import decide_row
from cad_bridge.protocol.definitions import check_definition
from tests.contents import LATER, envelope
from tests.referral_contents import CAD_TO_CAD, REFERRALS, as_received, issued_ids, referrals

SLOW_TO_DRAW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
NEW_ROWS = {"a3t1": "DT-01", "a6t1": "DT-05", "a6t2": "DT-06", "a6t3": "DT-07"}
UPDATE_ROWS = {"a3t1": "DT-03", "a6t1": "DT-10a", "a6t2": "DT-10b", "a6t3": "DT-10c"}
BEFORE_ANY_CALL = datetime(2019, 12, 31, tzinfo=UTC)
"""Earlier than every time that is drawn."""
STATUSES = st.sampled_from([None, "in-progress", "triaged", "finished"])


def said(content: RequestContent) -> dict[str, Any]:
    """What sent and received content have in common."""
    return {name: getattr(content, name) for name in RequestContent.model_fields}


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.req("CORE-BND-13", "APP-COM-13")
@SLOW_TO_DRAW
@given(data=st.data())
def test_a_referral_survives_the_message(use_case: str, data: st.DataObject) -> None:
    content = data.draw(referrals(use_case=use_case))

    received, _ = read_request(orjson.loads(referral_bundle(content, envelope())))

    assert said(received) == said(as_received(content))


@pytest.mark.parametrize("use_case", REFERRALS)
@SLOW_TO_DRAW
@given(data=st.data())
def test_nothing_of_a_referral_of_ours_is_left_unread(use_case: str, data: st.DataObject) -> None:
    content = data.draw(referrals(use_case=use_case))

    received, _ = read_request(orjson.loads(referral_bundle(content, envelope())))

    assert received.other_resources == ()
    assert [one.expression for one in received.also_sent if ".source." not in one.expression] == []


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.req("APP3-REF-02", "APP6-REF-06", "CORE-MH-11")
@SLOW_TO_DRAW
@given(data=st.data())
def test_a_new_referral_conforms_and_is_what_it_says(use_case: str, data: st.DataObject) -> None:
    content = data.draw(referrals(use_case=use_case))
    status = data.draw(STATUSES) if use_case in CAD_TO_CAD else None
    sent = referral_bundle(content, envelope(), encounter_status=status)
    structure = check_structure(sent)
    assert structure.bundle is not None
    facts = read_facts(structure.bundle)

    assert structure.issues == ()
    assert decide_row(facts, strict=True).row.id == NEW_ROWS[use_case]
    assert check_definition(facts, strict=True) == []
    assert [issue for issue in check_message(structure.bundle, facts, strict=True) if issue.is_error] == []
    Bundle.model_validate_json(sent)


@pytest.mark.parametrize("use_case", REFERRALS)
@pytest.mark.req("APP3-UPD-01", "APP6-UPD-02")
@SLOW_TO_DRAW
@given(data=st.data())
def test_an_update_conforms_and_says_what_is_now(use_case: str, data: st.DataObject) -> None:
    before, after = data.draw(referrals(use_case=use_case)), data.draw(referrals(use_case=use_case))
    first = referral_bundle(before, envelope(at=BEFORE_ANY_CALL))
    ids = issued_ids(orjson.loads(first))

    later, again = (envelope(message=2 + minute, at=LATER + timedelta(minutes=minute)) for minute in (0, 1))
    sent = referral_update_bundle(first, after, issued_ids=ids, envelope=later)
    repeated = referral_update_bundle(sent, after, issued_ids=ids, envelope=again)

    for message in (sent, repeated):
        structure = check_structure(message)
        assert structure.bundle is not None
        facts = read_facts(structure.bundle)
        received, _ = read_request(structure.bundle)
        assert structure.issues == ()
        assert check_definition(facts, strict=True) == []
        assert said(received) == said(as_received(after))
        assert decide_row(facts).row.id == UPDATE_ROWS[use_case]
    stamps = [
        [e["resource"]["meta"]["lastUpdated"] for e in orjson.loads(message)["entry"][1:]]
        for message in (sent, repeated)
    ]
    assert stamps[0] == stamps[1], "nothing changed, so nothing is newer"


def test_every_kind_of_referral_is_drawn() -> None:
    drawn: set[str] = set()

    @settings(max_examples=60, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(referrals())
    def draw(content: Request) -> None:
        drawn.add(content.use_case)

    draw()
    assert drawn == set(REFERRALS)
