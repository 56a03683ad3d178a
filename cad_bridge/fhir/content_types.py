"""The small values that clinical content is made of. Frozen; unknown fields refused; no value ever in an error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_PARTIAL_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2]))?")
_FULL_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(9998, 12, 31, tzinfo=UTC)


class ContentModel(BaseModel):
    """Base of every content model.

    Validation errors carry the path of the field and never its value: any value may be patient data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def is_readable(text: str) -> bool:
    """Whether a text holds a visible character and no control character."""
    return bool(text.strip()) and not _CONTROL.search(text)


def is_partial_date(text: str) -> bool:
    """Whether a text is a date of the calendar, or a year and month, or a year."""
    try:
        return bool(_calendar_date(text))
    except ValueError:
        return False


def _readable(text: str) -> str:
    if not is_readable(text):
        raise ValueError("must hold a visible character and no control character")
    return text


def _utc(moment: datetime) -> datetime:
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("must lie between 1900 and 9998")
    return moment.astimezone(UTC)


def _not_a_number(value: Any) -> Any:
    if isinstance(value, int | float):
        raise ValueError("must be a text such as 2026-11-21T15:00:00Z")  # noqa: TRY004 - pydantic reads ValueError
    return value


def _calendar_date(text: str) -> str:
    if _FULL_DATE.fullmatch(text):
        date.fromisoformat(text)
    elif not _PARTIAL_DATE.fullmatch(text):
        raise ValueError("must be YYYY-MM-DD, YYYY-MM or YYYY")
    return text


def _date_or_moment(value: Any) -> Any:
    if isinstance(value, str) and _FULL_DATE.fullmatch(value):
        return date.fromisoformat(value)
    return _not_a_number(value)


Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_readable)]
"""Free text as typed: never trimmed, never cut."""

Token = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S+( \S+)*$"), AfterValidator(_readable)]
"""A code or identifier: no blank at either end."""

Uri = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S+$"), AfterValidator(_readable)]

ServiceId = Annotated[str, StringConstraints(pattern=r"^[^\s|]+\|[^\s|]+$"), AfterValidator(_readable)]
"""`system|value`, such as ``https://fhir.nhs.uk/Id/dos-service-id|2000000011``."""

UtcDatetime = Annotated[AwareDatetime, BeforeValidator(_not_a_number), AfterValidator(_utc)]
"""A moment with its offset; kept in UTC (CORE-BND-06)."""

PartialDate = Annotated[str, AfterValidator(_calendar_date)]
"""A calendar date, or only its year and month, or only its year, when no more is known."""

DateOrMoment = Annotated[UtcDatetime | date, BeforeValidator(_date_or_moment)]
"""A date where the time of day is not known, else a moment in UTC."""

Gender = Literal["male", "female", "other", "unknown"]
GENDERS = ("male", "female", "other", "unknown")
TELECOM_SYSTEMS = ("phone", "fax", "email", "pager", "url", "sms", "other")
TELECOM_USES = ("home", "work", "temp", "old", "mobile")
ADDRESS_USES = ("home", "work", "temp", "old", "billing")
Rank = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""1 is the first to try."""


class Code(ContentModel):
    """A code whose system follows from the field it stands in."""

    code: Token
    display: Text | None = None


def displayed(code: Any, displays: Mapping[str, str]) -> Any:
    """The code with the display of its published list where it came without one; anything else unchanged."""
    if isinstance(code, Code):
        return code if code.display else Code(code=code.code, display=displays.get(code.code))
    if isinstance(code, dict) and isinstance(code.get("code"), str) and not code.get("display"):
        return {**code, "display": displays.get(code["code"])}
    return code


class Coding(ContentModel):
    """A code with its system."""

    system: Uri
    code: Token
    display: Text | None = None


class Name(ContentModel):
    """A person's name. Raises a validation error if nothing of it is known."""

    family: Text | None = None
    given: tuple[Text, ...] = ()
    prefix: tuple[Text, ...] = ()
    suffix: tuple[Text, ...] = ()
    text: Text | None = None
    """The name in one piece, where it is not simply prefix, given and family in that order."""

    @model_validator(mode="after")
    def _something_known(self) -> Name:
        if not (self.family or self.given or self.prefix or self.suffix or self.text):
            raise ValueError("a name has at least one part")
        return self

    @property
    def full(self) -> str:
        """How to say the name."""
        if self.text is not None:
            return self.text
        return " ".join((*self.prefix, *self.given, *((self.family,) if self.family else ()), *self.suffix))


class Telecom(ContentModel):
    """One way to reach someone. `rank` 1 is tried first; every method of a contact needs a rank (APP-COM-05)."""

    system: Literal["phone", "fax", "email", "pager", "url", "sms", "other"] | None = None
    use: Literal["home", "work", "temp", "old", "mobile"] | None = None
    value: Text
    rank: Rank | None = None


class Address(ContentModel):
    """A postal address."""

    use: Literal["home", "work", "temp", "old", "billing"] | None = None
    text: Text | None = None
    lines: tuple[Text, ...] = ()
    city: Text | None = None
    district: Text | None = None
    postcode: Text | None = None
    country: Text | None = None


class Organisation(ContentModel):
    """An organisation with its ODS code, where known."""

    ods_code: Token | None = None
    name: Text | None = None

    @model_validator(mode="after")
    def _something_known(self) -> Organisation:
        if not (self.ods_code or self.name):
            raise ValueError("an organisation has a code or a name")
        return self


class LocalIdentifier(ContentModel):
    """A number that one system gave to a person."""

    value: Token
    system: Uri | None = None
