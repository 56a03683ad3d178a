"""What a check finds in a message before its place is known, and how it becomes an `Issue`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Any

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure_paths import Path, fhir_path, paths_of


class Weight(Enum):
    """When a finding refuses the message."""

    ALWAYS = "always"
    IF_STRICT = "if the service is strict"
    NEVER = "never"


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
    weight: Weight = Weight.ALWAYS
    within: object | None = None
    """The resource that holds the holder, where it is known: then only that is searched for it."""


def as_issues(message: Mapping[str, Any], findings: Iterable[Finding], *, strict: bool = False) -> list[Issue]:
    """The findings as issues, each with its FHIRPath, in the order of entries and elements."""
    listed = list(findings)
    if not listed:
        return []
    paths = _paths(message, listed)
    placed = [(_place(finding, paths.get(id(finding.holder))), finding) for finding in listed]
    return [_issue(path, finding, strict=strict) for path, finding in sorted(placed, key=itemgetter(0))]


def _paths(message: Mapping[str, Any], findings: list[Finding]) -> Mapping[int, Path]:
    """Where the holders are: looked for in the resource that is known to hold them, else in the whole message."""
    resources = {id(resource): (path, resource) for path, resource in _resources(message)}
    wanted: dict[int, set[int]] = defaultdict(set)
    found: dict[int, Path] = {}
    for finding in findings:
        holder, resource = id(finding.holder), id(finding.within)
        if holder in resources:
            found[holder] = resources[holder][0]
        else:
            wanted[resource if resource in resources else id(message)].add(holder)
    for key, holders in wanted.items():
        start, part = resources.get(key, ((), message))
        found |= {holder: (*start, *path) for holder, path in paths_of(part, holders).items()}
    return found


def _resources(message: Mapping[str, Any]) -> Iterator[tuple[Path, object]]:
    entries = message.get("entry")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            yield ("entry", index, "resource"), resource


def _place(finding: Finding, holder: Path | None) -> Path:
    """The place of the element; the message itself where the holder is missing from it."""
    if holder is None or finding.key is None:
        return holder or ()
    return (*holder, finding.key)


def _issue(path: Path, finding: Finding, *, strict: bool) -> Issue:
    refuses = finding.weight is Weight.ALWAYS or (strict and finding.weight is Weight.IF_STRICT)
    return Issue(
        severity=Severity.ERROR if refuses else Severity.WARNING,
        code=finding.code,
        expression=fhir_path(path),
        diagnostics=finding.diagnostics,
        rule=finding.rule,
    )
