"""Turning a decision into writes of one unit of work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cad_bridge.engine.messages import Outgoing
from cad_bridge.store.rows import Loaded, NewMessage, StoredCase
from cad_bridge.store.unit_of_work import UnitOfWork
from cad_bridge.workflow.effects import (
    Arm,
    Decision,
    Disarm,
    Escalate,
    RepeatEscalation,
    Send,
    SettleEscalation,
    Tell,
    Withdraw,
)
from cad_bridge.workflow.vocabulary import DeadlineKind, EventType, MessageKind

Render = Callable[[StoredCase, Send], Outgoing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Applies one decision to one case in one unit of work."""

    work: UnitOfWork
    stored: StoredCase
    """The case as it is after the decision."""
    before: Loaded | None
    decision: Decision
    now: datetime
    by: str
    new_id: Callable[[], UUID]
    render: Render

    def run(self) -> None:
        """Make every effect of the decision a write."""
        for effect in self.decision.effects:
            match effect:
                case Tell():
                    self._tell(effect.type, effect.data)
                case Arm():
                    self._arm(effect.kind, effect.due_at)
                case Disarm():
                    self.work.disarm(case_id=self.stored.id, kind=effect.kind)
                case Escalate():
                    self._escalate(effect)
                case Send():
                    self._send(effect)
                case Withdraw():
                    self.work.withdraw(self.stored.id, effect.kind)
                case SettleEscalation():
                    self._settle(effect)
                case RepeatEscalation():
                    self._repeat(effect)

    def _tell(self, type_: EventType, data: dict[str, Any]) -> None:
        self.work.tell(
            self.stored,
            id=self.new_id(),
            type=type_.value,
            at=self.now,
            data=data,
            rule=self.decision.rule,
            by=self.by,
        )

    def _arm(self, kind: DeadlineKind, due_at: datetime, subject: str = "") -> None:
        self.work.arm(
            id_=self.new_id(), case_id=self.stored.id, kind=kind, subject=subject, due_at=due_at, now=self.now
        )

    def _escalate(self, effect: Escalate) -> None:
        if self.before is not None and effect.key in self.before.escalation_keys:
            return
        id_ = self.new_id()
        self.work.escalate(
            {
                "id": id_,
                "case_id": self.stored.id,
                "key": effect.key,
                "reason": effect.reason.value,
                "level": 0,
                "due_at": effect.due_at,
                "raised_at": self.now,
                "data": effect.data,
            }
        )
        told = {"escalation_id": id_, "reason": effect.reason, "due_at": effect.due_at, "by": None}
        self._tell(EventType.ESCALATION_RAISED, told | {"detail": effect.data})
        self._arm(DeadlineKind.ACKNOWLEDGEMENT, effect.acknowledge_by, str(id_))

    def _settle(self, effect: SettleEscalation) -> None:
        self.work.change_escalation(effect.escalation_id, acknowledged_at=self.now, acknowledged_by=effect.by)
        self.work.disarm(case_id=self.stored.id, kind=DeadlineKind.ACKNOWLEDGEMENT, subject=str(effect.escalation_id))
        self._tell(EventType.ESCALATION_ACKNOWLEDGED, self._about(effect.escalation_id) | {"by": effect.by})

    def _repeat(self, effect: RepeatEscalation) -> None:
        about = self._about(effect.escalation_id)
        level = about["level"] + 1
        self.work.change_escalation(effect.escalation_id, level=level)
        self._arm(DeadlineKind.ACKNOWLEDGEMENT, effect.acknowledge_by, str(effect.escalation_id))
        self._tell(EventType.ESCALATION_REPEATED, about | {"level": level, "by": None})

    def _about(self, escalation_id: UUID) -> dict[str, Any]:
        assert self.before is not None
        facts = next(item for item in self.before.escalations if item.id == escalation_id)
        return {"escalation_id": facts.id, "reason": facts.reason, "due_at": facts.due_at, "level": facts.level}

    def _send(self, effect: Send) -> None:
        outgoing = self.render(self.stored, effect)
        message = NewMessage(
            id=self.new_id(),
            direction="out",
            at=self.now,
            body=outgoing.body,
            headers=outgoing.headers,
            kind=effect.kind.value,
            case_id=self.stored.id,
            request_id=outgoing.request_id,
            correlation_id=self.stored.conversation.correlation_id,
            bundle_id=outgoing.bundle_id,
            local_service=self.stored.conversation.local_service,
            remote_service=self.stored.conversation.remote_service,
        )
        self.work.add_message(message)
        if effect.kind in {MessageKind.REQUEST, MessageKind.UPDATE}:
            self.work.hold_request(self.stored.id, outgoing.body, at=self.now)
        self.work.enqueue(
            id=self.new_id(),
            case_id=self.stored.id,
            message_id=message.id,
            kind=effect.kind.value,
            created_at=self.now,
            next_attempt_at=self.now,
        )
