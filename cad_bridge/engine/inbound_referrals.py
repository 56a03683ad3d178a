"""A message about a referral (Applications 3 and 6): what each row of the decision table does here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cad_bridge.engine.core import Engine
from cad_bridge.engine.inbound import Inbound
from cad_bridge.engine.plot import plot
from cad_bridge.engine.verdicts import Reply, issue_as_json
from cad_bridge.fhir.content import ReceivedRequest, StatusReport
from cad_bridge.fhir.facts import Facts
from cad_bridge.fhir.issues import Issue
from cad_bridge.fhir.read_response import read_feedback, read_rejection
from cad_bridge.fhir.read_status import read_status
from cad_bridge.protocol.addressing import KnownConversation
from cad_bridge.protocol.definitions import RESPONSE
from cad_bridge.protocol.errors import Refused
from cad_bridge.protocol.receive import Opened
from cad_bridge.protocol.services import canonical
from cad_bridge.store.rows import StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow import commands
from cad_bridge.workflow.case import StatusChange
from cad_bridge.workflow.referral_commands import (
    FeedbackReceived,
    ForbiddenRefusalReceived,
    ReceiverStatus,
    ReferralUpdateReceived,
    RefusalReceived,
    StatusReceived,
)
from cad_bridge.workflow.vocabulary import VALIDATION_USE_CASES, Priority, UseCase

_STATUS_OF_ROW: Mapping[str, ReceiverStatus] = {"DT-15": "planned", "DT-16": "in-progress", "DT-17": "finished"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundReferral(Inbound):
    """One accepted message about a referral, in its unit of work."""

    def _action(self) -> Awaitable[Reply | Refused] | None:
        action = _ACTIONS.get(self.accepted.row.id)
        return None if action is None else action(self)

    # --- we are the receiver -------------------------------------------------------------------------

    def _opened(self, stored: StoredCase, content: ReceivedRequest) -> StoredCase:
        """With the time by which a resource is needed, and the location as we plot it (APP6-LOC-06)."""
        return self._plotted(stored.evolve(case=stored.case.evolve(needed_by=_needed_by(content))), content)

    def _updated(self, stored: StoredCase, content: ReceivedRequest) -> StoredCase:
        return self._plotted(stored, content)

    def _plotted(self, stored: StoredCase, content: ReceivedRequest) -> StoredCase:
        ours = self.accepted.service.ods_code if stored.case.use_case is UseCase.OUT_OF_AREA else None
        found = plot(content.incident_location, discovery=self.engine.discovery, ods_code=ours)
        if found is None:
            return stored
        told = tuple(item for issue in found.warnings if (item := issue_as_json(issue)) not in stored.warnings)
        return stored.evolve(discovery=found.view, warnings=(*stored.warnings, *told))

    def _update_command(self, facts: Facts, content: ReceivedRequest, changed: tuple[str, ...]) -> commands.Command:
        return ReferralUpdateReceived(
            changed=changed,
            arp=Priority.parse(facts.arp),
            clock_start=facts.careplan_period_start,
            breach_at=facts.occurrence_end,
            needed_by=_needed_by(content),
            by=self.accepted.facts.source_endpoint or "",
        )

    # --- we are the sender ---------------------------------------------------------------------------

    async def status(self) -> Reply | Refused:
        """DT-15 to DT-17: how the case stands at the receiver."""
        report, issues = self._report()
        command = StatusReceived(
            status=_STATUS_OF_ROW[self.accepted.row.id],
            at=_time_of(report),
            history=tuple(
                StatusChange(entry.status, entry.since) for entry in report.history if entry.status and entry.since
            ),
            remote_case_number=report.case_number,
            by=self._responder(),
        )
        kept = report.model_dump(mode="json", exclude_none=True)
        return await self._respond("status", command, outcome=kept, issues=issues)

    async def refusal(self) -> Reply | Refused:
        """DT-18, DT-19: call assist or mutual aid is refused."""
        report, issues = self._report()
        reason = report.reason
        command = RefusalReceived(
            reason_code=reason.code if reason else None,
            reason_text=(reason.text or reason.display) if reason else None,
            at=_time_of(report),
            remote_case_number=report.case_number,
            by=self._responder(),
        )
        kept = report.model_dump(mode="json", exclude_none=True)
        return await self._respond("refusal", command, outcome=kept, issues=issues)

    async def feedback(self) -> Reply | Refused:
        """DT-21: the patient of a category 5 referral did not attend."""
        reason = read_feedback(self.accepted.bundle)
        command = FeedbackReceived(
            reason_code=reason.code, reason_text=reason.text or reason.display, by=self._responder()
        )
        return await self._respond("feedback", command)

    def _report(self) -> tuple[StatusReport, list[Issue]]:
        conversation = self.accepted.conversation
        return read_status(self.accepted.bundle, conversation.own_encounters if conversation else None)


def _needed_by(content: ReceivedRequest) -> datetime | None:
    return content.resource_requested.by if content.resource_requested is not None else None


def _time_of(report: StatusReport) -> datetime | None:
    """When the receiver's case came to stand as it says: the later of the two times that the message has for it."""
    return max((time for time in (report.last_updated, report.since) if time is not None), default=None)


def inbound_for(facts: Facts) -> type[Inbound]:
    """What handles an accepted message."""
    return Inbound if facts.use_case in _VALIDATIONS else InboundReferral


async def alert_forbidden_refusal(
    engine: Engine, work: UnitOfWork, opened: Opened, candidates: Sequence[KnownConversation]
) -> None:
    """A home AST that tries to refuse an out-of-area referral is answered 400, and a person hears of it (APP6-RSP-11).

    Only where the message comes from the service that the referral went to.
    """
    facts = opened.facts
    if facts.event != RESPONSE or facts.use_case != UseCase.OUT_OF_AREA:
        return
    if all(encounter.status != "cancelled" for encounter in facts.encounters):
        return
    source = canonical(facts.source_endpoint or "")
    reason = read_rejection(opened.bundle)
    command = ForbiddenRefusalReceived(
        reason_code=reason.code, reason_text=reason.text or reason.display, by=facts.source_endpoint or ""
    )
    held = await work.lock_cases([item.case_id for item in candidates if item.remote_service == source])
    for loaded in held.values():
        if loaded.stored.case.use_case is UseCase.OUT_OF_AREA:
            await engine.decide_in(work, loaded, command)


_VALIDATIONS = frozenset(use_case.value for use_case in VALIDATION_USE_CASES)
_ACTIONS: Mapping[str, Callable[[InboundReferral], Awaitable[Reply | Refused]]] = {
    **dict.fromkeys(("DT-01", "DT-05", "DT-06", "DT-07"), InboundReferral.open_case),
    **dict.fromkeys(("DT-03", "DT-10a", "DT-10b", "DT-10c"), InboundReferral.update),
    **dict.fromkeys(("DT-08", "DT-09b"), InboundReferral.cancel),
    **dict.fromkeys(_STATUS_OF_ROW, InboundReferral.status),
    **dict.fromkeys(("DT-18", "DT-19"), InboundReferral.refusal),
    "DT-21": InboundReferral.feedback,
}
