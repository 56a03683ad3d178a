"""JSON of our values, for events and for the rows that the database unpacks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.store.mapping import changed_values
from cad_bridge.store.plain import as_json, dumps
from cad_bridge.store.rows import Conversation, StoredCase
from cad_bridge.workflow.vocabulary import EventType, Priority
from tests.unit.workflow.builders import requester_case

ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
AT = datetime(2026, 11, 21, 15, 0, 0, 120_000, tzinfo=UTC)
LARGE = 12_345_678_901_234_567_890_123


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AT, "2026-11-21T15:00:00.120000+00:00"),
        (AT.replace(microsecond=0), "2026-11-21T15:00:00+00:00"),
        (ID, str(ID)),
        (EventType.CASE_CREATED, "case.created"),
        ({"arp": Priority.C3, ID: None}, {"arp": "C3", str(ID): None}),
        (MappingProxyType({"a": (1, 2.5)}), {"a": [1, 2.5]}),
        ({"codes": frozenset({"RRNA"})}, {"codes": ["RRNA"]}),
        ("Zoë \N{GRINNING FACE}\n", "Zoë \N{GRINNING FACE}\n"),
    ],
)
def test_a_value_has_its_plain_form(value: Any, expected: Any) -> None:
    assert as_json(value) == expected
    assert json.loads(dumps(value)) == expected


def test_an_integer_beyond_64_bits_is_written_with_every_digit() -> None:
    assert json.loads(dumps({"n": LARGE, "id": ID, "at": AT})) == {"n": LARGE, "id": str(ID), "at": AT.isoformat()}


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        dumps({"x": object()})


def test_only_what_a_command_changed_is_written_anew() -> None:
    """The clinical content above all: it is large, and most commands leave it alone."""
    before = StoredCase(
        case=requester_case(),
        conversation=Conversation(
            local_service="s|1",
            remote_service="s|2",
            case_number="YAS-1",
            journey_id=None,
            correlation_id=str(ID),
            request_bundle_id=str(ID),
            service_request_full_url=None,
            encounter_full_url=f"urn:uuid:{ID}",
        ),
        content={"presenting_complaint": "Palpitations"},
        created_at=AT,
        updated_at=AT,
    )
    later = AT + timedelta(minutes=1)
    after = before.evolve(case=before.case.evolve(state="breached", version=9), updated_at=later)
    assert changed_values(before, after) == {"state": "breached", "version": 9, "updated_at": later}
    assert changed_values(before, before.evolve(content=dict(before.content))) == {}
    assert changed_values(before, before.evolve(content={"x": 1}))["content"] == {"x": 1}
