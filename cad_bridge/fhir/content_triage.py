"""Triage, timings, and the pre-triage questions of CAD to CAD referrals."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from cad_bridge.fhir.content_types import Code, Coding, ContentModel, Text, Token, UtcDatetime, displayed
from cad_bridge.fhir.questionnaires import NATURE_OF_CALL_DISPLAYS


def _nature_of_call(code: Any) -> Any:
    return displayed(code, NATURE_OF_CALL_DISPLAYS)


class Timings(ContentModel):
    """When things happened at the 999 service. All in UTC."""

    call_connect: UtcDatetime | None = None
    """T0."""
    call_answer: UtcDatetime | None = None
    """T1."""
    location_confirmed: UtcDatetime | None = None
    """T2."""
    bt_start: UtcDatetime | None = None
    """When the caller reached the BT operator."""
    disposition: UtcDatetime | None = None
    """When the 999 triage reached its disposition."""
    cpr_start: UtcDatetime | None = None


class TriageSystem(ContentModel):
    """The clinical decision support system that was used: NHS Pathways, PaCCS or AMPDS (APP-COM-41)."""

    name: Text
    version: Text | None = None


class Pathways(ContentModel):
    """NHS Pathways codes: symptom group, symptom discriminator, disposition, and the pathway (template)."""

    sg: Code | None = None
    sd: Code | None = None
    dx: Code | None = None
    template: Code | None = None

    @model_validator(mode="after")
    def _something_known(self) -> Pathways:
        if not (self.sg or self.sd or self.dx or self.template):
            raise ValueError("pathways without a code are left out")
        return self


class TriageCodes(ContentModel):
    """What a triage system said, in its own codes."""

    system: TriageSystem | None = None
    pathways: Pathways | None = None
    ampds: Code | None = None
    other_codes: tuple[Coding, ...] = ()
    """Outcome codes of other code systems."""


class PreTriageSieve(ContentModel):
    """Answers to the pre-triage sieve. The later questions are asked only of a patient who breathes (APP6-QST-06).

    A remote system may answer them all the same (defects S21), or leave the first one out: shown as sent.
    """

    breathing: bool | None = None
    conscious: bool | None = None
    noisy_breathing: bool | None = None

    @model_validator(mode="after")
    def _something_answered(self) -> PreTriageSieve:
        if self.breathing is None and self.conscious is None and self.noisy_breathing is None:
            raise ValueError("a sieve without an answer is left out")
        return self


class Triage(TriageCodes):
    """The 999 triage."""

    arp: Token | None = Field(default=None, examples=["C3"])
    """Ambulance Response Programme category; None if the case is not triaged, or none was sent."""
    summary: Text | None = None
    clinical_narrative: Text | None = None
    notes: tuple[Text, ...] = ()
    """Further clinical notes, in order."""
    patient_expectations: Text | None = None
    pre_triage_sieve: PreTriageSieve | None = None
    nature_of_call: Annotated[Code | None, BeforeValidator(_nature_of_call)] = Field(
        default=None, examples=[{"code": "AP1P"}]
    )
    """One of the 24 national codes (APP6-QST-02). Both for CAD to CAD only."""


class LogEntry(ContentModel):
    """One line of the call log or one crew note (CAD to CAD)."""

    at: UtcDatetime | None = None
    """When it was recorded; None only where a remote system did not say."""
    text: Text
    topic: Text | None = None
    """Only of a remote system that calls it neither a call log entry nor a crew note, but this."""


class RequestedAction(ContentModel):
    """What the other service is to do, and when: one per timeframe (APP6-REF-16)."""

    text: Text
    code: Coding | None = None
    not_before: UtcDatetime | None = None
    by: UtcDatetime | None = None


class ResourceRequest(RequestedAction):
    """The resource that a mutual aid or call assist request asks for, how many of it, and by when (CAD to CAD)."""

    number: Annotated[int, Field(ge=1, le=99)] | None = None
    """None: not said."""

    @property
    def in_words(self) -> str:
        """The request with its number, for systems that show nothing but words."""
        return self.text if self.number is None else f"{self.number} x {self.text}"
