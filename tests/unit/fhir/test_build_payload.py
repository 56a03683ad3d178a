"""Every message that is built holds what the guide's element table for it demands, row by row."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import orjson
import pytest

from cad_bridge.fhir.build_cancellation import cancellation_bundle
from cad_bridge.fhir.build_outcome import final_bundle
from cad_bridge.fhir.build_request import request_bundle
from cad_bridge.fhir.build_response import interim_bundle, rejection_bundle
from cad_bridge.fhir.content import RejectionReason
from cad_bridge.fhir.payload import check_payload, is_tolerated, rows_for
from cad_bridge.fhir.payload_check import broken_rows
from cad_bridge.fhir.payload_rows import Row
from cad_bridge.fhir.payload_view import MessageView, subjects
from tests.contents import LATER, by_url, envelope, own_encounter, plain_outcome, plain_request

ADDED = {
    "allergies": [{"text": "Latex", "reaction": "Rash"}],
    "medications": [{"text": "Aspirin", "date": "2026-11-20"}],
}
REQUEST = request_bundle(plain_request(**ADDED), envelope())
ISSUED = {
    url: f"issued-{index}"
    for index, (url, resource) in enumerate(by_url(orjson.loads(REQUEST)).items())
    if resource["resourceType"] not in {"MessageHeader", "Encounter"}
}


@functools.cache
def view(kind: str) -> MessageView:
    raw = {
        "request": lambda: REQUEST,
        "interim": interim,
        "rejection": rejection,
        "final": final,
        "cancellation": cancel,
    }
    return MessageView(orjson.loads(raw[kind]()), kind, "a4t1")  # type: ignore[arg-type]


def interim() -> bytes:
    return interim_bundle(
        REQUEST,
        issued_ids=ISSUED,
        encounter=own_encounter(),
        envelope=envelope(from_requester=False, bundle=2, message=2, at=LATER),
        practitioner=plain_outcome().practitioner,
    )


def rejection() -> bytes:
    return rejection_bundle(
        REQUEST,
        issued_ids=ISSUED,
        encounter=own_encounter(),
        envelope=envelope(from_requester=False, bundle=2, message=2, at=LATER),
        practitioner=plain_outcome().practitioner,
        reason=RejectionReason(code="RRNA"),
    )


def final() -> bytes:
    return final_bundle(
        REQUEST,
        issued_ids=ISSUED,
        encounter=own_encounter(),
        envelope=envelope(from_requester=False, bundle=2, message=2, at=LATER),
        outcome=plain_outcome(**ADDED, new_cad_id="S1", flags=plain_request().flags + plain_request().flags),
        interim_sent=True,
    )


def cancel() -> bytes:
    return cancellation_bundle(
        REQUEST, issued_ids=ISSUED, status="revoked", reason_text="x", envelope=envelope(message=2, at=LATER)
    )


def rows() -> Iterator[object]:
    for kind in ("request", "interim", "rejection", "final", "cancellation"):
        for subject, found in rows_for(view(kind).payload, with_ids=kind != "request").items():
            for row in found:
                if row.path == "id" and kind == "request" and subject != "Bundle":
                    continue  # ids are the receiver's to issue (CORE-SYNC-04)
                if not is_tolerated(row, view(kind)):
                    yield pytest.param(kind, row, id=f"{kind}-{row.rule}", marks=pytest.mark.req(row.rule))


@pytest.mark.parametrize(("kind", "row"), list(rows()))
def test_the_row_is_kept(kind: str, row: Row) -> None:
    held = subjects(view(kind), row.subject)

    assert held, "a message without the subject would show nothing"
    assert [node for node in held if broken_rows((row,), node)] == []


@pytest.mark.parametrize("kind", ["request", "interim", "rejection", "final"])
def test_nothing_is_missing_and_nothing_unusual_sent(kind: str) -> None:
    assert list(check_payload(view(kind))) == []
