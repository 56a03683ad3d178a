"""Flags, scene safety, consent, new allergies and medications, and who did the work."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cad_bridge.fhir.content_flag_codes import FLAG_CODE_LISTS
from cad_bridge.fhir.content_types import (
    Code,
    Coding,
    ContentModel,
    DateOrMoment,
    LocalIdentifier,
    Name,
    Organisation,
    Telecom,
    Text,
    Token,
    Uri,
    displayed,
)


class Flag(ContentModel):
    """Something every clinician and crew must know.

    `category` is a BaRS flag category: SG safeguarding, RA reasonable adjustment, RT ReSPECT plan, IR infection risk,
    RC repeat caller, RS rejected services, AC agency contacted, API additional patient information. Scene safety has
    a field of its own.
    """

    category: Token | None = Field(default=None, examples=["SG"])
    """None only where a remote system sent none."""
    category_display: Text | None = None
    """Only for a category outside the BaRS list, as some senders use."""
    code: Code | None = None
    """From the list of the category; None if the concern is not coded."""
    code_system: Uri | None = None
    """Only where the code is not from the list of the category, such as SNOMED CT."""
    text: Text | None = None
    date: DateOrMoment | None = None

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, data: Any) -> Any:
        """A code of the category's list gets its display; safeguarding U, "unspecified", says the same as no code."""
        if not isinstance(data, dict) or data.get("category") not in FLAG_CODE_LISTS or data.get("code_system"):
            return data
        code = displayed(data.get("code"), FLAG_CODE_LISTS[data["category"]][1])
        said = code.code if isinstance(code, Code) else code.get("code") if isinstance(code, dict) else None
        return {**data, "code": None if data["category"] == "SG" and said == "U" else code}


class SceneSafety(ContentModel):
    """Whether the scene is safe. ``unknown`` also where it was not asked (APP-COM-31)."""

    status: Literal["safe", "unsafe", "unknown"] = "unknown"
    reasons: tuple[Text, ...] = ()
    """Hazards present, one line each."""
    date: DateOrMoment | None = None

    @field_validator("reasons", mode="after")
    @classmethod
    def _one_line_each(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(line for reason in reasons for line in reason.splitlines() if line.strip())


class Consent(ContentModel):
    """Implied consent to share information for direct care: the only kind that BaRS has (APP-COM-39)."""

    scope: Literal["direct-care"] = "direct-care"
    date: DateOrMoment | None = None
    text: Text | None = None


class Allergy(ContentModel):
    """An allergy that the patient or caller reported now. Existing records are to be looked up elsewhere."""

    text: Text | None = None
    code: Coding | None = None
    category: Literal["food", "medication", "environment", "biologic"] | None = None
    reaction: Text | None = None
    severity: Literal["mild", "moderate", "severe"] | None = None
    date: DateOrMoment | None = None

    @model_validator(mode="after")
    def _something_known(self) -> Allergy:
        if not (self.text or self.code):
            raise ValueError("an allergy has a text or a code")
        if self.severity and not self.reaction:
            raise ValueError("a severity is that of a reaction")
        return self


class Medication(ContentModel):
    """A medication: reported by the patient in a request, given or prescribed by the responder in an outcome."""

    text: Text | None = None
    code: Coding | None = None
    dosage: Text | None = None
    reason: Text | None = None
    date: DateOrMoment | None = None

    @model_validator(mode="after")
    def _something_known(self) -> Medication:
        if not (self.text or self.code):
            raise ValueError("a medication has a text or a code")
        return self


class Practitioner(ContentModel):
    """Who made the request or did the validation; need not be a clinician."""

    sds_role_profile_id: Token | None = None
    local_identifier: LocalIdentifier | None = None
    name: Name | None = None
    role: Text | None = Field(default=None, examples=["999 call handler"])
    role_code: Coding | None = None
    specialty: Coding | None = None
    clinician: bool = False
    """Clinicians, and only they, are named as author of the care plan."""
    organisation: Organisation | None = None
    """None: the organisation that sends the message."""
    telecom: tuple[Telecom, ...] = ()
