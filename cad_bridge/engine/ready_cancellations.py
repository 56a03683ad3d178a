"""A CAD cancels a case that it opened by a message of its own, by another: see `ready_messages`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson

from cad_bridge.engine.core import Engine, Handled, NoSuchCaseError
from cad_bridge.engine.ready_messages import CheckedMessage, check_ready, refuse_another_request
from cad_bridge.engine.referral_messages import is_made_elsewhere
from cad_bridge.engine.requests import FieldProblem, RequestRefusedError
from cad_bridge.engine.verdicts import issue_as_json
from cad_bridge.fhir.elements import objects, text
from cad_bridge.fhir.same_patient import names_another_patient
from cad_bridge.store import queries
from cad_bridge.store.rows import Loaded, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands

_REASON = "Bundle.entry.resource.ofType(ServiceRequest).reasonCode.text"
_ROWS = frozenset({"DT-08", "DT-09"})


async def cancel_ready(engine: Engine, case_id: UUID, raw: bytes, *, services: Sequence[str], by: str) -> Handled:
    """Cancel by a ready message. Raises NoSuchCaseError, RequestRefusedError with FHIRPaths."""
    checked = check_ready(engine, raw, services=services, rows=_ROWS, wanted="a cancellation")
    mistaken = checked.facts.sr_status == "entered-in-error"
    command = commands.Cancel(reason=_reason(checked), mistaken=mistaken, bundle=raw, by=by)
    async with engine.unit_of_work() as work:
        loaded = await work.lock_case(case_id)
        if loaded is None:
            raise NoSuchCaseError
        await _refuse_another_case(work, loaded, checked)
        handled = await engine.decide_in(work, loaded, command, change=lambda stored: _noted(stored, checked))
        if handled.decision.refusal is None:
            await work.commit()
        return handled


def _noted(stored: StoredCase, checked: CheckedMessage) -> StoredCase:
    found = tuple(item for issue in checked.issues if (item := issue_as_json(issue)) not in stored.warnings)
    return stored.evolve(warnings=(*stored.warnings, *found))


def _reason(checked: CheckedMessage) -> str:
    """Why, in words, as a cancellation in plain JSON says it as well (CORE-CAN-08)."""
    resources = (entry["resource"] for entry in objects(checked.bundle.get("entry")))
    request = next(resource for resource in resources if resource["resourceType"] == "ServiceRequest")
    said = [words for concept in objects(request.get("reasonCode", [])) if (words := text(concept.get("text")))]
    if not said:
        raise RequestRefusedError(FieldProblem(_REASON, "is needed: why the case is cancelled"))
    return "; ".join(said)


async def _refuse_another_case(work: UnitOfWork, loaded: Loaded, checked: CheckedMessage) -> None:
    if not is_made_elsewhere(loaded.stored.conversation):
        text_ = "was opened by plain JSON and is cancelled by it"
        raise RequestRefusedError(FieldProblem("", text_), status=409)
    refuse_another_request(loaded.stored, checked)
    held = await queries.held_request(work.connection, loaded.stored.id)
    assert held is not None, "a case of ours keeps its request"
    if names_another_patient(orjson.loads(held), checked.bundle):
        raise RequestRefusedError(FieldProblem("Bundle.entry.resource.ofType(Patient)", "is another patient"))
