"""`decide`: the one place where a command meets a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cad_bridge.workflow import (
    cad_to_cad_receiver,
    cad_to_cad_sender,
    commands,
    receiver_effects,
    referral_receiver,
    referral_rows,
    referral_sender,
    requester_effects,
    responder_effects,
    sender_effects,
    validation_requester,
    validation_responder,
)
from cad_bridge.workflow.case import Case, EscalationFacts
from cad_bridge.workflow.effects import Decision, Effect, Refusal, RepeatEscalation, SettleEscalation
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.referral_effects import only
from cad_bridge.workflow.table import Kind, Row, StateTable
from cad_bridge.workflow.turn import Outcome, Turn
from cad_bridge.workflow.vocabulary import VALIDATION_USE_CASES, Side, UseCase


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One side of one family of use cases: its table, what its commands mean, and how a case of it begins."""

    table: StateTable
    effects: Mapping[str, Callable[[Turn], Outcome]]
    initial: str
    begin: Callable[[Case, datetime, Policy], Outcome]


VALIDATION_REQUESTER = Workflow(
    table=validation_requester.TABLE,
    effects=requester_effects.EFFECTS,
    initial=validation_requester.SENT,
    begin=requester_effects.opened,
)
VALIDATION_RESPONDER = Workflow(
    table=validation_responder.TABLE,
    effects=responder_effects.EFFECTS,
    initial=validation_responder.RECEIVED,
    begin=responder_effects.received,
)


def _sending(table: StateTable) -> Workflow:
    effects = only(sender_effects.EFFECTS, table.triggers)
    return Workflow(table=table, effects=effects, initial=referral_rows.SENT, begin=sender_effects.opened)


def _receiving(table: StateTable) -> Workflow:
    effects = only(receiver_effects.EFFECTS, table.triggers)
    return Workflow(table=table, effects=effects, initial=referral_rows.RECEIVED, begin=receiver_effects.received)


WORKFLOWS: Mapping[tuple[UseCase, Side], Workflow] = {
    **{(use_case, Side.REQUESTER): VALIDATION_REQUESTER for use_case in sorted(VALIDATION_USE_CASES)},
    **{(use_case, Side.RESPONDER): VALIDATION_RESPONDER for use_case in sorted(VALIDATION_USE_CASES)},
    (UseCase.CAS_REFERRAL, Side.REQUESTER): _sending(referral_sender.TABLE),
    (UseCase.CAS_REFERRAL, Side.RESPONDER): _receiving(referral_receiver.TABLE),
    (UseCase.OUT_OF_AREA, Side.REQUESTER): _sending(cad_to_cad_sender.OUT_OF_AREA),
    (UseCase.OUT_OF_AREA, Side.RESPONDER): _receiving(cad_to_cad_receiver.OUT_OF_AREA),
    (UseCase.CALL_ASSIST, Side.REQUESTER): _sending(cad_to_cad_sender.CALL_ASSIST),
    (UseCase.CALL_ASSIST, Side.RESPONDER): _receiving(cad_to_cad_receiver.CALL_ASSIST),
    (UseCase.MUTUAL_AID, Side.REQUESTER): _sending(cad_to_cad_sender.MUTUAL_AID),
    (UseCase.MUTUAL_AID, Side.RESPONDER): _receiving(cad_to_cad_receiver.MUTUAL_AID),
}


def knows(case: Case) -> bool:
    """Whether this release knows the case's workflow and state; it leaves alone what a newer one has made."""
    workflow = WORKFLOWS.get((case.use_case, case.side))
    return workflow is not None and case.state in workflow.table.states


def begin(case: Case, *, now: datetime, policy: Policy) -> Decision:
    """Open a case of ours: sets its first state and says what has to be committed with it."""
    workflow = WORKFLOWS[case.use_case, case.side]
    opened, effects = workflow.begin(case.evolve(state=workflow.initial, version=1), now, policy)
    return Decision(case=opened, rule=f"{workflow.table.name}: opened", effects=effects)


def decide(
    case: Case,
    command: commands.Command,
    *,
    now: datetime,
    policy: Policy,
    escalation: EscalationFacts | None = None,
) -> Decision:
    """What `command` means for `case` at `now` (aware UTC). Pure: the same three give the same decision.

    A command that does not fit the state gives a decision with a `refusal` and no effects. Raises KeyError for a
    state that this release does not know, so that a newer release's cases are left alone.
    """
    if isinstance(command, commands.AcknowledgeEscalation | commands.AcknowledgementOverdue):
        return _about_escalation(case, command, escalation, now + policy.acknowledge_within)
    workflow = WORKFLOWS[case.use_case, case.side]
    row = workflow.table.row(case, command.meets(case))
    rule = f"{workflow.table.name}: {row.state} x {row.trigger} -> {row.to or row.kind}"
    if row.kind is Kind.REJECT:
        return Decision(case=case, rule=rule, refusal=Refusal(why=row.why))
    if _is_stale(case, command):
        why = "The requester has updated the case since: read it again and give its version."
        return Decision(case=case, rule=f"{rule} (stale)", refusal=Refusal(why=why))
    if _is_anothers(case, command):
        why = f"{case.claimed_by} has the case; take it over only if you know that."
        return Decision(case=case, rule=f"{rule} (claimed)", refusal=Refusal(why=why))
    if _has_no_such_reason(case, command):
        why = "Between ambulance services a refusal has the reason RRNA or OTH."
        return Decision(case=case, rule=f"{rule} (reason)", refusal=Refusal(why=why))
    after = _moved(workflow, case, row)
    outcome, effects = workflow.effects[row.trigger](
        Turn(before=case, after=after, command=command, row=row, now=now, policy=policy)
    )
    changed = bool(effects) or outcome != after or after.state != case.state
    return Decision(case=outcome if changed else case, rule=rule, effects=effects)


def moves(case: Case, command: commands.Command) -> bool:
    """Whether the command moves the case, so that what it carries counts; otherwise it is kept and shown only.

    False also for a command that the use case and side do not have.
    """
    row = WORKFLOWS[case.use_case, case.side].table.rows.get((case.state, command.meets(case)))
    return row is not None and row.kind is Kind.MOVE


def _has_no_such_reason(case: Case, command: commands.Command) -> bool:
    """A refusal whose reason the other service could not be told (APP6-RSP-10, X-39)."""
    if not isinstance(command, commands.Reject) or not case.use_case.is_cad_to_cad:
        return False
    return command.reason_code not in {"RRNA", "OTH"}


_CLINICAL = commands.Accept | commands.Start | commands.Reject | commands.Complete


def _is_anothers(case: Case, command: commands.Command) -> bool:
    """Work on a case that another clinician has taken on, by somebody who may not know it."""
    if not isinstance(command, _CLINICAL) or command.take_over:
        return False
    return case.claimed_by is not None and case.claimed_by != command.by


def _is_stale(case: Case, command: commands.Command) -> bool:
    """A completion, or word of having read it, by somebody who cannot have seen the requester's last update."""
    if isinstance(command, commands.ReadUpdate):
        return case.unread_update and command.read_version != case.version
    if not isinstance(command, commands.Complete):
        return False
    return command.read_version != case.version if command.read_version is not None else case.unread_update


def _moved(workflow: Workflow, case: Case, row: Row) -> Case:
    state = workflow.table.next_state(case, row.trigger) if row.kind is Kind.MOVE else case.state
    return case.evolve(state=state, version=case.version + 1)


def _about_escalation(
    case: Case,
    command: commands.AcknowledgeEscalation | commands.AcknowledgementOverdue,
    escalation: EscalationFacts | None,
    again_at: datetime,
) -> Decision:
    if escalation is None:
        return Decision(case=case, rule="escalation: unknown", refusal=Refusal(why="There is no such escalation."))
    if escalation.acknowledged_by is not None:
        return Decision(case=case, rule="escalation: acknowledged already")
    effect: Effect
    if isinstance(command, commands.AcknowledgeEscalation):
        effect = SettleEscalation(escalation_id=escalation.id, by=command.by)
    else:
        effect = RepeatEscalation(escalation_id=escalation.id, acknowledge_by=again_at)
    after = case.evolve(version=case.version + 1)
    return Decision(case=after, rule=f"escalation: {type(effect).__name__}", effects=(effect,))


def tables() -> tuple[StateTable, ...]:
    """Every state table once, for `cad-bridge machines` and the lifecycle pages."""
    return tuple({id(workflow.table): workflow.table for workflow in WORKFLOWS.values()}.values())
