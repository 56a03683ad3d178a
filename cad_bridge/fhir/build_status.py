"""Status responses of CAD to CAD: how the receiver's case stands, or that it refuses it (Application 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson

from cad_bridge.fhir import codes
from cad_bridge.fhir.build_elements import Entry, Json
from cad_bridge.fhir.build_response import ResponseFrame, rejection_reason
from cad_bridge.fhir.content import RejectionReason
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.envelope import Envelope, OwnEncounter
from cad_bridge.fhir.facts import read_facts

STATUSES = frozenset({"planned", "in-progress", "finished", "cancelled"})
"""Accepted and waiting, or stood down; resource allocated; resource cleared; refused (APP6-RSP-02)."""
REFUSABLE_USE_CASES = frozenset({"a6t2", "a6t3"})
"""An out of area referral cannot be refused (APP6-RSP-09)."""
REFUSAL_CODES = frozenset({"RRNA", "OTH"})
"""rejected-reasons-bars as published; OTH needs a text (APP6-RSP-10, X-39)."""


def status_bundle(
    request: bytes,
    *,
    issued_ids: Mapping[str, str],
    encounter: OwnEncounter,
    envelope: Envelope,
    practitioner: Practitioner,
    reason: RejectionReason | None = None,
    original_bundle_id: str | None = None,
) -> bytes:
    """The own case has taken the status `encounter.status` (APP6-RSP-01 to APP6-RSP-08), or the request is refused.

    `request` is the latest state of the referral; `original_bundle_id` is the Bundle.id of the first one where that
    differs. `encounter.history` ends with the present status. `reason` goes with ``cancelled``, and only with it.

    Raises ValueError for another status, a history that does not end with it, a refusal of a use case that cannot be
    refused, without a reason or with one that BaRS does not know, or if `request` is no referral between ambulance
    services.
    """
    _refuse_what_cannot_be_sent(request, encounter, reason)
    frame = StatusFrame(
        request=request,
        issued_ids=issued_ids,
        encounter=replace(encounter, period_end=encounter.period_end or encounter.history[-1].since),
        envelope=envelope,
        practitioner=practitioner,
        original_bundle_id=original_bundle_id,
    )
    return frame.short_message(
        status=encounter.status,
        reason_code=rejection_reason(reason) if reason else None,
        definition=codes.DEFINITION_RESPONSE_SHORT,
        ended=encounter.status in {"finished", "cancelled"},
    )


@dataclass(frozen=True, kw_only=True)
class StatusFrame(ResponseFrame):
    """A received referral on its way back with a status."""

    def service_request(self) -> Entry:
        """The ServiceRequest as it came: nothing in it is the receiver's to change (APP6-RSP-03)."""
        entry = super().service_request()
        before = next(one for one in self.received if one.full_url == entry.full_url)
        added: Json = {name: entry.resource[name] for name in ("authoredOn", "performer") if name in entry.resource}
        return Entry(entry.full_url, {**before.resource, "status": "active", **added})


def _refuse_what_cannot_be_sent(request: bytes, encounter: OwnEncounter, reason: RejectionReason | None) -> None:
    if encounter.status not in STATUSES:
        raise ValueError("a CAD to CAD case has no such status")
    if not encounter.history or encounter.history[-1].status != encounter.status:
        raise ValueError("the history of statuses ends with the present one")
    use_case = read_facts(orjson.loads(request)).use_case or ""
    if not use_case.startswith("a6"):
        raise ValueError("no referral between ambulance services")
    if (reason is not None) != (encounter.status == "cancelled"):
        raise ValueError("a refusal has a reason, and nothing else has")
    if reason is not None:
        _refuse_a_refusal(use_case, reason)


def _refuse_a_refusal(use_case: str, reason: RejectionReason) -> None:
    if use_case not in REFUSABLE_USE_CASES:
        raise ValueError("an out of area referral cannot be refused")
    if reason.code not in REFUSAL_CODES:
        raise ValueError("a refusal has a code of the published list")
    if reason.code == "OTH" and reason.text is None:
        raise ValueError("another reason is said in words")
