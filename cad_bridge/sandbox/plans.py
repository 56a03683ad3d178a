"""Plans: what a simulated responder does with a case, and when."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import Literal

from .actions import Action, Complete, Defect, Malformed, Outcome, Refuse, Reject, ReportStatus, Start
from .message import Message
from .outcomes import RefusedError

Acknowledgement = Literal["full", "identifier-only", "id-only", "no-encounter", "no-ids"]
"""What the 200 carries of the planned Encounter (CORE-SYNC-08): the published acknowledgement itself lacks every id."""


@dataclass(frozen=True)
class Step:
    """One action and when it is due."""

    action: Action
    after: float = 0.0
    """Scripted seconds after the step before (the first: after the acknowledgement), or after the breach time."""
    anchor: Literal["previous", "breach"] = "previous"


@dataclass(frozen=True)
class SynchronousRefusal:
    """The request itself is answered with an error."""

    status: int
    code: str
    issue: str

    def error(self) -> RefusedError:
        """The refusal to raise."""
        return RefusedError(self.status, self.code, self.issue, "Refused by script")


@dataclass(frozen=True)
class Plan:
    """Everything that happens to one case."""

    name: str
    steps: tuple[Step, ...] = ()
    before_acknowledgement: tuple[Step, ...] = ()
    """Sent while the sender still waits for its 200."""
    acknowledgement: Acknowledgement = "full"
    refusal: SynchronousRefusal | None = None


def silent() -> Plan:
    """Acknowledges and never responds."""
    return Plan("silent")


def complete(
    outcome: Outcome | str = Outcome.HEAR_AND_TREAT, *, start_after: float = 2.0, consult: float = 4.0
) -> Plan:
    """Interim, then final."""
    final = Complete(Outcome(outcome))
    return Plan(f"complete:{final.outcome}", (Step(Start(), start_after), Step(final, consult)))


def upgrade(*, arp: str = "C2", start_after: float = 2.0, consult: float = 4.0, cad_id: str | None = None) -> Plan:
    """Interim, then final with a higher category; to C1 or C2 with an ITK request and its CAD id."""
    final = Complete(Outcome.UPGRADE, arp=arp, cad_id=cad_id)
    return Plan(f"upgrade:{arp}", (Step(Start(), start_after), Step(final, consult)))


def reject(reason: str = "OTH", text: str = Reject.text, *, after: float = 3.0) -> Plan:
    """Cannot validate: rejected with a reason."""
    return Plan("reject", (Step(Reject(reason, text), after),))


def final_only(outcome: Outcome | str = Outcome.HEAR_AND_TREAT, *, after: float = 4.0) -> Plan:
    """Final response with no interim before it."""
    return Plan(f"final_only:{Outcome(outcome)}", (Step(Complete(Outcome(outcome)), after),))


def final_before_interim(outcome: Outcome | str = Outcome.HEAR_AND_TREAT, *, after: float = 2.0) -> Plan:
    """The final overtakes the interim (APP4-VS-31)."""
    return Plan("final_before_interim", (Step(Complete(Outcome(outcome)), after), Step(Start(), after)))


def two_finals(
    first: Outcome | str = Outcome.HEAR_AND_TREAT, second: Outcome | str = Outcome.SAME, *, after: float = 2.0
) -> Plan:
    """Two finals that may contradict each other."""
    finals = tuple(Step(Complete(Outcome(outcome)), after) for outcome in (first, second))
    return Plan("two_finals", (Step(Start(), after), *finals))


def response_before_acknowledgement(outcome: Outcome | str = Outcome.HEAR_AND_TREAT, *, consult: float = 4.0) -> Plan:
    """The interim response arrives before the 200 to the request."""
    return Plan(
        "response_before_acknowledgement",
        (Step(Complete(Outcome(outcome)), consult),),
        before_acknowledgement=(Step(Start()),),
    )


def late_final(outcome: Outcome | str = Outcome.HEAR_AND_TREAT, *, after_breach: float = 1.0) -> Plan:
    """The final comes after the breach time."""
    return Plan("late_final", (Step(Complete(Outcome(outcome)), after_breach, anchor="breach"),))


def malformed(defect: Defect | str, *, of: Action | None = None, after: float = 1.0) -> Plan:
    """One response with one thing wrong."""
    intended = of or Start()
    if isinstance(intended, Malformed):
        raise TypeError("a malformed response has one defect")
    return Plan(f"malformed:{Defect(defect)}", (Step(Malformed(Defect(defect), intended), after),))


def refuse(status: int = 422, code: str = "REC_UNPROCESSABLE_ENTITY", issue: str = "not-supported") -> Plan:
    """The request is answered with an error."""
    return Plan(f"refuse:{status}", refusal=SynchronousRefusal(status, code, issue))


def attend(*, after: float = 2.0) -> Plan:
    """AST: accepted, resource allocated, cleared."""
    return Plan("attend", _statuses("planned", "in-progress", "finished", after=after))


def stand_down(*, after: float = 2.0) -> Plan:
    """AST: the first resource is stood down and another one sent."""
    return Plan(
        "stand_down",
        _statuses("planned", "in-progress", "planned", "in-progress", "finished", after=after),
    )


def decline(reason: str = "RRNA", text: str = Refuse.text, *, after: float = 3.0) -> Plan:
    """AST: call assist or mutual aid is refused."""
    return Plan("decline", (Step(Refuse(reason, text), after),))


def _statuses(*statuses: Literal["planned", "in-progress", "finished"], after: float) -> tuple[Step, ...]:
    return tuple(Step(ReportStatus(status), after) for status in statuses)


@dataclass(frozen=True)
class Rule:
    """Which cases a plan is for. Every criterion that is given must hold."""

    plan: Plan
    case_number: str | None = None
    """Shell pattern (`*-0042`) for a case number in the request."""
    text: str | None = None
    """Text that some text of the request contains, letter case ignored: the words of the requested action, say."""

    def fits(self, request: Message) -> bool:
        """Whether a request meets the criteria."""
        if self.case_number is not None:
            numbers = request.case_numbers
            if not any(fnmatch.fnmatchcase(number, self.case_number) for number in numbers):
                return False
        return self.text is None or any(self.text.casefold() in text.casefold() for text in request.texts())


class Script:
    """The rules of one responder. The newest rule that fits decides, else the default plan."""

    def __init__(self, default: Plan, *rules: Rule) -> None:
        self.default = default
        self._rules = list(reversed(rules))

    def for_case_number(self, pattern: str, plan: Plan) -> None:
        """Cases whose number matches a shell pattern follow `plan`."""
        self._rules.insert(0, Rule(plan, case_number=pattern))

    def for_text(self, text: str, plan: Plan) -> None:
        """Cases whose message contains `text` follow `plan`."""
        self._rules.insert(0, Rule(plan, text=text))

    def plan_for(self, request: Message) -> Plan:
        """The plan that a request meets."""
        return next((rule.plan for rule in self._rules if rule.fits(request)), self.default)
