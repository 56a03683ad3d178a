"""Whatever a request or response holds stands on the case page: known fields, unknown ones, and values of any shape."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cad_bridge.fhir import codes
from cad_bridge.web.board.presenters import content as content_words
from cad_bridge.web.board.presenters import parts, place
from cad_bridge.web.board.presenters.safety import CATEGORIES
from tests.contents import plain_outcome, plain_request
from tests.strategies import outcomes, requests
from tests.unit.web.board_pages import Element, as_stored, case_html, event, read, stored_case

few = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
"""Without shrinking: a page is long to render, and what is missing says itself what was lost."""

WORDS: dict[str, dict[Any, str]] = {
    "gender": parts.GENDERS,
    "birth_sex": parts.BIRTH_SEXES,
    "relationship": parts.RELATIONSHIPS,
    "interpreter_required": parts.INTERPRETER,
    "preferred_contact_method": parts.CONTACT_METHODS,
    "preferred_written_format": parts.WRITTEN_FORMATS,
    "overseas_visitor_status": {name: display for name, (_, display) in codes.RESIDENTIAL_STATUSES.items()},
    "verification": {**codes.NHS_NUMBER_VERIFICATION_DISPLAYS, parts.VERIFIED: "verified"},
    "type": place.TYPES,
    "dispatch_required": {True: "Needed", False: "Not needed"},
    "clinician": {True: "Yes"},
    "category": {code: title for code, (title, _) in CATEGORIES.items()} | content_words.ALLERGY_CATEGORIES,
    "severity": content_words.SEVERITIES,
}
"""Closed vocabularies that are shown in words, by the name of the field."""
USES = parts.USES | parts.TELECOM_SYSTEMS
DEFAULTS = {("clinician", False), ("contradictory", False), ("scope", "direct-care"), ("relationship", "unknown")}
"""What stands in the content although nobody said it: a default is no information (H08)."""


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    elif value is not None:
        yield name, value


class Shown:
    """What a reader can find on a page."""

    def __init__(self, page: Element) -> None:
        self.texts = list(page.texts())
        self.moments = {e.attributes["datetime"] for e in page.find("time")} | {
            e.attributes["title"] for e in page.find("time") if "title" in e.attributes
        }

    def has(self, text: str) -> bool:
        return any(text in run for run in self.texts)

    def missing(self, content: Any) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in leaves(content) if not self.shows(name, value)]

    def shows(self, name: str, value: Any) -> bool:
        if (name, value) in DEFAULTS:
            return True
        if name in WORDS and value in WORDS[name]:
            return self.has(WORDS[name][value])
        if isinstance(value, bool):
            return self.has("Yes" if value else "No")
        if isinstance(value, str):
            return self._shows_text(name, value)
        return self.has(str(value))

    def _shows_text(self, name: str, value: str) -> bool:
        if value in self.moments or self.has(value):
            return True
        if name in {"use", "system"}:
            return self.has(USES.get(value, content_words.coded("", {"code": "c", "system": value}).values[0].system))
        if name == "status":
            return self.has(place.STATUSES.get(value, f"Scene {value}")) or self.has("Scene safety not")
        return name == "value" and self.has(f"{value[:3]} {value[3:6]} {value[6:]}")


@few
@given(requests())
@pytest.mark.req("APP-COM-19", "APP-COM-14")
def test_every_leaf_of_a_request_stands_on_the_page(request: Any) -> None:
    content = as_stored(request)
    assert Shown(read(case_html(stored_case(content)))).missing(content) == []


@few
@given(outcomes(), requests())
def test_every_leaf_of_a_response_stands_on_the_page(outcome: Any, request: Any) -> None:
    kept = as_stored(outcome) | {"request": as_stored(request)}
    page = read(case_html(stored_case(as_stored(plain_request()), outcome=kept)))
    assert Shown(page).missing(kept) == []


@few
@given(outcomes())
def test_every_leaf_of_a_late_response_stands_on_the_page(outcome: Any) -> None:
    kept = as_stored(outcome)
    late = event("response.late", {"response": "final", "outcome": kept, "arp": kept["arp"], "state": "breached"})
    page = read(case_html(stored_case(as_stored(plain_request()), state="breached"), events=(late,)))
    assert Shown(page).missing(kept) == []


words = st.text(st.characters(categories=("Lu", "Ll", "Nd")), min_size=6, max_size=12)
anything = st.recursive(
    st.one_of(words, st.integers(10_000, 99_999), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3), st.dictionaries(words, inner, min_size=1, max_size=3)
    ),
    max_leaves=5,
)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a piece of content."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)


def _received() -> dict[str, Any]:
    return as_stored(plain_request()) | {
        "other_resources": [{"resourceType": "Basic", "id": "b1", "code": {"text": "A resource of another kind"}}],
        "also_sent": [{"expression": "Bundle.entry[3].resource.bodySite[0].text", "value": "Left wrist"}],
        "coordinate_readings": {
            "as_sent": {"latitude": -1.54, "longitude": 53.79},
            "swapped": {"latitude": 53.79, "longitude": -1.54},
        },
        "sending_service": {"ods_code": "RX9", "name": "Sending Trust"},
    }


@few
@given(st.data())
def test_an_unknown_field_anywhere_is_shown(data: st.DataObject) -> None:
    content = _received()
    places = list(objects(content))
    novel = data.draw(anything)
    places[data.draw(st.integers(0, len(places) - 1))]["something_new"] = novel
    shown = Shown(read(case_html(stored_case(content))))
    assert shown.missing(novel) == []
    assert shown.missing(content) == []


@few
@given(st.data())
def test_a_value_of_any_shape_in_a_known_field_is_shown(data: st.DataObject) -> None:
    content = _received()
    places = [(part, name) for part in objects(content) for name in part]
    part, name = places[data.draw(st.integers(0, len(places) - 1))]
    part[name] = data.draw(anything)
    assert Shown(read(case_html(stored_case(content)))).missing(part[name]) == []


@few
@given(st.data())
def test_a_value_of_any_shape_in_a_response_is_shown(data: st.DataObject) -> None:
    outcome = as_stored(plain_outcome()) | {
        "flags": [{"category": "SG", "text": "New concern"}],
        "scene_safety": {"status": "unsafe", "reasons": ["Dog"]},
        "outcome_codes": [{"code": "PATLIFT", "display": "Patient has been lifted"}],
        "medications": [{"text": "Paracetamol"}],
        "request": _received(),
    }
    places = [(part, name) for part in objects(outcome) for name in part]
    part, name = places[data.draw(st.integers(0, len(places) - 1))]
    part[name] = data.draw(anything)
    page = read(case_html(stored_case(as_stored(plain_request()), outcome=outcome)))
    assert Shown(page).missing(part[name]) == []


@few
@given(st.dictionaries(words, anything, max_size=3), st.sampled_from(["case.updated", "case.completed", "brand.new"]))
def test_all_that_an_event_says_is_in_the_story(data: dict[str, Any], type_: str) -> None:
    page = read(case_html(stored_case(as_stored(plain_request())), events=(event(type_, data),)))
    assert Shown(page.one(id_="case-story")).missing(data) == []


def test_the_check_sees_what_is_missing() -> None:
    content = as_stored(plain_request())
    page = read(case_html(stored_case(content)))
    more = copy.deepcopy(content) | {"chief_concern": "Something that is not on the page"}
    assert Shown(page).missing(more) == [("chief_concern", "Something that is not on the page")]
