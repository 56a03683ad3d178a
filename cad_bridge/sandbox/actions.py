"""What a simulated responder can be told to do with a case."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Outcome(StrEnum):
    """How a validation can end."""

    SAME = "same"
    DOWNGRADE = "downgrade"
    UPGRADE = "upgrade"
    C1 = "c1"
    HEAR_AND_TREAT = "hear-and-treat"
    ONWARD_REFERRAL = "onward-referral"
    PATIENT_LIFTED = "patient-lifted"


class Defect(StrEnum):
    """The one thing that is wrong with a malformed response."""

    NOT_JSON = "not-json"
    NO_VERSION = "no-version"
    UNSUPPORTED_VERSION = "unsupported-version"
    NO_RESPONSE = "no-response"
    UNKNOWN_IDENTIFIER = "unknown-identifier"
    UNKNOWN_DEFINITION = "unknown-definition"
    UNKNOWN_EVENT = "unknown-event"
    WRONG_RECEIVER = "wrong-receiver"
    NO_ENCOUNTER = "no-encounter"
    BAD_ENCOUNTER_STATUS = "bad-encounter-status"
    NO_CARE_PLAN = "no-care-plan"
    FORBIDDEN_REFUSAL = "forbidden-refusal"
    """An out-of-area referral is refused, which only call assist and mutual aid may be (APP6-RSP-11)."""


@dataclass(frozen=True)
class Start:
    """The consultation starts: interim response, Encounter in-progress (APP4-VS-03)."""


@dataclass(frozen=True)
class Reject:
    """The validation cannot be done: interim response, Encounter cancelled (APP4-VS-05)."""

    code: str = "OTH"
    text: str = "The patient could not be reached on any of the numbers given"


@dataclass(frozen=True)
class Complete:
    """The consultation is over: final response (APP4-VS-10)."""

    outcome: Outcome = Outcome.HEAR_AND_TREAT
    arp: str | None = None
    """Overrules the ARP code that the outcome gives; HCP codes for a responder without a triage system (APP4-VS-24)."""
    care_plan_status: str | None = None
    """Overrules CarePlan.status, to contradict the ARP code (APP4-VS-16)."""
    encounter_status: Literal["finished", "triaged"] = "finished"
    cad_id: str | None = None
    """The new CAD id of an upgrade to C1 or C2; made up when not given."""


@dataclass(frozen=True)
class ReportStatus:
    """CAD to CAD: the state of the case changed (APP6-RSP-02)."""

    status: Literal["planned", "in-progress", "finished"]


@dataclass(frozen=True)
class Refuse:
    """CAD to CAD: call assist or mutual aid cannot be given (APP6-RSP-10)."""

    code: str = "RRNA"
    text: str = "No crew is available within the time asked for"


Act = Start | Reject | Complete | ReportStatus | Refuse


@dataclass(frozen=True)
class Malformed:
    """Sends what `of` would send, with one thing wrong; the case does not change."""

    defect: Defect
    of: Act


Action = Act | Malformed


class ScriptError(Exception):
    """A plan asks for what the standard does not allow or the case does not give."""
