"""What does not fit the conversation it seems to mean: kept, refused, and raised to a person (DESIGN decision 7).

A cancellation or update of another patient, from another service, or of one of several cases may be about a patient
who still waits for help, or who no longer does: who sent it has to be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from cad_bridge.engine.core import Engine
from cad_bridge.fhir.facts import Facts
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.definitions import RESPONSE
from cad_bridge.protocol.errors import CONFLICT, NOT_FOUND, Refused
from cad_bridge.protocol.headers import RequestHeaders
from cad_bridge.protocol.services import canonical
from cad_bridge.store import queries
from cad_bridge.store.rows import Loaded
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands
from cad_bridge.workflow.mismatch import Mismatch, MismatchReceived

KEPT_AS = "mismatched-message"
OPEN_RESPONDER_STATES = frozenset({"received", "accepted", "in_progress"})


def still_open(held: Iterable[Loaded]) -> list[Loaded]:
    """The cases among those received that are current."""
    return [loaded for loaded in held if loaded.stored.case.state in OPEN_RESPONDER_STATES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfitting:
    """A message that is refused for not fitting, in its unit of work."""

    engine: Engine
    work: UnitOfWork
    message_id: UUID
    facts: Facts
    kind: str
    """``update`` or ``cancellation``."""

    async def raise_to_person(self, held: Iterable[Loaded], *, why: Mismatch) -> None:
        """Tell of every open case that it may have meant; it changes none of them."""
        came_from = self.facts.source_endpoint or "an unnamed service"
        command = MismatchReceived(message=self.kind, why=why, came_from=came_from, by=came_from)
        told = still_open(held)
        for loaded in told:
            await self.engine.decide_in(self.work, loaded, command)
        if len(told) == 1:
            self.work.settle_message(self.message_id, case_id=told[0].stored.id, kind=KEPT_AS)

    async def of_another_patient(self, loaded: Loaded) -> Refused:
        """The case goes on: an assessment too many is safer than none for a patient whom nobody cancelled."""
        await self.raise_to_person([loaded], why="another-patient")
        return Refused.because(
            CONFLICT,
            f"The {self.kind} names another patient than the request. Nothing was changed.",
            expression="Bundle.entry.resource.ofType(Patient)",
            rule="CORE-CAN-07",
        )

    async def raise_unheld(self, held: Sequence[Loaded]) -> None:
        """The same where no case was found for the message, or more than one."""
        if held:
            await self.raise_to_person(held, why="several-cases")
        else:
            await self.raise_to_person(await _of_another_service(self.work, self.facts), why="another-service")


def not_held(rule: str) -> Refused:
    """The answer where no one case is meant."""
    return Refused.because(
        NOT_FOUND,
        "The ServiceRequest is not held here.",
        expression="Bundle.entry.resource.ofType(ServiceRequest)",
        rule=rule,
    )


async def _of_another_service(work: UnitOfWork, facts: Facts) -> list[Loaded]:
    """The case behind an id that we issued, in a message that does not come from the service that we issued it to."""
    if facts.sr_id is None:
        return []
    found = await queries.case_with_issued_id(work.connection, facts.sr_id)
    if found is None or found.conversation.local_service != canonical(facts.destination_endpoint or ""):
        return []
    return list((await work.lock_cases([found.id])).values())


async def alert_unknown_response(
    engine: Engine,
    work: UnitOfWork,
    facts: Facts,
    headers: RequestHeaders,
    candidates: Sequence[KnownConversation],
) -> None:
    """A response that names no message of ours, under the correlation id of a case that its sender was asked about.

    It is answered 404; it may have been a refusal, or the end of a consultation.
    """
    if facts.event != RESPONSE or candidates:
        return
    source = canonical(facts.source_endpoint or "")
    asked = await queries.cases_asked_of(work.connection, remote_service=source, correlation_id=headers.correlation_id)
    command = commands.UnrecognisedResponse(came_from=source, by=source)
    for loaded in (await work.lock_cases(asked)).values():
        await engine.decide_in(work, loaded, command)
