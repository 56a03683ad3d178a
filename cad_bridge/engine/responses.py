"""What a responder's clinician does, translated into commands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cad_bridge.engine.requests import FieldProblem, RequestRefusedError
from cad_bridge.fhir.content import Outcome, OutcomeContent
from cad_bridge.fhir.content_arp import is_upgrade, outcome_clock_start
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_types import LocalIdentifier, Name
from cad_bridge.store.rows import StoredCase
from cad_bridge.workflow import commands
from cad_bridge.workflow.decide import moves
from cad_bridge.workflow.vocabulary import Priority

_LOCAL_USERS = "https://fhir.nhs.uk/Id/local-user"
"""The name space of people who are known by nothing but what their own system calls them."""


def practitioner_facts(practitioner: Practitioner | None, *, by: str) -> dict[str, Any]:
    """Who does the validation; only the name that the local system gave where it said no more (APP4-VS-33)."""
    known = practitioner or Practitioner(
        local_identifier=LocalIdentifier(system=_LOCAL_USERS, value=by), name=Name(text=by)
    )
    return known.model_dump(mode="json", exclude_none=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Responding:
    """Who gives an outcome, and what they know of the case."""

    client: str
    person: str | None = None
    """The clinician, where the client names one; else the story has whom the outcome names."""
    take_over: bool = False
    read_version: int | None = None

    def by(self, practitioner: Practitioner | None) -> str:
        """The clinician, and the client that says so."""
        named = practitioner.name.full if practitioner is not None and practitioner.name is not None else None
        person = self.person or named
        return f"{person} ({self.client})" if person else self.client

    @property
    def may_be_anothers(self) -> bool:
        """Whether the claim of another clinician is no hindrance: it is known, or nobody said who acts."""
        return self.take_over or self.person is None


def complete_command(
    stored: StoredCase, outcome: Outcome, responding: Responding, *, now: datetime
) -> tuple[commands.Complete, dict[str, Any]]:
    """The command, and the outcome to keep with the case: its clock start follows the T5 rule (APP4-VS-18, -19).

    Raises RequestRefusedError for an upgrade to C1 or C2 without the reference of its ITK request, and for a clock
    start that breaks the rule; where the case has ended, that is said instead.
    """
    disposition = outcome.disposition_at or now
    started = stored.case.clock_start
    clock_start = outcome.clock_start or (
        outcome_clock_start(stored.case.arp, outcome.arp, original_clock_start=started, disposition_time=disposition)
        if started is not None
        else disposition
    )
    filled = outcome.model_copy(update={"clock_start": clock_start, "disposition_at": disposition})
    kept = filled.model_dump(mode="json", exclude_none=True)
    command = commands.Complete(
        dispatch_required=outcome.dispatch_required,
        arp=Priority.parse(outcome.arp),
        clock_start=clock_start,
        new_cad_id=outcome.new_cad_id,
        outcome=kept,
        by=responding.by(outcome.practitioner),
        read_version=responding.read_version,
        take_over=responding.may_be_anothers,
    )
    if moves(stored.case, command):
        _refuse(stored, outcome)
    return command, kept


def lacks_itk_reference(stored: StoredCase, outcome: OutcomeContent) -> bool:
    """C1 and C2 are asked for over ITK first; the case that this made is named in the response (APP4-VS-21, -22).

    A service without an approved triage system uses HCP codes and phones the EOC clinical hub instead (APP4-VS-24).
    """
    arp = Priority.parse(outcome.arp)
    immediate = arp in {Priority.C1, Priority.C2} and outcome.dispatch_required is not False
    return immediate and arp is not None and arp.raises(stored.case.arp) and outcome.new_cad_id is None


def breaks_clock_start_rule(stored: StoredCase, outcome: OutcomeContent) -> bool:
    """T5: the same or a lower category keeps the clock start of the request, a higher one moves it on (APP4-VS-18)."""
    started, told = stored.case.clock_start, outcome.clock_start
    if started is None or told is None:
        return False
    known = stored.case.arp.value if stored.case.arp is not None else None
    return told <= started if is_upgrade(known, outcome.arp) else told != started


def _refuse(stored: StoredCase, outcome: Outcome) -> None:
    problems = []
    if lacks_itk_reference(stored, outcome):
        why = "an upgrade to C1 or C2 needs the CAD id from the ITK ambulance request"
        problems.append(FieldProblem("new_cad_id", why))
    if breaks_clock_start_rule(stored, outcome):
        why = "the same or a lower category keeps the clock start of the request, a higher one has a later one"
        problems.append(FieldProblem("clock_start", why))
    if problems:
        raise RequestRefusedError(*problems)
