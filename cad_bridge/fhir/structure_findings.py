"""What a check finds in a message before its place is known, and how it becomes an `Issue`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure_paths import Path, Step, fhir_path, paths_of


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule broken in `holder`, an array or object of the message, at the element `key` of it if that is given.

    `key` may name an element that is missing. `diagnostics` never quotes the message.
    """

    holder: object
    key: str | int | None
    rule: str
    diagnostics: str
    code: str = "invariant"
    severity: Severity = Severity.ERROR


def as_issues(message: Mapping[str, Any], findings: Iterable[Finding]) -> list[Issue]:
    """The findings as issues, each with its FHIRPath, in the order of entries and elements."""
    listed = list(findings)
    if not listed:
        return []
    paths = paths_of(message, {id(finding.holder) for finding in listed})
    placed = [(_place(finding, paths.get(id(finding.holder))), finding) for finding in listed]
    return [_issue(path, finding) for path, finding in sorted(placed, key=lambda pair: _order(pair[0]))]


def _place(finding: Finding, holder: Path | None) -> Path:
    """The place of the element; the message itself where the holder is missing from it."""
    if holder is None or finding.key is None:
        return holder or ()
    return (*holder, finding.key)


def _order(path: Path) -> list[tuple[bool, Step]]:
    return [(isinstance(step, str), step) for step in path]


def _issue(path: Path, finding: Finding) -> Issue:
    return Issue(
        severity=finding.severity,
        code=finding.code,
        expression=fhir_path(path),
        diagnostics=finding.diagnostics,
        rule=finding.rule,
    )
