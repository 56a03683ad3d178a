"""Everything that the page of one case is made of, read from the database."""

from __future__ import annotations

from uuid import UUID

from starlette.exceptions import HTTPException

from cad_bridge.store import queries
from cad_bridge.web.board.presenters.case_page import CaseFacts
from cad_bridge.web.board.state import Viewer
from cad_bridge.web.context import WebContext

_ALL_EVENTS = 10_000


async def case_facts(context: WebContext, viewer: Viewer, case_id: UUID) -> CaseFacts:
    """What is stored about a case of the viewer's services. Raises HTTPException 404 for any other."""
    database = context.database
    stored = await queries.case_by_id(database, case_id, services=viewer.user.services)
    if stored is None:
        raise HTTPException(404)
    return CaseFacts(
        stored=stored,
        escalations=await queries.escalations(database, case_id=case_id),
        deadlines=await queries.deadlines_of(database, case_id),
        events=await queries.events_after(database, 0, limit=_ALL_EVENTS, case_id=case_id),
        messages=await queries.messages_of(database, case_id),
        deliveries=await queries.delivery_of(database, case_id),
    )
