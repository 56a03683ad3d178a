"""A simulated ambulance service trust: Application 6, receiving side."""

from __future__ import annotations

from .actions import Act, Refuse, ReportStatus, ScriptError
from .cases import Case
from .clock import Clock
from .identity import Json, ServiceIdentity
from .plans import Script
from .referral_responses import refusal, status_response
from .responder import SimulatedResponder
from .sender import ProxySender

CAD_TO_CAD_USE_CASES = ("a6t1", "a6t2", "a6t3")


class SimulatedAst(SimulatedResponder):
    """Takes referrals, call assist and mutual aid requests, and reports or refuses by script."""

    def __init__(
        self,
        identity: ServiceIdentity,
        *,
        script: Script,
        sender: ProxySender,
        clock: Clock,
        use_cases: tuple[str, ...] = CAD_TO_CAD_USE_CASES,
        case_prefix: str = "AST",
    ) -> None:
        super().__init__(
            identity, use_cases=use_cases, script=script, sender=sender, clock=clock, case_prefix=case_prefix
        )

    def perform(self, case: Case, act: Act) -> Json:
        """Reports a status or refuses. Raises ScriptError for a validation action, or where a6t1 would be refused."""
        now = self.now()
        match act:
            case ReportStatus():
                case.move_to(act.status, now)
                message = status_response(case, now)
                if act.status == "finished":
                    case.request_status = "completed"
                return message
            case Refuse():
                if case.use_case == "a6t1":
                    raise ScriptError("an out-of-area referral cannot be refused (APP6-RSP-09)")
                case.move_to("cancelled", now)
                message = refusal(case, act, now)
                case.request_status = "completed"
                return message
            case _:
                raise ScriptError("an AST reports a status or refuses")
