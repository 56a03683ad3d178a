"""Is a received message well-formed FHIR R4? All that is wrong is said, and none of what it holds.

`check_structure` is the first gate of a received message (DESIGN decision 8). It does not ask fhir.resources, which
coerces, drops and lets pass; it asks a schema generated from that package's field metadata, and the invariants of R4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.json_text import DEFAULT_MAX_BYTES, read_json
from cad_bridge.fhir.schema import message_validator
from cad_bridge.fhir.structure_explain import explain_message, explain_resource
from cad_bridge.fhir.structure_findings import as_issues
from cad_bridge.fhir.structure_invariants import Collected, Walked, walk
from cad_bridge.fhir.structure_paths import paths_of

DEFAULT_MAX_DEPTH = 64
"""Objects and lists inside each other in a message. The deepest published one has 11."""

MOST_ISSUES = 100
"""More are counted, not listed: a hostile message could have a hundred thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureResult:
    """What `check_structure` found.

    `bundle` is the JSON object as received, also when it breaks FHIR (so that ids can be read for the answer);
    it is None when no JSON object could be read at all. It must not be changed. `collected` is what was met in it on
    the way, for `check_profile`; complete if the message is not refused.
    """

    bundle: dict[str, Any] | None
    issues: tuple[Issue, ...]
    collected: Collected = field(default_factory=dict)

    @property
    def is_refused(self) -> bool:
        """Whether one of the issues is an error."""
        return any(issue.is_error for issue in self.issues)


def check_structure(
    raw: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = DEFAULT_MAX_DEPTH
) -> StructureResult:
    """Check the bytes of one received message as JSON and as a FHIR R4 4.0.1 Bundle, completely; never raises.

    Errors carry the FHIR issue code (``structure``, ``required``, ``value``, ``code-invalid``, ``invariant``,
    ``too-costly``) and the FHIRPath of the element. At most `MOST_ISSUES` are listed; a last one then says so.
    """
    text = read_json(raw, max_bytes=max_bytes)
    if text.value is None:
        return StructureResult(bundle=None, issues=text.issues)
    if text.value.get("resourceType") != "Bundle":
        return StructureResult(bundle=text.value, issues=(_not_a_bundle(),))
    walked = walk(text.value, text.compact, max_depth=max_depth)
    return StructureResult(bundle=text.value, issues=limited(_issues(text.value, walked)), collected=walked.met)


def warm_up() -> None:
    """Build and compile the schema now (about half a second) and not on the first message."""
    check_structure(b'{"resourceType":"Bundle"}')


def limited(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """The issues, errors first, each place and rule once, and not more than `MOST_ISSUES` of them.

    Reading stops when so many errors were met, so that no message can make its own check expensive.
    """
    errors: dict[tuple[str, str], Issue] = {}
    others: dict[tuple[str, str], Issue] = {}
    for issue in issues:
        (errors if issue.is_error else others).setdefault((issue.expression, issue.rule), issue)
        if len(errors) > MOST_ISSUES:
            break
    found = (*errors.values(), *others.values())
    if len(found) <= MOST_ISSUES:
        return found
    return (*found[:MOST_ISSUES], _MORE)


_MORE = Issue(
    severity=Severity.INFORMATION,
    code="incomplete",
    expression="Bundle",
    diagnostics=f"There are more than {MOST_ISSUES} findings; only the first are listed.",
    rule="most-issues",
)


def _issues(bundle: dict[str, Any], walked: Walked) -> Iterator[Issue]:
    if not message_validator().is_valid(bundle):
        yield from explain_message(bundle)
    yield from _unusual(bundle, list(chain.from_iterable(walked.unusual.values())))
    yield from as_issues(bundle, walked.findings)


def _unusual(bundle: dict[str, Any], resources: list[dict[str, Any]]) -> Iterator[Issue]:
    """Resources of a type that BaRS messages do not name: checked all the same, each by the schema of its type."""
    places = paths_of(bundle, {id(resource) for resource in resources})
    for resource in resources:
        yield from explain_resource(resource, at=places[id(resource)])


def _not_a_bundle() -> Issue:
    return Issue(
        severity=Severity.ERROR,
        code="structure",
        expression="",
        diagnostics="The message is not a FHIR Bundle: its resourceType must be Bundle.",
        rule="r4-resource-type",
    )
