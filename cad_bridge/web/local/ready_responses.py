"""A responder's actions with a ready BaRS response as their body: `Content-Type: application/fhir+json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request

from cad_bridge.engine import ready_statuses
from cad_bridge.engine.core import Handled, NoSuchCaseError
from cad_bridge.engine.ready_responses import ACTIONS, Action, respond_ready
from cad_bridge.engine.requests import RequestRefusedError
from cad_bridge.engine.responses import Responding
from cad_bridge.store import queries
from cad_bridge.web.context import Client, WebContext
from cad_bridge.web.local.access import Clinician, Context, visible_case
from cad_bridge.web.local.acting import ActingUser, TakeOver
from cad_bridge.web.local.ready import FhirRoute
from cad_bridge.web.local.views import case_view
from cad_bridge.web.problems import does_not_fit, not_found, refused
from cad_bridge.workflow.vocabulary import Side

router = APIRouter(route_class=FhirRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What every one of these calls has: the message, who gives it, and what they know."""

    raw: bytes
    context: WebContext
    client: Client
    responding: Responding


async def _call(
    request: Request,
    context: Context,
    client: Clinician,
    acting_user: ActingUser = None,
    take_over: TakeOver = False,
    if_match: Annotated[str | None, Header(pattern=r'^"?[0-9]+"?$')] = None,
) -> Call:
    read_version = int(if_match.strip('"')) if if_match else None
    responding = Responding(client=client.name, person=acting_user, take_over=take_over, read_version=read_version)
    return Call(raw=await request.body(), context=context, client=client, responding=responding)


GivenCall = Annotated[Call, Depends(_call)]


@router.post("/cases/{case_id}/accept")
async def accept(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """A falls or community service takes the case on by an interim response, an ambulance service by a status."""
    return await _respond(case_id, call, "accept")


@router.post("/cases/{case_id}/start")
async def start(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """The consultation starts: an interim response."""
    return await _respond(case_id, call, "start")


@router.post("/cases/{case_id}/reject")
async def reject(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """The case cannot be validated, or not be helped with: the own Encounter cancelled, and why."""
    return await _respond(case_id, call, "reject")


@router.post("/cases/{case_id}/complete")
async def complete(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """The consultation has ended: a full response. If-Match holds the version of the case that was read."""
    return await _respond(case_id, call, "complete")


@router.post("/cases/{case_id}/status")
async def report_status(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """Between ambulance services: waiting for a resource, allocated, cleared."""
    return await _respond(case_id, call, "status")


async def _respond(case_id: UUID, call: Call, action: str) -> dict[str, Any]:
    case = (await visible_case(call.context, call.client, case_id)).case
    family = ACTIONS if case.use_case.is_validation else ready_statuses.ACTIONS if case.use_case.is_cad_to_cad else {}
    if case.side is not Side.RESPONDER or action not in family:
        raise does_not_fit(f"A {case.side} case of use case {case.use_case} takes no ready response for that.")
    handled = await _handled(case_id, call, family[action])
    if handled.decision.refusal is not None:
        raise does_not_fit(handled.decision.refusal.why)
    return case_view(handled.stored, await queries.escalations(call.context.database, case_id=case_id))


async def _handled(case_id: UUID, call: Call, meant: Action) -> Handled:
    try:
        return await respond_ready(
            call.context.engine,
            case_id,
            call.raw,
            meant=meant,
            services=call.client.services,
            responding=call.responding,
        )
    except NoSuchCaseError:
        raise not_found("case") from None
    except RequestRefusedError as error:
        raise refused(error) from None
