"""What may be asked in a query string: a name that nobody knows is refused, an empty value asks for nothing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from cad_bridge.workflow.decide import tables
from cad_bridge.workflow.vocabulary import Side, UseCase

STATES = tuple(sorted({state for table in tables() for state in table.states}))
"""Every state that a case can have, in any workflow."""


def _known_state(state: str) -> str:
    if state not in STATES:
        raise ValueError(f"must be one of {', '.join(STATES)}")
    return state


def _cursor(text: str) -> str:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError("is not a cursor that this service gave out")
    return text


Cursor = Annotated[str, AfterValidator(_cursor)]


class Question(BaseModel):
    """A misspelt filter must not give everything, and an empty one must not give nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_values(cls, given: Any) -> Any:
        return {name: value for name, value in given.items() if value != ""} if isinstance(given, dict) else given


class CaseQuestion(Question):
    """Which cases."""

    state: Annotated[str, AfterValidator(_known_state)] | None = Field(
        default=None, json_schema_extra={"enum": [*STATES]}
    )
    use_case: UseCase | None = None
    side: Side | None = None
    due_before: AwareDatetime | None = None
    q: str | None = Field(default=None, max_length=200, description="A case number or part of one.")
    limit: int = Field(default=200, ge=1, le=1000)


class EventQuestion(Question):
    """Events behind which cursor, and how many."""

    after: Cursor | None = None
    limit: int = Field(default=100, ge=1, le=1000)


class StreamQuestion(Question):
    """Events behind which cursor, for a reader that has no Last-Event-ID yet."""

    after: Cursor | None = None
