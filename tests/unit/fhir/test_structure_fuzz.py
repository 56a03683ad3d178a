"""Whatever bytes arrive: no exception, no hang, an end to every list, and never a word of what the message says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cad_bridge.fhir.check import check_message
from cad_bridge.fhir.facts import read_facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.profile import check_profile
from cad_bridge.fhir.schema import COMPILED_TYPES, message_schema, resource_validator
from cad_bridge.fhir.schema_types import CHECKED_TYPES, MESSAGE_TYPES, words
from cad_bridge.fhir.schema_walk import known_kinds
from cad_bridge.fhir.structure import MOST_ISSUES, check_structure
from cad_bridge.fhir.structure_invariants import MOST_UNUSUAL_TYPES
from tests.unit.fhir.messages import SORTS, Json, message
from tests.unit.fhir.mutants import MUTATIONS, mutants

FULL = next(sort for sort in SORTS if sort.payload == "6" and sort.kind == "update")
RAW = orjson.dumps(message(FULL))
THOROUGH = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ELEMENTS = st.sampled_from(
    words(
        """
        resourceType id meta extension url valueString entry resource reference subject status coding system code
        contained period start end text div item linkId telecom value _value contact identifier name given type
        """
    )
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(ELEMENTS | st.text(max_size=6), children, max_size=6)
    ),
    max_leaves=40,
)


def everything(raw: bytes) -> list[Issue]:
    """All issues of all checks, as far as they go; also those of a message that structure refuses."""
    result = check_structure(raw)
    issues = list(result.issues)
    assert len(issues) <= MOST_ISSUES + 1
    assert all(issue.diagnostics and issue.rule for issue in issues)
    if result.bundle is not None:
        facts = read_facts(result.bundle)
        issues += check_message(result.bundle, facts, strict=False)
        issues += check_profile(result.bundle, use_case="a6t1", kind="request", strict=True)
    return issues


@THOROUGH
@given(st.binary(max_size=400))
def test_any_bytes(raw: bytes) -> None:
    assert check_structure(raw).is_refused


@THOROUGH
@given(st.integers(0, len(RAW) - 1), st.binary(max_size=6), st.integers(0, 40))
def test_a_message_damaged_on_its_way(place: int, inserted: bytes, lost: int) -> None:
    everything(RAW[:place] + inserted + RAW[place + lost :])


@THOROUGH
@given(JSON)
def test_any_json(value: Any) -> None:
    everything(
        orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) if _is_writable(value) else json.dumps(value).encode()
    )


@THOROUGH
@given(
    st.sampled_from((*MESSAGE_TYPES, "Appointment", "ClinicalImpression", "Nonsense")),
    st.dictionaries(ELEMENTS, JSON, max_size=5),
    st.dictionaries(ELEMENTS, JSON),
)
def test_any_resource_in_a_bundle(resource_type: str, elements: Json, others: Json) -> None:
    entry = {"fullUrl": "urn:uuid:0c2bb1a6-25e0-45d5-8a3f-4a2b7b4f5f01", **others}
    entry["resource"] = {**elements, "resourceType": resource_type}
    bundle = {"resourceType": "Bundle", "type": "message", "entry": [entry, entry]}
    everything(json.dumps(bundle).encode())


def _is_writable(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


# --- hostile shapes: each would take minutes or all memory if some check were not linear ------------------------

MIB = 1024 * 1024


def patient(elements: str) -> bytes:
    """A message with one Patient that holds these elements."""
    start = b'{"resourceType":"Bundle","type":"message","entry":[{"resource":{"resourceType":"Patient",'
    return start + elements.encode() + b"}}]}"


def narrative(div: str) -> bytes:
    return patient('"text":{"status":"generated","div":"' + div + '"}')


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * MIB,
        b'{"a":' * (MIB // 5),
        b'{"resourceType":"Bundle","entry":[' + b"{}," * (MIB // 3 - 20) + b"{}]}",
        b'{"resourceType":"Bundle","entry":[' + b"null," * (MIB // 5 - 20) + b"null]}",
        patient('"name":[{"given":[' + "null," * (MIB // 6) + "null]}]"),
        patient('"name":[' + '{"x":1},' * (MIB // 9) + "{}]"),
        patient('"name":[' + '{"text":"x"},' * (MIB // 14) + "{}]"),
        patient('"name":[' + '{"text":"x"},' * (MIB // 14) + "1]"),
        patient(",".join(f'"k{i}":{{}}' for i in range(MIB // 13))),
        narrative("<" * (MIB - 200)),
        narrative("<a " * (MIB // 4)),
        narrative("<!--" * (MIB // 5)),
        narrative("<p>" * (MIB // 4)),
        patient('"photo":[{"data":"' + "A " * (MIB // 3) + '"}]'),
        patient('"birthDate":"' + "1" * (MIB - 200) + '"'),
        patient('"gender":"' + "\\u0022" * (MIB // 7) + '"'),
        patient('"managingOrganization":{"reference":"' + "urn:uuid:" * (MIB // 10) + '"}'),
        b'{"resourceType":"Bundle","total":' + b"9" * (MIB - 100) + b"}",
        b'{"a":"\\u0022","total":' + b"9" * 300 + b"}",
        patient('"extension":[' + '{"url":"a","valueString":"x","valueCode":"y"},' * (MIB // 50) + "{}]"),
        patient('"extension":[' + '{"url":"a"},' * (MIB // 13) + "{}]"),
    ],
    ids=lambda raw: f"{raw[:40].decode()}-{len(raw)}",
)
@pytest.mark.timeout(20)
def test_a_hostile_message_ends_as_any_other(raw: bytes) -> None:
    assert len(raw) <= MIB
    assert check_structure(raw).is_refused


def test_no_error_lists_fifty_forms() -> None:
    """An error of such an ``anyOf`` takes 2 ms to put together: 1 MiB of bad extensions took 13 s."""
    lists = [forms for forms in _any_ofs(message_schema()) if len(forms) > 8]
    assert lists == []


def _any_ofs(schema: Any) -> Iterator[list[Any]]:
    """The lists of forms whose errors would name every form: under ``if`` and ``not`` only yes and no count."""
    if isinstance(schema, dict):
        if isinstance(schema.get("anyOf"), list):
            yield schema["anyOf"]
        for key, part in schema.items():
            if key not in {"if", "not"}:
                yield from _any_ofs(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _any_ofs(part)


def test_a_message_of_every_resource_type_makes_few_schemas() -> None:
    unusual = sorted(CHECKED_TYPES - set(COMPILED_TYPES))
    bundle: Json = {"resourceType": "Bundle", "type": "message"}
    bundle["entry"] = [{"resource": {"resourceType": name}} for name in unusual]
    resource_validator.cache_clear()
    known = known_kinds()
    result = check_structure(orjson.dumps(bundle))
    assert resource_validator.cache_info().currsize <= MOST_UNUSUAL_TYPES < len(unusual)
    learnt = {name for name in known_kinds() - known if name in CHECKED_TYPES}
    assert len(learnt) <= MOST_UNUSUAL_TYPES, "types are learnt one by one"
    refused = [issue for issue in result.issues if issue.rule == "most-unusual-types"]
    assert refused[0].expression == f"Bundle.entry[{MOST_UNUSUAL_TYPES}].resource.resourceType"


# --- nothing of what a message says is in what is said of it ------------------------------------------------------

CANARY = "Canary"


def with_canaries(bundle: Json) -> Json:
    """Every text that means something to nobody but the patient replaced by one that would be known again."""

    def planted(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: planted(child, name) for name, child in value.items()}
        if isinstance(value, list):
            return [planted(child, key) for child in value]
        if isinstance(value, str) and key not in ("resourceType", "fullUrl", "reference", "url"):
            return CANARY
        if isinstance(value, int | float) and not isinstance(value, bool):
            return 86420.97531
        return value

    return {name: planted(child, name) for name, child in bundle.items()}


@pytest.mark.req("CORE-ERR-09")
@pytest.mark.parametrize("sort", SORTS, ids=str)
def test_no_issue_holds_a_value_of_the_message(sort: Any) -> None:
    issues = everything(orjson.dumps(with_canaries(message(sort))))
    assert len(issues) > 20
    for issue in issues:
        said = " ".join((issue.code, issue.expression, issue.diagnostics, issue.rule))
        assert CANARY not in said
        assert "86420" not in said


@pytest.mark.req("CORE-ERR-09")
def test_no_issue_holds_a_value_of_a_mutant_nor_the_name_of_an_unknown_element() -> None:
    original = message(FULL)
    for mutant in mutants(original, Random(20), count=400, kinds=MUTATIONS):
        raw = orjson.dumps(mutant.bundle).replace(b'"foo":', b'"Canary Smith":').replace(b'"Robin"', b'"Canary"')
        raw = (
            raw.replace(b'"TESTPATIENT"', b'"Canary"')
            .replace(b"07700 900123", b"Canary")
            .replace(b"9434765919", b"Canary")
        )
        assert not any("Canary" in f"{issue.expression} {issue.diagnostics}" for issue in everything(raw))


def test_an_unknown_element_is_neither_named_nor_led_through() -> None:
    bundle = message(FULL)
    bundle["entry"][0]["resource"]["Canary"] = [{"Canary": {}, "reference": "a b"}]
    issues = everything(orjson.dumps(bundle))
    assert {issue.expression for issue in issues if issue.is_error} == {"Bundle.entry[0].resource"}
    assert not any("Canary" in issue.diagnostics for issue in issues)
