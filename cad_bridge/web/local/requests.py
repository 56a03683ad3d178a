"""Opening a request: `POST /validation-requests`, body as docs/content.md describes it."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from cad_bridge.engine.core import Handled
from cad_bridge.engine.requests import FieldProblem, IdempotencyKey, RequestRefusedError, open_request
from cad_bridge.engine.updates import update_request
from cad_bridge.fhir import content
from cad_bridge.web.context import Client, WebContext
from cad_bridge.web.local import ready, ready_responses, referrals
from cad_bridge.web.local.access import Cad, Context, visible_case
from cad_bridge.web.local.views import case_view
from cad_bridge.web.problems import does_not_fit, refused
from cad_bridge.workflow.vocabulary import Side

router = APIRouter(tags=["requests"])
# Before their twins for plain JSON, which would take any body.
router.include_router(ready.router)
router.include_router(ready_responses.router)


@router.post("/validation-requests", status_code=201)
async def open_validation(
    body: content.Request,
    request: Request,
    response: Response,
    context: Context,
    client: Cad,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> dict[str, Any]:
    """Ask a CAS, falls or community service to validate a case.

    201 means: stored, the failsafe armed, the message on its way. It does not mean that the responder has it; move
    the case to the pending stack only when `case.acknowledged` has come. A body of the type `application/fhir+json` is
    a BaRS message of the CAD's own: it is checked as a received one is, and sent byte for byte.
    """
    key = None
    if idempotency_key is not None:
        digest = sha256(await request.body()).hexdigest()
        key = IdempotencyKey(client=client.name, key=idempotency_key, body_sha256=digest)
    try:
        opened = await open_request(context.engine, referrals.of_client(body, client.services), by=client.name, key=key)
    except RequestRefusedError as error:
        raise refused(error) from None
    response.headers["Location"] = f"/api/v1/cases/{opened.stored.id}"
    if opened.repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return case_view(opened.stored)


@router.post("/cases/{case_id}/update", status_code=202)
async def update(case_id: UUID, body: referrals.CaseUpdate, context: Context, client: Cad) -> dict[str, Any]:
    """Send what has changed; the whole content is given again. Whether the responder takes it is told as an event.

    An earlier breach time holds from now on, a later one only when the responder has taken it.
    """
    stored = await visible_case(context, client, case_id)
    if stored.case.side is not Side.REQUESTER:
        raise does_not_fit("A responder case has no such action.")
    referrals.of_client(body, client.services)
    try:
        if stored.case.use_case.is_validation:
            handled = await _update_validation(context, client, case_id, body)
        else:
            handled = await referrals.update(context, client, case_id, body)
    except RequestRefusedError as error:
        raise refused(error) from None
    if handled.decision.refusal is not None:
        raise does_not_fit(handled.decision.refusal.why)
    return case_view(handled.stored)


async def _update_validation(context: WebContext, client: Client, case_id: UUID, body: referrals.CaseUpdate) -> Handled:
    if body.sender_status is not None:
        raise RequestRefusedError(FieldProblem("sender_status", "is for referrals between ambulance services"))
    return await update_request(context.engine, case_id, referrals.plain(body), by=client.name)
