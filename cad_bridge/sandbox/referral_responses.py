"""Application 6 responses: status updates and refusal (APP6-RSP)."""

from __future__ import annotations

from datetime import datetime

from .actions import Refuse
from .cases import Case
from .codes import REJECTED_REASON_NAMES, REJECTED_REASONS, concept
from .definitions import REFERRAL_SHORT
from .identity import Json
from .responses import response_message


def status_response(case: Case, now: datetime) -> Json:
    """The state of the case as it stands, with its history (APP6-RSP-03, -05, -08)."""
    own = case.encounter(now, history=True)
    return response_message(case, definition=REFERRAL_SHORT, reason="new", own=own, entries=(), now=now)


def refusal(case: Case, action: Refuse, now: datetime) -> Json:
    """Call assist or mutual aid refused (APP6-RSP-10)."""
    display = REJECTED_REASON_NAMES.get(action.code, action.text)
    reason = concept(REJECTED_REASONS, action.code, display, text=action.text)
    own = case.encounter(now, reason=reason, history=True)
    return response_message(case, definition=REFERRAL_SHORT, reason="new", own=own, entries=(), now=now)
