"""The decision about one message in words, for ``cad-bridge explain FILE``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cad_bridge.fhir.encounters import NO_OWN_ENCOUNTERS, OwnEncounters
from cad_bridge.fhir.facts import Facts, focus_encounter, read_facts
from cad_bridge.fhir.issues import Issue, Severity
from cad_bridge.fhir.structure import check_structure
from cad_bridge.protocol.decision import Decision, decide_row, describe
from cad_bridge.protocol.definitions import RESPONSE, check_definition, definition_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a message is, and why. `decision` is ``None`` where the file is not a FHIR message at all."""

    facts: Facts | None
    decision: Decision | None
    assumption: str | None
    """What had to be assumed because the file alone does not say it."""
    issues: tuple[Issue, ...]
    """What is wrong with its structure, or with its resource counts against the definition it cites."""

    @property
    def is_accepted(self) -> bool:
        """Whether the row that fired accepts the message."""
        return self.decision is not None and self.decision.fault is None

    def text(self) -> str:
        """Several lines for a terminal. Holds workflow codes and case-free facts only, no patient data."""
        return "\n".join(self._lines())

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        decision = self.decision
        return {
            "accepted": self.is_accepted,
            "row": decision.row.id if decision else None,
            "meaning": decision.row.meaning if decision else None,
            "source": decision.row.source if decision else None,
            "fault": decision.fault.display if decision and decision.fault else None,
            "message": describe(decision.circumstances) if decision else None,
            "assumption": self.assumption,
            "not_fired": [{"row": m.row.id, "needs": m.needed} for m in decision.trace] if decision else [],
            "issues": [_issue_line(issue) for issue in self.issues],
        }

    def _lines(self) -> Iterator[str]:
        if self.decision is not None:
            yield from self._decision_lines(self.decision)
        for issue in self.issues:
            yield _issue_line(issue)

    def _decision_lines(self, decision: Decision) -> Iterator[str]:
        row, verdict = decision.row, decision.fault.display if decision.fault else "accepted"
        yield f"The message has {describe(decision.circumstances)}."
        if self.assumption:
            yield f"Assumed: {self.assumption}"
        yield f"Row {row.id}: {row.meaning} ({verdict})."
        yield f"By: {row.source}."
        yield "The rows above did not fire, because they need:"
        yield from (f"  {missed.row.id}: {missed.needed}" for missed in decision.trace)


def explain(raw: bytes, *, strict: bool = False, own_encounters: OwnEncounters | None = None) -> Explanation:
    """Explain the bytes of one message. Never raises.

    Whose Encounter is whose is known from the conversation, not from a file. Without `own_encounters` the first
    Encounter of a response is assumed to be the requester's where nothing else tells.
    """
    structure = check_structure(raw)
    if structure.bundle is None or any(issue.is_error for issue in structure.issues):
        return Explanation(facts=None, decision=None, assumption=None, issues=tuple(structure.issues))
    facts = read_facts(structure.bundle)
    own, assumption = (own_encounters, None) if own_encounters else _assumed(facts)
    return Explanation(
        facts=facts,
        decision=decide_row(facts, strict=strict, own_encounters=own),
        assumption=assumption,
        issues=(*structure.issues, *_definition_issues(facts, strict=strict)),
    )


def _assumed(facts: Facts) -> tuple[OwnEncounters, str | None]:
    told = facts.event != RESPONSE or not facts.encounters or focus_encounter(facts) is not None
    if told or facts.encounters[0].full_url is None:
        return NO_OWN_ENCOUNTERS, None
    own = OwnEncounters(full_urls=frozenset({facts.encounters[0].full_url}))
    return own, "the first Encounter is the requester's, the second the responder's."


def _definition_issues(facts: Facts, *, strict: bool) -> Iterator[Issue]:
    yield from check_definition(facts, strict=strict)
    if facts.definition is not None and definition_for(facts.definition) is None:
        yield Issue(
            severity=Severity.ERROR,
            code="not-supported",
            expression="Bundle.entry.resource.ofType(MessageHeader).definition",
            diagnostics="The MessageDefinition is not known here.",
            rule="G-01",
        )


def _issue_line(issue: Issue) -> str:
    return f"{issue.severity}: {issue.expression}: {issue.diagnostics} ({issue.rule})"
