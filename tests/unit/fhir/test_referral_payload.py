"""Every referral message that is built holds what the guide's element table for it demands, row by row."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from cad_bridge.fhir.build_referral import referral_bundle
from cad_bridge.fhir.build_status import status_bundle
from cad_bridge.fhir.content import RejectionReason
from cad_bridge.fhir.content_clinical import Practitioner
from cad_bridge.fhir.envelope import StatusChange
from cad_bridge.fhir.payload import ROWS, is_tolerated
from cad_bridge.fhir.payload_rows import Row
from cad_bridge.fhir.payload_view import Kind, MessageView, subjects
from cad_bridge.fhir.profile import check_profile
from tests.contents import LATER, NOON, envelope, own_encounter
from tests.referral_contents import category_5, issued_ids, mutual_aid

ADDED = {
    "allergies": [{"text": "Latex", "reaction": "Rash"}],
    "medications": [{"text": "Aspirin", "date": "2026-11-20"}],
}
FLAGS = {"flags": [{"category": "SG", "text": "x"}, {"category": "RA", "code": {"code": "wheelchairaccess"}}]}
BREATHING = {"arp": "C2", "summary": "x", "pre_triage_sieve": {"breathing": True, "conscious": True}}


def referral() -> bytes:
    """Everything that CAD to CAD can carry, with each question of both questionnaires."""
    triage = BREATHING | {"nature_of_call": {"code": "CHOM"}, "system": {"name": "AMPDS", "version": "13"}}
    return referral_bundle(mutual_aid(**ADDED, **FLAGS, triage=triage), envelope())


def category_5_referral() -> bytes:
    place = [{"type": "rendezvous", "uprn": "72000002"}]
    return referral_bundle(category_5(**ADDED, **FLAGS, other_locations=place), envelope())


def status(present: str) -> bytes:
    request = referral()
    history = tuple(
        StatusChange(status=one, since=NOON + timedelta(minutes=minute))
        for minute, one in enumerate(dict.fromkeys(("planned", present)), start=3)
    )
    return status_bundle(
        request,
        issued_ids=issued_ids(orjson.loads(request)),
        encounter=replace(own_encounter(status=present), history=history),
        envelope=envelope(from_requester=False, bundle=2, message=2, at=LATER),
        practitioner=Practitioner(sds_role_profile_id="T9999"),
        reason=RejectionReason(code="RRNA") if present == "cancelled" else None,
    )


@functools.cache
def view(name: str) -> MessageView:
    made: dict[str, tuple[bytes, Kind, str]] = {
        "referral": (referral(), "request", "a6t3"),
        "category-5": (category_5_referral(), "request", "a3t1"),
        "status": (status("in-progress"), "status-response", "a6t3"),
        "refusal": (status("cancelled"), "rejection", "a6t3"),
    }
    raw, kind, use_case = made[name]
    return MessageView(orjson.loads(raw), kind, use_case)


@functools.cache
def broken_rules(name: str) -> frozenset[str]:
    """Every rule that the message breaks."""
    one = view(name)
    found = check_profile(one.bundle, use_case=one.use_case, kind=one.kind, strict=True)
    return frozenset(issue.rule for issue in found)


NAMES = ("referral", "category-5", "status", "refusal")


def rows() -> Iterator[object]:
    for name in NAMES:
        for row in ROWS:
            if not any(letter in row.payloads for letter in view(name).payload) or is_tolerated(row, view(name)):
                continue
            if row.path == "id" and view(name).kind == "request" and row.subject != "Bundle":
                continue  # ids are the receiver's to issue (CORE-SYNC-04)
            yield pytest.param(name, row, id=f"{name}-{row.rule}", marks=pytest.mark.req(row.rule))


@pytest.mark.parametrize(("name", "row"), list(rows()))
def test_the_row_is_kept(name: str, row: Row) -> None:
    held = subjects(view(name), row.subject)

    assert held, "a message without the subject would show nothing"
    assert row.rule not in broken_rules(name)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_missing_and_nothing_unusual_sent(name: str) -> None:
    assert broken_rules(name) == frozenset()
