"""The same calls with a ready BaRS message as their body: `Content-Type: application/fhir+json` (docs/content.md)."""

from __future__ import annotations

from collections.abc import MutableMapping
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match

from cad_bridge.engine.ready_cancellations import cancel_ready
from cad_bridge.engine.ready_messages import open_ready, update_ready
from cad_bridge.engine.ready_referrals import open_ready_referral, update_ready_referral
from cad_bridge.engine.referrals import Confirmation, ReceiverDoubtfulError
from cad_bridge.engine.requests import IdempotencyKey, Opened, RequestRefusedError
from cad_bridge.web.context import Client
from cad_bridge.web.local.access import Cad, Context, visible_case
from cad_bridge.web.local.referrals import doubtful
from cad_bridge.web.local.views import case_view
from cad_bridge.web.problems import does_not_fit, refused
from cad_bridge.workflow.vocabulary import Side

MEDIA_TYPE = b"application/fhir+json"


class FhirRoute(APIRoute):
    """A route that is there for bodies of FHIR only; its twin takes plain JSON."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        """No match unless the body is announced as FHIR."""
        given = dict(scope.get("headers", [])).get(b"content-type", b"")
        if given.partition(b";")[0].strip().lower() != MEDIA_TYPE:
            return Match.NONE, {}
        return super().matches(scope)


router = APIRouter(route_class=FhirRoute, include_in_schema=False)


@router.post("/validation-requests", status_code=201)
async def open_validation(
    request: Request,
    response: Response,
    context: Context,
    client: Cad,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> dict[str, Any]:
    """Ask by a message that the CAD made: held against the rules for received ones, and sent byte for byte."""
    raw = await request.body()
    key = _key(client, idempotency_key, raw)
    try:
        opened = await open_ready(context.engine, raw, services=client.services, by=client.name, key=key)
    except RequestRefusedError as error:
        raise refused(error) from None
    return _created(opened, response)


@router.post("/referrals", status_code=201)
async def refer(
    request: Request,
    response: Response,
    context: Context,
    client: Cad,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    confirm_receiver: Annotated[str | None, Header(min_length=1, max_length=1000)] = None,
) -> dict[str, Any]:
    """Refer by a message that the CAD made. `Confirm-Receiver` holds the reason why a doubtful receiver is right."""
    raw = await request.body()
    key = _key(client, idempotency_key, raw)
    confirmation = Confirmation(by=client.name, reason=confirm_receiver) if confirm_receiver else None
    try:
        opened = await open_ready_referral(
            context.engine, raw, services=client.services, by=client.name, confirmation=confirmation, key=key
        )
    except ReceiverDoubtfulError as error:
        raise doubtful(error) from None
    except RequestRefusedError as error:
        raise refused(error) from None
    return _created(opened, response)


@router.post("/cases/{case_id}/update", status_code=202)
async def update(case_id: UUID, request: Request, context: Context, client: Cad) -> dict[str, Any]:
    """Update a case that was opened by a message; read back first and then sent byte for byte."""
    stored = await visible_case(context, client, case_id)
    if stored.case.side is not Side.REQUESTER:
        raise does_not_fit("A responder case has no such action.")
    change = update_ready if stored.case.use_case.is_validation else update_ready_referral
    try:
        raw = await request.body()
        handled = await change(context.engine, case_id, raw, services=client.services, by=client.name)
    except RequestRefusedError as error:
        raise refused(error) from None
    if handled.decision.refusal is not None:
        raise does_not_fit(handled.decision.refusal.why)
    return case_view(handled.stored)


@router.post("/cases/{case_id}/cancel", status_code=202)
async def cancel(case_id: UUID, request: Request, context: Context, client: Cad) -> dict[str, Any]:
    """Cancel a case that was opened by a message; read back first and then sent byte for byte."""
    stored = await visible_case(context, client, case_id)
    if stored.case.side is not Side.REQUESTER:
        raise does_not_fit("A responder case has no such action.")
    try:
        raw = await request.body()
        handled = await cancel_ready(context.engine, case_id, raw, services=client.services, by=client.name)
    except RequestRefusedError as error:
        raise refused(error) from None
    if handled.decision.refusal is not None:
        raise does_not_fit(handled.decision.refusal.why)
    return case_view(handled.stored)


def _key(client: Client, given: str | None, raw: bytes) -> IdempotencyKey | None:
    if given is None:
        return None
    return IdempotencyKey(client=client.name, key=given, body_sha256=sha256(raw).hexdigest())


def _created(opened: Opened, response: Response) -> dict[str, Any]:
    response.headers["Location"] = f"/api/v1/cases/{opened.stored.id}"
    if opened.repeated:
        response.headers["Idempotency-Replayed"] = "true"
    return case_view(opened.stored)
