"""A simulated clinical assessment service (also falls lifting and community services): Application 4, responder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from .actions import Act, Complete, Reject, ScriptError, Start
from .cases import Case
from .clock import Clock
from .identity import Json, ServiceIdentity
from .plans import Script
from .responder import SimulatedResponder
from .sender import ProxySender
from .validation_responses import decide, final, interim, needs_itk, new_cad_id, rejection

VALIDATION_USE_CASES = ("a4t1", "a4t2", "a4t3")


@dataclass(frozen=True)
class ItkAmbulanceRequest:
    """An ambulance asked for over the CDA/ITK route, beside BaRS (APP4-VS-21). It leaves no trace on the wire here."""

    case_number: str
    """The CAS's own number."""
    arp: str
    cad_id: str
    """The new CAD id that the acknowledgement brought."""
    at: datetime


class SimulatedCas(SimulatedResponder):
    """Validates by script: interim, rejection, final, and ITK requests for upgrades to C1 and C2."""

    def __init__(
        self,
        identity: ServiceIdentity,
        *,
        script: Script,
        sender: ProxySender,
        clock: Clock,
        use_cases: tuple[str, ...] = VALIDATION_USE_CASES,
        case_prefix: str = "CAS",
    ) -> None:
        super().__init__(
            identity, use_cases=use_cases, script=script, sender=sender, clock=clock, case_prefix=case_prefix
        )
        self.itk_requests: list[ItkAmbulanceRequest] = []

    def perform(self, case: Case, act: Act) -> Json:
        """Start, reject or complete. Raises ScriptError for what is CAD to CAD."""
        now = self.now()
        match act:
            case Start():
                return self._start(case, now)
            case Reject():
                case.move_to("cancelled", now)
                message = rejection(case, act, now)
                case.request_status = "completed"
                return message
            case Complete():
                return self._complete(case, act, now)
            case _:
                raise ScriptError("a CAS starts, rejects or completes")

    def _start(self, case: Case, now: datetime) -> Json:
        """The interim response; after a final it is a straggler and changes nothing here."""
        standing = case.encounter_status
        case.move_to("in-progress", now)
        message = interim(case, now)
        case.interim_sent = True
        if standing in {"finished", "triaged", "cancelled"}:
            case.encounter_status = standing
        return message

    def _complete(self, case: Case, act: Complete, now: datetime) -> Json:
        disposition = decide(case, act, now)
        cad_id = (act.cad_id or new_cad_id()) if needs_itk(disposition) else act.cad_id
        if cad_id is not None and disposition.arp is not None:
            self.itk_requests.append(ItkAmbulanceRequest(case.case_number, disposition.arp, cad_id, now))
        case.move_to(act.encounter_status, now)
        message = final(case, act, now, cad_id=cad_id)
        case.request_status = "completed"
        return message
