"""Profile and payload rules of a well-formed message: everything that BaRS asks beyond FHIR R4.

`check_profile` says all at once and refuses little (DESIGN decision 11): errors are what `payload_refusals` names, and
for a strict service also what the tables name, but for what is tolerated of every sender.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from itertools import islice
from typing import Any

from cad_bridge.fhir import payload
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.payload import check_payload
from cad_bridge.fhir.payload_check import RowCheck, row_checks
from cad_bridge.fhir.payload_refusals import check_refusals
from cad_bridge.fhir.payload_rows import Row
from cad_bridge.fhir.payload_view import PAYLOAD_LETTERS, Kind, MessageView, subjects
from cad_bridge.fhir.profile_defects import check_defects
from cad_bridge.fhir.profile_extensions import check_extensions
from cad_bridge.fhir.profile_references import check_references, targets
from cad_bridge.fhir.profile_table import PROFILE_ROWS
from cad_bridge.fhir.structure import limited
from cad_bridge.fhir.structure_findings import Finding, Weight, as_issues
from cad_bridge.fhir.structure_invariants import Collected, collect

_MOST_FINDINGS = 1000
"""Far above what is listed: the end of what a message full of small faults may cost."""


def check_profile(
    bundle: Mapping[str, Any],
    *,
    use_case: str | None,
    kind: Kind,
    strict: bool,
    collected: Collected | None = None,
) -> list[Issue]:
    """All that is wrong with a message that passed `check_structure`, as the payload that it is.

    `use_case` is its code in lower case (``a4t1``); for others than those of Applications 3, 4 and 6 the profiles
    apply but no element table. `strict` makes errors of what is a warning otherwise, though not in the answer to a
    message of our own: an acknowledgement is never refused (V3). What refuses any message is found first, and of more
    than `structure.MOST_ISSUES` findings the rest is not listed. `collected` is that of the `StructureResult`; the
    message is walked once more where it is not at hand. Never raises.
    """
    view = MessageView(bundle, kind, use_case)
    findings: Iterator[Finding] = islice(_findings(view, collected or collect(bundle)), _MOST_FINDINGS)
    if kind == "acknowledgement":
        findings = (replace(finding, weight=Weight.NEVER) for finding in findings)
    return list(limited(as_issues(bundle, findings, strict=strict)))


def warm_up() -> None:
    """Compile the rows of every payload, and learn what references may lead to."""
    targets()
    for letters in PAYLOAD_LETTERS:
        checks_for(letters)
        for with_ids in (True, False):
            payload.checks_for(letters, with_ids=with_ids)


def _findings(view: MessageView, collected: Collected) -> Iterator[Finding]:
    yield from check_refusals(view)
    yield from check_payload(view)
    yield from _profile_rows(view)
    yield from check_references(view, collected["Reference"])
    yield from check_extensions(collected["Extension"])
    yield from check_defects(view, collected)


def _profile_rows(view: MessageView) -> Iterator[Finding]:
    for subject, check in checks_for(view.payload).items():
        for node in subjects(view, subject):
            for row, (holder, element) in check.broken(node):
                yield Finding(holder, element, row.rule, row.text, weight=Weight.IF_STRICT, within=node)


@cache
def rows_for(letters: str) -> Mapping[str, tuple[Row, ...]]:
    """The profile rows of a payload, by subject."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in PROFILE_ROWS:
        if row.payloads == "*" or any(letter in row.payloads for letter in letters):
            found[row.subject].append(row)
    return {subject: tuple(rows) for subject, rows in found.items()}


@cache
def checks_for(letters: str) -> Mapping[str, RowCheck]:
    """The rows of `rows_for`, compiled."""
    return row_checks(rows_for(letters))
