"""The patient, who to call, who rang, and the social context."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from cad_bridge.fhir.codes import HOUSEHOLD_COMPOSITION_DISPLAYS
from cad_bridge.fhir.content_types import (
    Address,
    Code,
    ContentModel,
    Gender,
    LocalIdentifier,
    Name,
    Organisation,
    PartialDate,
    Rank,
    Telecom,
    Text,
    Token,
    displayed,
)

Age = Annotated[int | float, Field(ge=0, le=6000, allow_inf_nan=False)]


def _household(code: Any) -> Any:
    return displayed(code, HOUSEHOLD_COMPOSITION_DISPLAYS)


class NhsNumber(ContentModel):
    """An NHS number and how far it was traced.

    Ten digits that pass the modulus 11 check in a `Request`; as sent in a `ReceivedRequest`, for the published
    examples fail the check (defects S4).
    """

    value: Token
    verification: Token | None = Field(default=None, examples=["number-present-and-verified"])


class Communication(ContentModel):
    """How someone wants to be spoken and written to."""

    language: Token | None = Field(default=None, examples=["en"])
    language_display: Text | None = None
    interpreter_required: bool | None = None
    preferred_contact_method: (
        Literal[
            "letter",
            "visit",
            "telephone",
            "e-mail",
            "textphone",
            "telephone-via-proxy",
            "sign-language",
            "no-telephone",
            "sms",
        ]
        | None
    ) = None
    preferred_contact_times: Text | None = None
    preferred_written_format: Literal["large-print", "braille", "audio-tape"] | None = None


class Patient(ContentModel):
    """The person whom the case is about. Everything may be unknown (APP-COM-20, APP-COM-21)."""

    name: Name | None = None
    nhs_number: NhsNumber | None = None
    local_identifier: LocalIdentifier | None = None
    telecom: tuple[Telecom, ...] = ()
    """The patient's own numbers as recorded; whom to call, and in which order, is in `contacts`."""
    gender: Gender | None = None
    birth_sex: Literal["male", "female", "undifferentiated", "unknown"] | None = None
    """Only if clinically relevant; never shown beside gender without consent (APP-COM-36)."""
    birth_date: PartialDate | None = None
    estimated_age_years: Age | None = None
    estimated_age_months: Age | None = None
    estimated_age_weeks: Age | None = None
    age_group: Text | None = None
    ethnicity: Code | None = None
    """UK Core ethnic category."""
    address: Address | None = None
    communication: Communication | None = None
    general_practice: Organisation | None = None
    overseas_visitor_status: Literal["uk-resident", "overseas-resident"] | None = None

    @model_validator(mode="after")
    def _one_estimate(self) -> Patient:
        estimates = (self.estimated_age_years, self.estimated_age_months, self.estimated_age_weeks)
        if sum(estimate is not None for estimate in estimates) > 1:
            raise ValueError("an age is estimated in years, in months or in weeks")
        return self


class SocialContext(ContentModel):
    """Who lives with the patient, and how."""

    household_composition: Annotated[Code | None, BeforeValidator(_household)] = None
    """BaRS household composition, such as LivesAlone."""
    social_circumstances: Text | None = None
    accommodation: Text | None = None


class Contact(ContentModel):
    """Someone to call about the patient, or the patient: `relationship` is then ``self`` (APP-COM-08)."""

    rank: Rank | None = None
    """1 is called first; the rank 1 method of the rank 1 contact is the call-back number (APP-COM-07)."""
    relationship: Text = "unknown"
    name: Name | None = None
    gender: Gender | None = None
    telecom: tuple[Telecom, ...] = ()


class Caller(ContentModel):
    """A third party who rang for the patient. Whom to call back is in `contacts`."""

    relationship: Text | None = None
    name: Name | None = None
    telecom: tuple[Telecom, ...] = ()
    gender: Gender | None = None
    communication: Communication | None = None

    @model_validator(mode="after")
    def _something_known(self) -> Caller:
        if not (self.relationship or self.name or self.telecom or self.gender or self.communication):
            raise ValueError("a caller of whom nothing is known is left out")
        return self
