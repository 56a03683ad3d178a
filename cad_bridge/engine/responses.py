"""What a responder's clinician does, translated into commands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cad_bridge.engine.requests import FieldProblem, RequestRefusedError
from cad_bridge.fhir.content import Outcome
from cad_bridge.fhir.content_arp import outcome_clock_start
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_types import LocalIdentifier, Name
from cad_bridge.store.rows import StoredCase
from cad_bridge.workflow import commands
from cad_bridge.workflow.vocabulary import Priority

_LOCAL_USERS = "https://fhir.nhs.uk/Id/local-user"
"""The name space of people who are known by nothing but what their own system calls them."""


def practitioner_facts(practitioner: Practitioner | None, *, by: str) -> dict[str, Any]:
    """Who does the validation; only the name that the local system gave where it said no more (APP4-VS-33)."""
    known = practitioner or Practitioner(
        local_identifier=LocalIdentifier(system=_LOCAL_USERS, value=by), name=Name(text=by)
    )
    return known.model_dump(mode="json", exclude_none=True)


def complete_command(
    stored: StoredCase, outcome: Outcome, *, by: str, now: datetime, read_version: int | None = None
) -> tuple[commands.Complete, dict[str, Any]]:
    """The command, and the outcome to keep with the case: its clock start follows the T5 rule (APP4-VS-18, -19).

    Raises RequestRefusedError for an upgrade to C1 or C2 without the reference of its ITK request.
    """
    _need_itk_reference(stored, outcome)
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
        by=by,
        read_version=read_version,
    )
    return command, kept


def _need_itk_reference(stored: StoredCase, outcome: Outcome) -> None:
    """C1 and C2 are asked for over ITK first; the case that this made is named in the response (APP4-VS-21, -22).

    A service without an approved triage system uses HCP codes and phones the EOC clinical hub instead (APP4-VS-24).
    """
    immediate = outcome.arp in {"C1", "C2"} and outcome.dispatch_required
    arp = Priority.parse(outcome.arp)
    if immediate and arp is not None and arp.raises(stored.case.arp) and outcome.new_cad_id is None:
        raise RequestRefusedError(
            FieldProblem("new_cad_id", "an upgrade to C1 or C2 needs the CAD id from the ITK ambulance request")
        )
