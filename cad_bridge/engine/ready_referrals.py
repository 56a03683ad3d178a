"""A CAD gives a ready BaRS message to refer a case, or to tell more of it: see `ready_messages`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from cad_bridge.engine.core import Engine, Handled
from cad_bridge.engine.ready_messages import (
    ReadyMessage,
    as_request,
    call_back_time,
    read_ready,
    refuse_known_bundle,
    shaped,
    update_by,
)
from cad_bridge.engine.referrals import Confirmation, Referral, needed_by, opening_of
from cad_bridge.engine.requests import (
    FieldProblem,
    IdempotencyKey,
    Opened,
    Opening,
    RequestRefusedError,
    open_case,
    sender_of,
)
from cad_bridge.workflow.referral_commands import ReferralUpdate
from cad_bridge.workflow.vocabulary import Priority, UseCase

_LOCATION = "Bundle.entry.resource.ofType(ServiceRequest).locationReference"
_NEW = frozenset({"DT-01", "DT-05", "DT-06", "DT-07"})
_UPDATE = frozenset({"DT-03", "DT-10a", "DT-10b", "DT-10c"})


async def open_ready_referral(
    engine: Engine,
    raw: bytes,
    *,
    services: Sequence[str],
    by: str,
    confirmation: Confirmation | None = None,
    key: IdempotencyKey | None = None,
) -> Opened:
    """Open a referral by a ready message. Raises RequestRefusedError, with FHIRPaths."""

    async def prepare() -> Opening:
        message = read_ready(engine, raw, services=services, rows=_NEW, wanted="a new referral")
        await refuse_known_bundle(engine, message)
        if message.content.incident_location is None:
            raise RequestRefusedError(FieldProblem(_LOCATION, "is needed: the place of the incident"))
        content = as_request(message, breach_at=_call_back_time(message, engine))
        referral = Referral(content=content, confirmation=confirmation)
        opening = await opening_of(engine, referral, sender_of(engine, content), by=by)
        return replace(opening, facts={"bundle": raw}, shape=lambda stored: shaped(stored, message))

    return await open_case(engine, prepare, by=by, key=key)


async def update_ready_referral(
    engine: Engine, case_id: UUID, raw: bytes, *, services: Sequence[str], by: str
) -> Handled:
    """Tell more of a case that was opened by a ready message. Raises NoSuchCaseError, RequestRefusedError."""
    message = read_ready(engine, raw, services=services, rows=_UPDATE, wanted="an update of a referral")

    def command(changed: tuple[str, ...]) -> ReferralUpdate:
        return ReferralUpdate(
            changed=changed,
            arp=Priority.parse(message.facts.arp),
            clock_start=message.facts.careplan_period_start,
            breach_at=message.facts.occurrence_end,
            needed_by=needed_by(message.content),
            facts={"bundle": raw},
            by=by,
        )

    return await update_by(engine, case_id, message, command)


def _call_back_time(message: ReadyMessage, engine: Engine) -> datetime | None:
    if message.facts.use_case == UseCase.CAS_REFERRAL.value:
        return call_back_time(message, engine)
    return message.facts.occurrence_end
