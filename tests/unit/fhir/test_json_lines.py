"""Where in a file the element of a finding stands."""

from __future__ import annotations

import json

import pytest

from cad_bridge.fhir.json_lines import JsonLines

TEXT = b"""{
  "resourceType": "Bundle",
  "meta": {"lastUpdated": "2026-01-01T00:00:00Z",
           "versionId": "1.0.0"},
  "entry": [
    {"resource": {"resourceType": "MessageHeader",
                  "eventCoding": {"code": "a, \\"b\\" {[:"}}},
    {
      "resource": {
        "resourceType": "Patient",
        "identifier": [
          {"system": "x"},
          {"system": "y"}
        ]
      }
    }
  ]
}"""


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        ("Bundle.meta.versionId", 4),
        ("Bundle.entry", 5),
        ("Bundle.entry[0].resource.event", 7),
        ("Bundle.entry[0].resource.event.code", 7),
        ("Bundle.entry[1]", 8),
        ("Bundle.entry[1].resource.identifier", 11),
        ("Bundle.entry[1].resource.identifier[1].system", 13),
        ("Bundle.entry[1].resource.birthDate", 9),
        ("Bundle.entry[7].resource.birthDate", 5),
        ("Bundle.entry.resource.ofType(Patient).identifier", 11),
        ("Bundle.entry.resource.ofType(Location)", 5),
        ("Bundle", None),
        ("", None),
    ],
)
def test_the_line_of_an_element_or_of_the_nearest_around_it(expression: str, line: int | None) -> None:
    assert JsonLines(TEXT).line(expression) == line


def test_where_the_text_stops_being_json() -> None:
    assert JsonLines(b'{\n  "a": 1,\n  b\n}').line("Bundle.entry") == 3
    assert JsonLines(b"[" * 100_000).line("") == 1
    assert JsonLines(b"").line("") == 1
    assert JsonLines(b'{\n"a": "\xff"}').line("Bundle.a") == 2


def test_every_member_of_a_compact_text_stands_on_its_one_line() -> None:
    lines = JsonLines(json.dumps(json.loads(TEXT)).encode())
    assert lines.line("Bundle.entry[1].resource.identifier[1].system") == 1
