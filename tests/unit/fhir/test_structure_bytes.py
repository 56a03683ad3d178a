"""Bytes that are no plain JSON object are refused before anything is read in them."""

from __future__ import annotations

import orjson
import pytest

from cad_bridge.fhir.issues import Severity
from cad_bridge.fhir.structure import check_structure
from tests.unit.fhir.messages import SORTS, message

FULL = next(sort for sort in SORTS if sort.payload == "6" and sort.kind == "update")


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"", "json-syntax"),
        (b"   ", "json-syntax"),
        (b"nonsense", "json-syntax"),
        (b'{"resourceType":"Bundle"', "json-syntax"),
        (b'{"resourceType":"Bundle"} {}', "json-syntax"),
        (b'{"a":NaN}', "json-syntax"),
        (b'{"a":Infinity}', "json-syntax"),
        (b'{"a":1e999}', "json-syntax"),
        (b'{"a":"\xff"}', "json-syntax"),
        (b'{"a":"\xed\xa0\x80"}', "json-syntax"),
        (b'{"a":"\\ud800"}', "json-syntax"),
        (b'\xef\xbb\xbf{"resourceType":"Bundle"}', "json-syntax"),
        (b'{"a":"b\x00c"}', "json-syntax"),
        (b"\x00", "json-syntax"),
        (b"[]", "json-object"),
        (b'"Bundle"', "json-object"),
        (b"null", "json-object"),
        (b'{"a":"b\\u0000c"}', "json-control"),
        (b'{"a":"b\\u001Fc"}', "json-control"),
        (b'{"a\\u0007":1}', "json-control"),
        (b'{"a":1,"a":2}', "json-duplicate-key"),
        (b'{"a":{"b":1,"c":[],"b":1}}', "json-duplicate-key"),
        (b'{"a":"x \\u0022 y","b":1,"b":2}', "json-duplicate-key"),
        (b'{"a":1,"\\u0061":2}', "json-duplicate-key"),
        (b'{"a":' * 255 + b"1" + b"}" * 255, "json-depth"),
        (b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", "json-depth"),
        (b"[" * 100_000, "json-syntax"),
        (b'{"a":' * 5000, "json-syntax"),
    ],
)
def test_bytes_that_are_no_plain_json_object_are_refused(raw: bytes, rule: str) -> None:
    result = check_structure(raw)
    assert result.bundle is None
    assert result.is_refused
    assert [(issue.rule, issue.severity, issue.expression) for issue in result.issues] == [(rule, Severity.ERROR, "")]


@pytest.mark.parametrize(
    ("written", "instead", "expression"),
    [
        (b'"type":"message"', b'"type":"message","type":"message"', "Bundle"),
        (b'"gender":', b'"gender":"male","gender":', "Bundle.entry[{patient}].resource"),
        (b'"gender":', b'"\\u0022":1,"gender":"male","gender":', "Bundle.entry[{patient}].resource"),
        (b'"gender":"', b'"gender":"\\u0000', "Bundle.entry[{patient}].resource.gender"),
        (b'"gender":"', b'"Smith\\u0000":1,"gender":"', "Bundle.entry[{patient}].resource"),
    ],
)
def test_the_place_of_what_json_allows_is_told(written: bytes, instead: bytes, expression: str) -> None:
    bundle = message(FULL)
    patient = [entry["resource"]["resourceType"] for entry in bundle["entry"]].index("Patient")
    bundle["entry"][patient]["resource"] = {"resourceType": "Patient", "gender": "male"}
    raw = orjson.dumps(bundle)
    assert written in raw
    (issue,) = check_structure(raw.replace(written, instead, 1)).issues
    assert issue.rule in {"json-duplicate-key", "json-control"}
    assert issue.expression == expression.format(patient=patient)


def test_a_message_may_be_as_long_as_the_limit_and_no_longer() -> None:
    raw = orjson.dumps(message(FULL))
    assert not check_structure(raw, max_bytes=len(raw)).is_refused
    (issue,) = check_structure(raw, max_bytes=len(raw) - 1).issues
    assert (issue.code, issue.rule) == ("too-costly", "json-size")
    assert check_structure(b" " * (1024 * 1024 + 1)).issues[0].code == "too-costly"


def test_a_message_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    bundle = message(FULL)
    patient = next(entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == "Patient")
    concept: dict[str, object] = {"text": "deepest"}
    for _ in range(25):
        concept = {"extension": [{"url": "https://example.org/deeper", "valueCodeableConcept": concept}]}
    patient["maritalStatus"] = concept
    assert "json-depth" not in {issue.rule for issue in check_structure(orjson.dumps(bundle), max_depth=80).issues}
    result = check_structure(orjson.dumps(bundle), max_depth=79)
    (issue,) = [issue for issue in result.issues if issue.rule == "json-depth"]
    assert issue.expression.endswith(".extension[0].value")
    assert result.is_refused


@pytest.mark.parametrize(
    "text",
    [
        'quote " inside',
        'many """" quotes',
        "back\\slash",
        'both \\" of them',
        "\t tab \r\n line",
        "",
        "é ß 漢 🚑",
        "\u2028",
    ],
)
def test_no_text_is_taken_for_a_repeated_key(text: str) -> None:
    for raw in (orjson.dumps({"a": text, "b": [text, {text: text}]}), b'{"a":"\\u0022","b":"\\u0022\\u0022"}'):
        assert check_structure(raw).bundle is not None
