"""Is a received message well-formed FHIR R4? All that is wrong is said, and none of what it holds.

`check_structure` is the first gate of a received message (DESIGN decision 8). It does not use fhir.resources to
judge, which coerces, drops and lets pass; it uses a schema generated from that package's field metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.json_text import DEFAULT_MAX_BYTES, DEFAULT_MAX_DEPTH, read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureResult:
    """What `check_structure` found.

    `bundle` is the JSON object as received, also when it breaks FHIR (so that ids can be read for the answer);
    it is None when no JSON object could be read at all. It must not be changed.
    """

    bundle: dict[str, Any] | None
    issues: tuple[Issue, ...]

    @property
    def is_refused(self) -> bool:
        """Whether one of the issues is an error."""
        return any(issue.is_error for issue in self.issues)


def check_structure(
    raw: bytes, *, max_bytes: int = DEFAULT_MAX_BYTES, max_depth: int = DEFAULT_MAX_DEPTH
) -> StructureResult:
    """Check the bytes of one received message as JSON and as FHIR R4 4.0.1, completely; never raises.

    Errors carry the FHIR issue code (``structure``, ``required``, ``value``, ``code-invalid``, ``invariant``,
    ``too-long``) and the FHIRPath of the element; at most `structure_explain.MOST_ISSUES` are listed.
    """
    text = read_json(raw, max_bytes=max_bytes, max_depth=max_depth)
    if text.value is None:
        return StructureResult(bundle=None, issues=text.issues)
    return StructureResult(bundle=text.value, issues=text.issues)
