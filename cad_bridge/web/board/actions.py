"""What people do on the board. Each action goes through the engine, under the lock of the case, with their name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from cad_bridge.engine.core import NoSuchCaseError
from cad_bridge.engine.responses import practitioner_facts
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_types import LocalIdentifier, Name, is_readable
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase
from cad_bridge.web.board.actions_shown import ACTIONS, Action, belongs
from cad_bridge.web.board.forms import Fields, check_csrf, check_role
from cad_bridge.web.board.pages import PREFIX, page
from cad_bridge.web.board.presenters.states import state_words
from cad_bridge.web.board.routes import case_html
from cad_bridge.web.board.state import ACKNOWLEDGING, Context, SignedIn, Viewer
from cad_bridge.web.context import WebContext
from cad_bridge.workflow import commands

router = APIRouter(prefix=PREFIX)

_LONGEST = 4000
_REJECTION_CODES = frozenset({"RRNA", "FC", "OTH"})


class _MovedOnError(Exception):
    """The case is not any more in the state that the person saw."""


@router.post("/cases/{case_id:uuid}/escalations/{escalation_id:uuid}/acknowledge")
async def acknowledge(
    context: Context,
    viewer: SignedIn,
    case_id: UUID,
    escalation_id: UUID,
    fields: Fields,
) -> Response:
    """The signed-in person has seen the escalation and acts on it."""
    check_csrf(viewer, fields)
    check_role(viewer, ACKNOWLEDGING)
    await _visible(context, viewer, case_id)
    known = await queries.escalations(context.database, case_id=case_id)
    if all(item.id != escalation_id for item in known):
        raise HTTPException(404)
    await context.engine.handle(case_id, commands.AcknowledgeEscalation(escalation_id=escalation_id, by=viewer.by))
    where = f"{PREFIX}/cases/{case_id}" if fields.get("back") == "case" else PREFIX
    return RedirectResponse(f"{where}?done=acknowledge", 303)


@router.post("/cases/{case_id:uuid}/{action}")
async def act(context: Context, viewer: SignedIn, case_id: UUID, action: str, fields: Fields) -> Response:
    """Do what the button says, if the case is still in the `state` that the person saw."""
    known = ACTIONS.get(action)
    if known is None:
        raise HTTPException(404)
    check_csrf(viewer, fields)
    check_role(viewer, known.roles)
    stored = await _visible(context, viewer, case_id)
    if not belongs(known, stored.case):
        raise HTTPException(404)
    typed = _typed(known, fields)
    wrong = _wrong(known, typed)
    if wrong:
        return page(await case_html(context, viewer, case_id, error=wrong, typed=typed), status=422)
    refusal = await _do(context, case_id, _command(viewer, typed), seen=fields.get("state", ""))
    if refusal is not None:
        return page(await case_html(context, viewer, case_id, error=refusal, typed=typed), status=409)
    return RedirectResponse(f"{PREFIX}/cases/{case_id}?done={action}", 303)


def _typed(action: Action, fields: Mapping[str, str]) -> dict[str, str]:
    """What the person wrote; browsers send line breaks as CR LF."""
    names = ("reason", "code", "mistaken", "take_over")
    return {"action": action.name} | {name: fields.get(name, "").replace("\r\n", "\n") for name in names}


async def _visible(context: WebContext, viewer: Viewer, case_id: UUID) -> StoredCase:
    stored = await queries.case_by_id(context.database, case_id, services=viewer.user.services)
    if stored is None:
        raise HTTPException(404)
    return stored


def _wrong(action: Action, typed: Mapping[str, str]) -> str:
    """What is wrong with the form, in words; empty if nothing is."""
    if not action.asks_reason:
        return ""
    if action.name == "reject" and typed["code"] not in _REJECTION_CODES:
        return "Nothing was done. Choose why the case is sent back."
    if not is_readable(typed["reason"]):
        return "Nothing was done. Write the reason: the other service and the record need it."
    if len(typed["reason"]) > _LONGEST:
        return f"Nothing was done. The reason is longer than {_LONGEST} characters; it must not be cut, so shorten it."
    return ""


def _command(viewer: Viewer, typed: Mapping[str, str]) -> commands.Command:
    by, reason, take_over = viewer.by, typed["reason"], typed["take_over"] == "yes"
    match typed["action"]:
        case "dispatch":
            return commands.Dispatch(by=by)
        case "close":
            return commands.Close(by=by)
        case "cancel":
            return commands.Cancel(by=by, reason=reason, mistaken=typed["mistaken"] == "yes")
        case "accept":
            return commands.Accept(by=by, take_over=take_over, practitioner=_practitioner(viewer))
        case "start":
            return commands.Start(by=by, take_over=take_over, practitioner=_practitioner(viewer))
        case _:
            practitioner = _practitioner(viewer)
            return commands.Reject(
                by=by, reason_code=typed["code"], reason_text=reason, practitioner=practitioner, take_over=take_over
            )


def _practitioner(viewer: Viewer) -> dict[str, Any]:
    """The signed-in person, as the message names who does the validation (APP4-VS-33)."""
    person = Practitioner(
        local_identifier=LocalIdentifier(value=viewer.user.username), name=Name(text=viewer.user.name)
    )
    return practitioner_facts(person, by=viewer.by)


async def _do(context: WebContext, case_id: UUID, command: commands.Command, *, seen: str) -> str | None:
    """Hand the command to the engine; words for the person where it was not done."""

    def unless_moved(stored: StoredCase) -> StoredCase:
        if stored.case.state != seen:
            raise _MovedOnError
        return stored

    try:
        handled = await context.engine.handle(case_id, command, change=unless_moved)
    except NoSuchCaseError:
        raise HTTPException(404) from None
    except _MovedOnError:
        return await _moved_on(context, case_id)
    return handled.decision.refusal.why if handled.decision.refusal is not None else None


async def _moved_on(context: WebContext, case_id: UUID) -> str:
    stored = await queries.case_by_id(context.database, case_id)
    name = state_words(stored.case.use_case, stored.case.side, stored.case.state).name if stored else ""
    return f"Nothing was done: the case has changed since you looked at it. It is now: {name}."
