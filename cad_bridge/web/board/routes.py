"""The pages: the board, the search, the services, one case, and the exact bytes of a message."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from cad_bridge.store import board, queries
from cad_bridge.store.queries import CaseFilter
from cad_bridge.web.board.actions_shown import TAKES_OVER, actions_for, nothing_to_do
from cad_bridge.web.board.pages import PREFIX, page, render
from cad_bridge.web.board.presenters.case_page import case_page
from cad_bridge.web.board.presenters.cases import case_row
from cad_bridge.web.board.presenters.moments import at, iso
from cad_bridge.web.board.presenters.services import service_lines
from cad_bridge.web.board.reading import case_facts
from cad_bridge.web.board.state import ACKNOWLEDGING, Context, SignedIn, State, Viewer, viewer_of
from cad_bridge.web.context import WebContext
from cad_bridge.web.known_services import known_services

router = APIRouter(prefix=PREFIX)

FOUND_AT_MOST = 100
FHIR_JSON = "application/fhir+json"


def frame(context: WebContext, viewer: Viewer) -> dict[str, Any]:
    """What every page of a signed-in person has."""
    now = context.now()
    services = (context.engine.site.service(service) for service in viewer.user.services)
    return {
        "viewer": viewer,
        "csrf": viewer.session.csrf,
        "now": at(now),
        "now_iso": iso(now),
        "services": [service.name for service in services if service is not None],
    }


@router.get("")
async def show_board(context: Context, state: State, viewer: SignedIn, done: str = "") -> Response:
    """Escalations on top, then the open cases by time to breach."""
    # Whoever has just done something must see that it is done, though the notification may still be on its way.
    state.watch.changed()
    shown = await state.watch.live(viewer.user.services, may_acknowledge=viewer.may(ACKNOWLEDGING))
    return page(render("board.html", live=shown.html, done=DONE.get(done, ""), **frame(context, viewer)))


DONE = {
    "acknowledge": "The escalation is acknowledged, with your name and the time.",
    "dispatch": "Noted that a resource is going. The failsafe no longer watches the case.",
    "close": "The case is closed.",
    "cancel": "The request is cancelled here. Whether the other service takes the cancellation is shown below.",
    "accept": "The case is accepted.",
    "start": "The consultation has started.",
    "reject": "The case is sent back.",
}
"""What a person is told after an action."""


@router.get("/live")
async def live(request: Request, state: State) -> Response:
    """The changing part of the board alone, for an open board."""
    viewer = await viewer_of(request)
    if viewer is None:
        return PlainTextResponse("signed out", 401)
    shown = await state.watch.live(viewer.user.services, may_acknowledge=viewer.may(ACKNOWLEDGING))
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        return Response(shown.compressed, media_type="text/html; charset=utf-8", headers=headers)
    return page(shown.html)


@router.get("/find")
async def find(context: Context, viewer: SignedIn, q: str = "") -> Response:
    """Cases by number, or those that ended last."""
    services, now, sought = viewer.user.services, context.now(), q.strip()
    if sought:
        wanted = CaseFilter(services=services, q=sought, limit=FOUND_AT_MOST + 1)
        found = await queries.list_cases(context.database, wanted)
    else:
        found = await board.ended_last(context.database, services, limit=FOUND_AT_MOST)
    rows = [case_row(case, site=context.engine.site, deadlines={}, now=now) for case in found[:FOUND_AT_MOST]]
    more = len(found) > FOUND_AT_MOST
    return page(render("find.html", rows=rows, q=sought, more=more, **frame(context, viewer)))


@router.get("/services")
async def show_services(context: Context, viewer: SignedIn) -> Response:
    """Every service that is known, and how sending to it has gone of late."""
    lines = service_lines(
        await known_services(context), ours=frozenset(context.engine.site.services), now=context.now()
    )
    boundaries = context.engine.discovery.boundaries.current
    operational = boundaries.provenance.operational
    shown = render(
        "services.html", lines=lines, boundaries=boundaries.version, operational=operational, **frame(context, viewer)
    )
    return page(shown)


@router.get("/cases/{case_id:uuid}")
async def show_case(context: Context, viewer: SignedIn, case_id: UUID, done: str = "") -> Response:
    """One case with everything that was sent and all that happened."""
    return page(await case_html(context, viewer, case_id, done=DONE.get(done, "")))


async def case_html(
    context: WebContext, viewer: Viewer, case_id: UUID, *, done: str = "", error: str = "", typed: Any = None
) -> str:
    """The page of a case; `error` says why an action was not done, `typed` keeps what the person had written."""
    facts = await case_facts(context, viewer, case_id)
    version = await board.state_of_case(context.database, case_id)
    return render(
        "case.html",
        case=case_page(facts, site=context.engine.site, now=context.now()),
        version=version,
        actions=actions_for(facts.stored.case, viewer),
        nothing_to_do=nothing_to_do(facts.stored.case, viewer),
        may_acknowledge=viewer.may(ACKNOWLEDGING),
        done=done,
        error=error,
        typed=typed or {"action": ""},
        claimed_by=_another(facts.stored.case.claimed_by, viewer),
        takes_over=TAKES_OVER,
        **frame(context, viewer),
    )


def _another(claimed_by: str | None, viewer: Viewer) -> str:
    """Who else has the case."""
    return claimed_by if claimed_by is not None and claimed_by != viewer.by else ""


@router.get("/cases/{case_id:uuid}/messages/{message_id:uuid}")
async def message(context: Context, viewer: SignedIn, case_id: UUID, message_id: UUID) -> Response:
    """The exact bytes of a message, as a file."""
    found = await _message(context, viewer, case_id, message_id)
    return _file(found.body, f"message-{message_id}.json")


@router.get("/cases/{case_id:uuid}/messages/{message_id:uuid}/answer")
async def answer(context: Context, viewer: SignedIn, case_id: UUID, message_id: UUID) -> Response:
    """The exact bytes of what was answered to a message, as a file."""
    found = await _message(context, viewer, case_id, message_id)
    if found.answer is None:
        raise HTTPException(404)
    return _file(found.answer, f"answer-{message_id}.json")


async def _message(context: WebContext, viewer: Viewer, case_id: UUID, message_id: UUID) -> Any:
    facts = await case_facts(context, viewer, case_id)
    found = next((message for message in facts.messages if message.id == message_id), None)
    if found is None:
        raise HTTPException(404)
    return found


def _file(body: bytes, name: str) -> Response:
    """Never shown in the page: the bytes come from elsewhere."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=FHIR_JSON, headers=headers)
