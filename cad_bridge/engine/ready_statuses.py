"""An ambulance service that makes its own messages tells by one of them how a case stands that it was referred.

Checked like every ready response (`ready_responses`); beside that its history has to go on from what the sender knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from cad_bridge.engine.ready_responses import Action, Response, reject
from cad_bridge.engine.requests import FieldProblem, RequestRefusedError
from cad_bridge.engine.responses import Responding
from cad_bridge.fhir.content import StatusReport
from cad_bridge.fhir.read_status import read_status
from cad_bridge.store.rows import StoredCase
from cad_bridge.workflow import commands
from cad_bridge.workflow.referral_commands import ReceiverStatus, ReportStatus

_HISTORY = "Bundle.entry.resource.ofType(MessageHeader).focus.resolve().statusHistory"


def _accept(stored: StoredCase, response: Response, responding: Responding) -> commands.Command:
    _continued(stored, response)
    by = responding.by(response.said.practitioner)
    return commands.Accept(take_over=responding.take_over, bundle=response.raw, by=by)


def _status(stored: StoredCase, response: Response, responding: Responding) -> commands.Command:
    since = _continued(stored, response)
    status = cast(ReceiverStatus, _report(response).status)
    return ReportStatus(status=status, at=since, bundle=response.raw, by=responding.by(response.said.practitioner))


def _refuse(stored: StoredCase, response: Response, responding: Responding) -> commands.Command:
    _continued(stored, response)
    return reject(stored, response, responding)


def _report(response: Response) -> StatusReport:
    assert isinstance(response.said, StatusReport), "read by an action of a referral"
    return response.said


def _continued(stored: StoredCase, response: Response) -> datetime:
    """Since when the case stands as the message says. Raises RequestRefusedError for a history that is not ours.

    The statuses that the sender was told come first, and the one that is told now last (APP6-RSP-08).
    """
    report, known = _report(response), [change.status for change in stored.case.status_history]
    told = [entry.status for entry in report.history]
    now = [report.status] if report.status != known[-1] else []
    if told != [*known, *now]:
        why = "must hold the statuses of status_history of the case, and the one that is told now"
        raise RequestRefusedError(FieldProblem(_HISTORY, why))
    since = report.since
    if since is None or (now and since < stored.case.status_history[-1].at):
        raise RequestRefusedError(FieldProblem(_HISTORY, "must say since when, and not before the status before it"))
    return since


ACTIONS: Mapping[str, Action] = {
    "accept": Action(rows=frozenset({"DT-15"}), wanted="a status response: planned", command=_accept, read=read_status),
    "status": Action(
        rows=frozenset({"DT-15", "DT-16", "DT-17"}),
        wanted="a status response: planned, in-progress or finished",
        command=_status,
        read=read_status,
    ),
    "reject": Action(
        rows=frozenset({"DT-18", "DT-19"}),
        wanted="a refusal of call assist or mutual aid: the own Encounter cancelled",
        command=_refuse,
        read=read_status,
    ),
}
"""By the names that the local API has for them."""
