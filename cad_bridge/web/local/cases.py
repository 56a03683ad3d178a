"""Cases: list, read, and what a CAD or clinician does with one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from cad_bridge.engine.corrections import CORRECTABLE
from cad_bridge.engine.requests import RequestRefusedError
from cad_bridge.engine.responses import Responding, complete_command
from cad_bridge.fhir.content import Outcome
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.store import queries
from cad_bridge.store.queries import CaseFilter
from cad_bridge.web.context import Client
from cad_bridge.web.local.access import Actor, Cad, Clinician, Context, Reader, visible_case
from cad_bridge.web.local.acting import ActBody, ActingUser, TakeOver, act, clinician, who
from cad_bridge.web.local.questions import CaseQuestion
from cad_bridge.web.local.views import case_view, message_view
from cad_bridge.web.problems import invalid, not_found, refused
from cad_bridge.workflow import commands
from cad_bridge.workflow.vocabulary import Priority

router = APIRouter(tags=["cases"])


def _correctable(part: str) -> str:
    if part not in CORRECTABLE:
        raise ValueError("is no part of a request that can be corrected here")
    return part


CorrectablePart = Annotated[str, Field(json_schema_extra={"enum": list(CORRECTABLE)}), AfterValidator(_correctable)]


class Act(ActBody):
    """An action without further detail."""


class ClinicalAct(ActBody):
    """An action of a responder's; `practitioner` goes into the message as who does the validation."""

    practitioner: Practitioner | None = None
    take_over: bool = False
    """The case is another clinician's, and the one who acts knows it."""


class Attempt(ActBody):
    """A try to reach the patient that failed."""

    contact: str = Field(min_length=1, max_length=200)
    """Whom, and by which number or way, in words."""
    note: str | None = Field(default=None, min_length=1, max_length=4000)


class Reading(ActBody):
    """Which version of the case was read."""

    version: int = Field(ge=1)


class Corrections(ActBody):
    """Which parts of the request the caller's own records now say something else about."""

    parts: tuple[CorrectablePart, ...] = Field(max_length=len(CORRECTABLE))
    """All of them; a part that is left out is taken from updates again."""
    note: str | None = Field(default=None, min_length=1, max_length=4000)


class Cancellation(ActBody):
    """Why the validation is no longer wanted."""

    reason: str = Field(min_length=1, max_length=2000)
    mistaken: bool = False
    """True if the request should never have been sent (entered-in-error instead of revoked)."""


class Rejection(ActBody):
    """Why the case is given back: RRNA, FC (failed contact) or OTH, and in words."""

    code: str = Field(pattern=r"^(RRNA|FC|OTH)$")
    text: str = Field(min_length=1, max_length=4000)
    practitioner: Practitioner | None = None
    take_over: bool = False
    """The case is another clinician's, and the one who acts (`by`) knows it."""


class HubReview(ActBody):
    """What the EOC clinical hub decides about a final response: as it is, or amended."""

    dispatch_required: bool
    arp: str | None = Field(default=None, pattern=r"^(C[1-5]|C4T)$", validate_default=True)
    """The ARP category that the hub decides on; needed where a response is wanted."""
    amended: bool = False
    note: str | None = Field(default=None, min_length=1, max_length=4000)

    @field_validator("arp")
    @classmethod
    def _complete(cls, arp: str | None, info: ValidationInfo) -> str | None:
        if arp is None and info.data.get("dispatch_required"):
            raise ValueError("is needed where an ambulance is to go")
        return arp


class Acknowledgement(ActBody):
    """A person has seen the escalation: who, must be said."""

    by: str = Field(max_length=200, pattern=r"^\S+( \S+)*$")


def _taking(kind: type[commands.Accept | commands.Start], body: ClinicalAct | None, client: Client) -> commands.Command:
    return kind(take_over=body is not None and body.take_over, **clinician(body, client))


@router.get("/cases")
async def list_cases(asked: Annotated[CaseQuestion, Query()], context: Context, client: Reader) -> dict[str, Any]:
    """Cases of the client's services by time to breach. A filter that is left out or empty does not narrow it down."""
    wanted = CaseFilter(
        services=client.services,
        state=asked.state,
        use_case=asked.use_case.value if asked.use_case else None,
        side=asked.side.value if asked.side else None,
        due_before=asked.due_before,
        q=asked.q,
        limit=asked.limit,
    )
    return {"cases": [case_view(stored) for stored in await queries.list_cases(context.database, wanted)]}


@router.get("/cases/{case_id}")
async def read_case(case_id: UUID, context: Context, client: Reader) -> dict[str, Any]:
    """One case with its escalations and deadlines."""
    stored = await visible_case(context, client, case_id)
    view = case_view(stored, await queries.escalations(context.database, case_id=case_id))
    deadlines = await queries.deadlines_of(context.database, case_id)
    return view | {"deadlines": [{"kind": d["kind"], "due_at": d["due_at"].isoformat()} for d in deadlines]}


@router.get("/cases/{case_id}/events")
async def case_events(case_id: UUID, context: Context, client: Reader) -> dict[str, Any]:
    """The story of one case, oldest first."""
    await visible_case(context, client, case_id)
    events = await queries.events_after(context.database, 0, limit=10_000, case_id=case_id)
    return {"events": [event.as_contract() for event in events]}


@router.get("/cases/{case_id}/messages")
async def case_messages(case_id: UUID, context: Context, client: Reader) -> dict[str, Any]:
    """Every message of one case in and out, with its exact bytes."""
    await visible_case(context, client, case_id)
    return {"messages": [message_view(message) for message in await queries.messages_of(context.database, case_id)]}


@router.post("/cases/{case_id}/cancel", status_code=202)
async def cancel(case_id: UUID, body: Cancellation, context: Context, client: Cad) -> dict[str, Any]:
    """The CAD no longer wants the validation. Whether the responder takes it is told as an event."""
    command = commands.Cancel(reason=body.reason, mistaken=body.mistaken, by=who(body, client))
    return await act(context, client, case_id, command)


@router.post("/cases/{case_id}/dispatch")
async def dispatch(case_id: UUID, context: Context, client: Cad, body: Act | None = None) -> dict[str, Any]:
    """The CAD says that a resource is going: protection ends, and the responder is told by cancellation."""
    return await act(context, client, case_id, commands.Dispatch(by=who(body, client)))


@router.post("/cases/{case_id}/close")
async def close(case_id: UUID, context: Context, client: Cad, body: Act | None = None) -> dict[str, Any]:
    """The CAD has ended its own case."""
    return await act(context, client, case_id, commands.Close(by=who(body, client)))


@router.post("/cases/{case_id}/review")
async def review(case_id: UUID, body: HubReview, context: Context, client: Clinician) -> dict[str, Any]:
    """The EOC clinical hub approves or amends the outcome of a responder without an approved triage system."""
    command = commands.Review(
        dispatch_required=body.dispatch_required,
        arp=Priority.parse(body.arp),
        amended=body.amended,
        note=body.note,
        by=who(body, client),
    )
    return await act(context, client, case_id, command)


@router.post("/cases/{case_id}/accept")
async def accept(case_id: UUID, context: Context, client: Clinician, body: ClinicalAct | None = None) -> dict[str, Any]:
    """A person of the responder's has seen the case and takes it on."""
    return await act(context, client, case_id, _taking(commands.Accept, body, client))


@router.post("/cases/{case_id}/start")
async def start(case_id: UUID, context: Context, client: Clinician, body: ClinicalAct | None = None) -> dict[str, Any]:
    """The consultation starts; the requester is told by an interim response."""
    return await act(context, client, case_id, _taking(commands.Start, body, client))


@router.post("/cases/{case_id}/contact-attempts")
async def contact_attempt(case_id: UUID, body: Attempt, context: Context, client: Clinician) -> dict[str, Any]:
    """Record a failed try to reach the patient. It is no start: the requester is told nothing (APP4-VS-02)."""
    command = commands.ContactAttempt(contact=body.contact, note=body.note, by=who(body, client))
    return await act(context, client, case_id, command)


@router.post("/cases/{case_id}/read")
async def read_update(case_id: UUID, body: Reading, context: Context, client: Clinician) -> dict[str, Any]:
    """A clinician has read the requester's update, in the version that they name (docs/lifecycle/validation.md)."""
    command = commands.ReadUpdate(read_version=body.version, by=who(body, client))
    return await act(context, client, case_id, command)


@router.put("/cases/{case_id}/corrections")
async def correct(case_id: UUID, body: Corrections, context: Context, client: Clinician) -> dict[str, Any]:
    """Say which parts of a received request the caller has changed in its own records.

    An update of the sender's that would change one of them is then refused as a whole (409 to the sender) and told
    here, in place of overwriting it. An empty list ends that.
    """
    parts = tuple(sorted(set(body.parts)))
    return await act(context, client, case_id, commands.Correct(parts=parts, note=body.note, by=who(body, client)))


@router.post("/cases/{case_id}/reject")
async def reject(case_id: UUID, body: Rejection, context: Context, client: Clinician) -> dict[str, Any]:
    """The case cannot be validated, or the help that was asked for cannot be given; the requester owns it again."""
    stored = await visible_case(context, client, case_id)
    if body.code == "FC" and stored.case.use_case.is_cad_to_cad:
        raise invalid([{"path": "code", "message": "between ambulance services the codes are RRNA and OTH"}])
    command = commands.Reject(
        reason_code=body.code,
        reason_text=body.text,
        take_over=body.take_over or body.by is None,
        **clinician(body, client),
    )
    return await act(context, client, case_id, command)


@router.post("/cases/{case_id}/complete")
async def complete(
    case_id: UUID,
    body: Outcome,
    context: Context,
    client: Clinician,
    if_match: Annotated[str | None, Header(pattern=r'^"?[0-9]+"?$', description="The version that was read.")] = None,
    acting_user: ActingUser = None,
    take_over: TakeOver = False,
) -> dict[str, Any]:
    """The consultation has ended; the requester gets the final response.

    If-Match holds the `version` of the case that the clinician had before them. It is needed once the requester has
    updated the case since the clinician accepted it, so that nobody completes what they have not seen. Acting-User
    names the clinician: with it, a case that another one has taken on is completed only with Take-Over: true.
    """
    stored = await visible_case(context, client, case_id)
    responding = Responding(
        client=client.name,
        person=acting_user,
        take_over=take_over,
        read_version=int(if_match.strip('"')) if if_match else None,
    )
    try:
        command, outcome = complete_command(stored, body, responding, now=context.now())
    except RequestRefusedError as error:
        raise refused(error) from None
    return await act(context, client, case_id, command, outcome=outcome, built_on=stored.case.version)


@router.post("/cases/{case_id}/escalations/{escalation_id}/acknowledge")
async def acknowledge(
    case_id: UUID, escalation_id: UUID, body: Acknowledgement, context: Context, client: Actor
) -> dict[str, Any]:
    """A named person has seen the escalation and acts on it."""
    stored = await visible_case(context, client, case_id)
    command = commands.AcknowledgeEscalation(escalation_id=escalation_id, by=who(body, client))
    known = await queries.escalations(context.database, case_id=stored.id)
    if all(item.id != escalation_id for item in known):
        raise not_found("escalation")
    return await act(context, client, case_id, command)
