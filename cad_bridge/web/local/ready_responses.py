"""A responder's actions with a ready BaRS response as their body: `Content-Type: application/fhir+json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request

from cad_bridge.engine.core import Handled, NoSuchCaseError
from cad_bridge.engine.ready_responses import Responding, respond_ready
from cad_bridge.engine.requests import RequestRefusedError
from cad_bridge.store import queries
from cad_bridge.web.context import Client, WebContext
from cad_bridge.web.local.access import Clinician, Context, visible_case
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
    acting_user: Annotated[str | None, Header(max_length=200, pattern=r"^\S+( \S+)*$")] = None,
    take_over: Annotated[bool, Header()] = False,
    if_match: Annotated[str | None, Header(pattern=r'^"?[0-9]+"?$')] = None,
) -> Call:
    read_version = int(if_match.strip('"')) if if_match else None
    responding = Responding(client=client.name, person=acting_user, take_over=take_over, read_version=read_version)
    return Call(raw=await request.body(), context=context, client=client, responding=responding)


GivenCall = Annotated[Call, Depends(_call)]


@router.post("/cases/{case_id}/accept")
async def accept(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """A falls or community service takes the case on, and tells so by an interim response of its own."""
    return await _respond(case_id, call, "accept")


@router.post("/cases/{case_id}/start")
async def start(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """The consultation starts: an interim response."""
    return await _respond(case_id, call, "start")


@router.post("/cases/{case_id}/reject")
async def reject(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """The case cannot be validated: an interim response with the own Encounter cancelled, and why."""
    return await _respond(case_id, call, "reject")


@router.post("/cases/{case_id}/complete")
async def complete(case_id: UUID, call: GivenCall) -> dict[str, Any]:
    """The consultation has ended: a full response. If-Match holds the version of the case that was read."""
    return await _respond(case_id, call, "complete")


async def _respond(case_id: UUID, call: Call, action: str) -> dict[str, Any]:
    stored = await visible_case(call.context, call.client, case_id)
    if stored.case.side is not Side.RESPONDER or not stored.case.use_case.is_validation:
        raise does_not_fit(f"A {stored.case.side} case of use case {stored.case.use_case} takes no ready response.")
    handled = await _handled(case_id, call, action)
    if handled.decision.refusal is not None:
        raise does_not_fit(handled.decision.refusal.why)
    return case_view(handled.stored, await queries.escalations(call.context.database, case_id=case_id))


async def _handled(case_id: UUID, call: Call, action: str) -> Handled:
    try:
        return await respond_ready(
            call.context.engine,
            case_id,
            call.raw,
            action=action,
            services=call.client.services,
            responding=call.responding,
        )
    except NoSuchCaseError:
        raise not_found("case") from None
    except RequestRefusedError as error:
        raise refused(error) from None
