"""Times of a received request that cannot be kept: accepted as they were sent, and said on the case."""

from __future__ import annotations

from datetime import datetime

from cad_bridge.fhir.facts import Facts
from cad_bridge.fhir.issues import Issue, Severity


def time_warnings(facts: Facts, *, now: datetime) -> list[Issue]:
    """A breach time that cannot be kept is accepted as it was sent, and said on the case (H02)."""
    found = []
    if facts.occurrence_end is not None and facts.occurrence_end <= now:
        found.append("The breach time had passed when the request arrived.")
    if (
        facts.occurrence_end is not None
        and facts.careplan_period_start is not None
        and facts.occurrence_end <= facts.careplan_period_start
    ):
        found.append("The breach time is not after the clock start.")
    return [
        Issue(
            severity=Severity.WARNING,
            code="value",
            expression="Bundle.entry.resource.ofType(ServiceRequest).occurrence.end",
            diagnostics=text,
            rule="H02",
        )
        for text in found
    ]
