"""Who gets which event, and how it is signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from cad_bridge.delivery.webhooks import BATCH, LEASE, TIMEOUT_SECONDS, is_for, sign
from cad_bridge.store.rows import Event, Subscription

SERVICE = "https://fhir.nhs.uk/Id/dos-service-id|1"
ID = UUID("00000000-0000-4000-8000-000000000001")


def _event(type_: str, **data: Any) -> Event:
    return Event(
        cursor=1, id=ID, type=type_, at=datetime(2026, 1, 1, tzinfo=UTC), case_id=ID, case={}, data=data, rule="", by=""
    )


def _subscription(tier: int = 0, services: tuple[str, ...] = (SERVICE,)) -> Subscription:
    return Subscription(
        id=ID,
        client="cad",
        url="http://x/",
        secret="s" * 16,
        tier=tier,
        services=services,
        cursor=0,
        failures=0,
        last_error=None,
        last_success_at=None,
    )


def test_the_signature_is_the_hmac_sha256_of_the_exact_bytes() -> None:
    known = "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    assert sign("key", b"The quick brown fox jumps over the lazy dog") == known
    assert sign("key", b"The quick brown fox jumps over the lazy dog ") != known


@pytest.mark.parametrize("type_", ["case.created", "failsafe.dispatch", "escalation.repeated", "delivery.failed"])
def test_tier_zero_gets_everything_of_its_services_and_nothing_of_others(type_: str) -> None:
    event = _event(type_, level=1)
    assert is_for(event, _subscription(), local_service=SERVICE)
    assert not is_for(event, _subscription(), local_service=f"{SERVICE}1")
    assert not is_for(event, _subscription(services=()), local_service=SERVICE)


@pytest.mark.parametrize("tier", [1, 2, 3])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_higher_tiers_get_what_was_repeated_so_often_and_nothing_else(tier: int, level: int) -> None:
    subscription = _subscription(tier)
    assert is_for(_event("escalation.repeated", level=level), subscription, local_service=SERVICE) == (level >= tier)
    for type_ in ("escalation.raised", "escalation.acknowledged", "failsafe.dispatch"):
        assert not is_for(_event(type_, level=level), subscription, local_service=SERVICE)


def test_a_batch_ends_well_before_its_lease() -> None:
    assert LEASE.total_seconds() > BATCH * TIMEOUT_SECONDS
