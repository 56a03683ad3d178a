"""What every action on a case has in common: who acts, whether the case has such an action, and its answer."""

from __future__ import annotations

from typing import Annotated, Any, Protocol
from uuid import UUID

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cad_bridge.engine.core import NoSuchCaseError
from cad_bridge.engine.responses import practitioner_facts
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.content_types import is_readable
from cad_bridge.store import queries
from cad_bridge.store.rows import StoredCase
from cad_bridge.web.context import Client, WebContext
from cad_bridge.web.local.access import visible_case
from cad_bridge.web.local.views import case_view
from cad_bridge.web.problems import does_not_fit, not_found
from cad_bridge.workflow import commands
from cad_bridge.workflow.case import Case
from cad_bridge.workflow.decide import WORKFLOWS
from cad_bridge.workflow.vocabulary import Side

ActingUser = Annotated[
    str | None, Header(max_length=200, pattern=r"^\S+( \S+)*$", description="The person who acts, for the audit trail.")
]
TakeOver = Annotated[bool, Header(description="The case is another clinician's, and the one who acts knows it.")]


class ActBody(BaseModel):
    """Base of every action's body."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    by: str | None = Field(default=None, max_length=200, pattern=r"^\S+( \S+)*$")
    """The person who acts, for the audit trail; the client's own name is always added."""

    @field_validator("*")
    @classmethod
    def _readable(cls, value: Any) -> Any:
        """No database keeps a NUL, and no message takes a control character."""
        if isinstance(value, str) and not is_readable(value):
            raise ValueError("must hold a visible character and no control character")
        return value


class _NamesPractitioner(Protocol):
    @property
    def by(self) -> str | None: ...
    @property
    def practitioner(self) -> Practitioner | None: ...


def who(body: ActBody | _NamesPractitioner | None, client: Client) -> str:
    """The person, and the client that says so."""
    return f"{body.by} ({client.name})" if body is not None and body.by else client.name


def clinician(body: _NamesPractitioner | None, client: Client) -> dict[str, Any]:
    """Who acts, and who is named in the message."""
    name = who(body, client)
    return {"by": name, "practitioner": practitioner_facts(body.practitioner if body else None, by=name)}


async def act(
    context: WebContext,
    client: Client,
    case_id: UUID,
    command: commands.Command,
    *,
    outcome: dict[str, Any] | None = None,
    built_on: int | None = None,
) -> dict[str, Any]:
    """Do it, and give the case as it is then. Raises the problem that says why it does not fit.

    `outcome` is kept with the case. `built_on` is the version of the case that the command was made from: nothing is
    done to another.
    """

    def change(known: StoredCase) -> StoredCase:
        if built_on is not None and known.case.version != built_on:
            raise does_not_fit("The case has changed this very moment: read it again.")
        return known.evolve(outcome=outcome) if outcome is not None else known

    stored = await visible_case(context, client, case_id)
    if command.trigger not in actions_of(stored.case):
        raise does_not_fit(f"A {stored.case.side} case of use case {stored.case.use_case} has no such action.")
    try:
        handled = await context.engine.handle(case_id, command, change=change)
    except NoSuchCaseError:
        raise not_found("case") from None
    if handled.decision.refusal is not None:
        raise does_not_fit(handled.decision.refusal.why)
    return case_view(handled.stored, await queries.escalations(context.database, case_id=case_id))


_BY_SIDE = {
    Side.REQUESTER: frozenset({"dispatch", "close", "cancel", "review_dispatch", "review_closing"}),
    Side.RESPONDER: frozenset(
        {
            "accept",
            "start",
            "contact_attempt",
            "read",
            "correct",
            "reject",
            "complete",
            "status_planned",
            "status_in_progress",
            "status_finished",
        }
    ),
}


def actions_of(case: Case) -> frozenset[str]:
    """What people may do with a case on its side, whatever its state: the triggers that its table knows."""
    return _BY_SIDE[case.side] & set(WORKFLOWS[case.use_case, case.side].table.triggers) | {"acknowledge"}
