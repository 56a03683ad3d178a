"""A CAD updates its request: the whole content again, and what differs is what is sent (APP4-VR-13)."""

from __future__ import annotations

from uuid import UUID

from cad_bridge.engine.core import Engine, Handled, NoSuchCaseError
from cad_bridge.engine.referral_messages import is_made_elsewhere
from cad_bridge.engine.requests import FieldProblem, RequestRefusedError, told_anew
from cad_bridge.fhir.content import Request
from cad_bridge.protocol.services import canonical
from cad_bridge.store.rows import StoredCase
from cad_bridge.workflow import commands
from cad_bridge.workflow.vocabulary import Priority

_FIXED = ("use_case", "sender", "receiver", "case_number")


async def update_request(engine: Engine, case_id: UUID, content: Request, *, by: str) -> Handled:
    """Update an open request. Raises NoSuchCaseError; RequestRefusedError for content that does not fit the case."""
    async with engine.unit_of_work() as work:
        loaded = await work.lock_case(case_id)
        if loaded is None:
            raise NoSuchCaseError
        stored = loaded.stored
        if is_made_elsewhere(stored.conversation):
            problem = FieldProblem("", "the case was opened by a BaRS message of the CAD's own: update it by one")
            raise RequestRefusedError(problem, status=409)
        refuse_another_case(stored, content)
        if content.breach_at is None or content.breach_at <= engine.now():
            raise RequestRefusedError(FieldProblem("breach_at", "must be given and lie in the future"))
        journey = stored.conversation.journey_id
        new = content.model_dump(mode="json", exclude_none=True) | {"journey_id": journey}
        changed = tuple(sorted(k for k in {*new, *stored.content} if new.get(k) != stored.content.get(k)))
        if not changed:
            raise RequestRefusedError(FieldProblem("", "nothing differs from what the responder has been sent"))
        command = commands.Update(
            changed=changed,
            arp=Priority.parse(content.triage.arp),
            clock_start=content.clock_start,
            breach_at=content.breach_at,
            by=by,
        )
        handled = await engine.decide_in(work, loaded, command, change=lambda known: told_anew(known, content, new))
        if handled.decision.refusal is None:
            await work.commit()
        return handled


def refuse_another_case(stored: StoredCase, content: Request) -> None:
    """What makes the case the case it is cannot be updated: that would be another request."""
    held = stored.content
    given = content.model_dump(mode="json", exclude_none=True)
    for name in _FIXED:
        before, after = held.get(name), given.get(name)
        if name in {"sender", "receiver"} and before and after:
            before, after = canonical(before), canonical(after)
        if before != after:
            raise RequestRefusedError(FieldProblem(name, "cannot be changed by an update; cancel and open another"))
    if content.journey_id is not None and str(content.journey_id) != stored.conversation.journey_id:
        raise RequestRefusedError(FieldProblem("journey_id", "stays the same for the whole journey"))
