"""Why an answer is what it is: a stable code for programs and a sentence for a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """The codes of ``docs/discovery.md``, section "Reason codes"."""

    INSIDE = "inside"
    NEAR_BORDER = "near-border"
    INPUT_COARSE = "input-coarse"
    OFF_COAST = "off-coast"
    FOREIGN_BORDER = "foreign-border"
    OUTSIDE_ALL = "outside-all"
    NO_LOCATION = "no-location"
    INCOMPLETE = "incomplete"
    NOT_A_NUMBER = "not-a-number"
    NOT_FINITE = "not-finite"
    CRS_MISSING = "crs-missing"
    CRS_UNKNOWN = "crs-unknown"
    OUTSIDE_UK = "outside-uk"
    SWAPPED = "swapped"
    GRID_ABSURD = "grid-absurd"
    UNCERTAINTY_ABSURD = "uncertainty-absurd"
    LOST_MINUS_SIGN = "lost-minus-sign"
    GRID_SWAPPED = "grid-swapped"
    GRID_OTHER_CRS = "grid-other-crs"
    SOURCES_DISAGREE = "sources-disagree"
    SOURCES_AGREE = "sources-agree"
    POSTCODE_ONLY = "postcode-only"
    POSTCODE_UNKNOWN = "postcode-unknown"
    POSTCODE_UNCHECKED = "postcode-unchecked"
    UPRN_UNRESOLVED = "uprn-unresolved"
    WHAT3WORDS_UNRESOLVED = "what3words-unresolved"
    ILLUSTRATIVE = "illustrative"
    RECEIVER_ELSEWHERE = "receiver-elsewhere"
    NO_SERVICE = "no-service"
    SEVERAL_SERVICES = "several-services"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason. The text may hold the location that was asked about: show it, don't log it."""

    code: ReasonCode
    text: str

    def __str__(self) -> str:
        """As in the answer: ``code: sentence``."""
        return f"{self.code}: {self.text}"


class RejectionError(ValueError):
    """Input that can't be right. Carries the reason instead of a message, which might end up in a log."""

    def __init__(self, code: ReasonCode, text: str) -> None:
        super().__init__(str(code))
        self.reason = Reason(code, text)
