"""Referrals: `POST /referrals`, body as docs/content.md and docs/referrals.md describe it; status by their receiver."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from pydantic import Field

from cad_bridge.engine.core import Handled
from cad_bridge.engine.referrals import (
    Confirmation,
    ReceiverDoubtfulError,
    Referral,
    SenderStatus,
    open_referral,
    update_referral,
)
from cad_bridge.engine.requests import IdempotencyKey, RequestRefusedError
from cad_bridge.fhir import content
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_types import ContentModel, Text
from cad_bridge.protocol.services import canonical
from cad_bridge.web.context import Client, WebContext
from cad_bridge.web.local.access import Cad, Clinician, Context
from cad_bridge.web.local.acting import ActBody, act, clinician
from cad_bridge.web.local.views import case_view
from cad_bridge.web.problems import ProblemError, invalid, refused
from cad_bridge.workflow.referral_commands import ReportStatus

router = APIRouter(tags=["referrals"])


class ReceiverConfirmation(ContentModel):
    """A person's word that an out-of-area referral is to go to this receiver although its place leaves a doubt."""

    by: Text
    """Who says so."""
    reason: Text


class CaseUpdate(content.Request):
    """The whole content again, and how the case stands at its sender."""

    sender_status: SenderStatus | None = None
    """in-progress while the call is on, triaged when it has ended, finished when the case is closed (CAD to CAD).

    Left out: triaged once there is an ARP category, in-progress before that.
    """


class ReferralBody(CaseUpdate):
    """What a CAD posts to refer a case."""

    confirm_receiver: ReceiverConfirmation | None = None
    """Needed for an out-of-area referral whose receiver is in doubt; the 409 that asks for it says why."""
    patients: Annotated[int, Field(ge=1, le=9999)] = 1
    """How many patients the incident has that are to be referred. More than one is refused, with what to do instead."""


class StatusReport(ActBody):
    """How the case stands at its receiver: waiting for a resource, resource allocated, resource cleared."""

    status: Literal["planned", "in-progress", "finished"]
    practitioner: Practitioner | None = None


@router.post("/referrals", status_code=201)
async def refer(
    body: ReferralBody,
    request: Request,
    response: Response,
    context: Context,
    client: Cad,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> dict[str, Any]:
    """Refer a case to another ambulance service (a6t1, a6t2, a6t3), or a category 5 case to a CAS (a3t1).

    201 means: stored, and the message on its way. The case stays ours to dispatch until `dispatch_duty` says
    otherwise: with the acknowledgement of an out-of-area referral, with the acceptance of a call assist, and for
    mutual aid never. An out-of-area referral without a receiver goes to the AST in whose area the incident lies.
    """
    of_client(body, client.services)
    key = None
    if idempotency_key is not None:
        digest = sha256(await request.body()).hexdigest()
        key = IdempotencyKey(client=client.name, key=idempotency_key, body_sha256=digest)
    said = body.confirm_receiver
    confirmation = Confirmation(by=f"{said.by} ({client.name})", reason=said.reason) if said else None
    referral = Referral(
        content=plain(body), confirmation=confirmation, sender_status=body.sender_status, patients=body.patients
    )
    try:
        opened = await open_referral(context.engine, referral, by=client.name, key=key)
    except ReceiverDoubtfulError as error:
        raise doubtful(error) from None
    except RequestRefusedError as error:
        raise refused(error) from None
    response.headers["Location"] = f"/api/v1/cases/{opened.stored.id}"
    if opened.repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return case_view(opened.stored)


def doubtful(error: ReceiverDoubtfulError) -> ProblemError:
    """409 with what discovery found: a person has to decide who receives it."""
    problem = refused(error)
    problem.more = {"discovery": error.choice}
    return problem


async def update(context: WebContext, client: Client, case_id: UUID, body: CaseUpdate) -> Handled:
    """Tell more of a referral. Raises RequestRefusedError."""
    referral = Referral(content=plain(body), sender_status=body.sender_status)
    return await update_referral(context.engine, case_id, referral, by=client.name)


def of_client(body: content.Request, services: tuple[str, ...]) -> content.Request:
    """The body, if its sender is one of these services. Raises a 422 problem."""
    if canonical(body.sender) not in services:
        raise invalid([{"path": "sender", "message": "is not a service of this client"}])
    return body


def plain(body: content.Request) -> content.Request:
    """The content alone: what the local API takes beside it is none of the message's business."""
    return content.Request(**{name: getattr(body, name) for name in content.Request.model_fields})


@router.post("/cases/{case_id}/status")
async def report_status(case_id: UUID, body: StatusReport, context: Context, client: Clinician) -> dict[str, Any]:
    """The receiver's CAD says how the case stands; between ambulance services the sender is told of every change."""
    return await act(context, client, case_id, ReportStatus(status=body.status, **clinician(body, client)))
