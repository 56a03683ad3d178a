"""Whatever a message holds is read or listed, and reading never raises."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.content import ReceivedRequest
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_nodes import leaves
from cad_bridge.fhir.read_request import read_request
from cad_bridge.fhir.read_response import read_acknowledgement, read_outcome, read_rejection
from tests.contents import Json, envelope, only, plain_request

MESSAGE = orjson.loads(request_bundle(plain_request(), envelope()))


@pytest.fixture
def bundle() -> Json:
    return copy.deepcopy(MESSAGE)


@pytest.mark.req("CORE-BND-13", "APP-COM-14", "APP-COM-19")
def test_resources_and_elements_without_a_field_are_kept(bundle: Json) -> None:
    only(bundle, "Patient")["maritalStatus"] = {"text": "Widowed"}
    only(bundle, "CarePlan")["note"] = [{"text": "Call the son first"}]
    procedure = {"resourceType": "Procedure", "status": "in-progress", "code": {"text": "CPR"}}
    bundle["entry"].append({"fullUrl": "urn:uuid:cpr", "resource": procedure})
    content, _ = read_request(bundle)

    assert [one["resourceType"] for one in content.other_resources] == ["Procedure"]
    types = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert {"Widowed", "Call the son first", "CPR"} <= {element.value for element in content.also_sent}
    place = f"Bundle.entry[{types.index('Patient')}].resource.maritalStatus.text"
    assert place in {element.expression for element in content.also_sent}


def test_issues_hold_no_value(bundle: Json) -> None:
    raw = (
        orjson.dumps(bundle)
        .replace(b'"value":"9990000018"', b'"value":"SECRET"')
        .replace(b'"code":"C3"', b'"code":"SECRET"')
    )
    _, issues = read_request(orjson.loads(raw))

    assert issues
    assert "SECRET" not in repr(issues)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("urn:uuid:x")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
PLACES = [place for place, _ in leaves(MESSAGE, "")]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), depth=st.integers(0, 4), value=json_values)
def test_reading_never_raises_whatever_stands_where(place: str, depth: int, value: Any) -> None:
    """One element, at any depth, replaced by anything that JSON can say."""
    broken = copy.deepcopy(MESSAGE)
    steps = place.replace("[", ".[").strip(".").split(".")
    replace(broken, steps[: max(1, len(steps) - depth)], value)

    content, issues = read_request(broken)
    read_outcome(broken)
    read_acknowledgement(broken)
    read_rejection(broken)

    assert isinstance(content, ReceivedRequest)
    assert all(isinstance(issue, Issue) for issue in issues)


def replace(value: Any, steps: list[str], new: Any) -> None:
    for step in steps[:-1]:
        value = value[int(step[1:-1]) if step.startswith("[") else step]
    last = steps[-1]
    value[int(last[1:-1]) if last.startswith("[") else last] = new


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(["resourceType", "entry", "id", "type"]), json_values, max_size=4))
def test_reading_never_raises_on_any_object(anything: dict[str, Any]) -> None:
    assert read_request(anything)[0].scene_safety.status == "unknown"
    assert read_outcome(anything)[0].contradictory
    assert read_acknowledgement(anything).remote_case_number is None
    assert read_rejection(anything).code is None
