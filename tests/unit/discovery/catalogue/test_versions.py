"""Storing a catalogue resource: its id, its version, when it was last updated, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cad_bridge.discovery.catalogue.versions import (
    NotOwnerError,
    StaleUpdateError,
    WrongIdError,
    next_version,
    owner_of,
    require_owner,
)
from tests.unit.discovery.catalogue.resources import endpoint, healthcare_service, organization, without

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_new_resource_gets_its_id_version_and_time() -> None:
    stored = next_version(
        without(endpoint(meta={"profile": ["p"], "lastUpdated": "2020-01-01T00:00:00Z"}), "id"),
        resource_id="e1",
        stored=None,
        now=NOON,
    )
    assert (stored["id"], stored["address"]) == ("e1", endpoint()["address"])
    assert stored["meta"] == {"profile": ["p"], "lastUpdated": "2026-11-21T12:00:00+00:00", "versionId": "1"}


def test_last_updated_is_later_only_if_the_resource_changed() -> None:
    first = next_version(endpoint(), resource_id="endpoint-1", stored=None, now=NOON)
    same = next_version(endpoint(), resource_id="endpoint-1", stored=first, now=NOON + timedelta(hours=1))
    assert same == first
    changed = next_version(
        endpoint(status="off"), resource_id="endpoint-1", stored=first, now=NOON + timedelta(hours=1)
    )
    assert changed["meta"] == {"lastUpdated": "2026-11-21T13:00:00+00:00", "versionId": "2"}


def test_last_updated_never_goes_back() -> None:
    first = next_version(endpoint(), resource_id="endpoint-1", stored=None, now=NOON)
    later = next_version(endpoint(status="off"), resource_id="endpoint-1", stored=first, now=NOON - timedelta(hours=1))
    assert later["meta"]["lastUpdated"] == "2026-11-21T12:00:00+00:00"


def test_an_update_of_an_older_copy_is_refused() -> None:
    first = next_version(endpoint(), resource_id="endpoint-1", stored=None, now=NOON)
    stale = endpoint(status="off", meta={"lastUpdated": "2026-11-21T11:59:59Z"})
    with pytest.raises(StaleUpdateError):
        next_version(stale, resource_id="endpoint-1", stored=first, now=NOON)
    fresh = endpoint(status="off", meta={"lastUpdated": first["meta"]["lastUpdated"]})
    assert next_version(fresh, resource_id="endpoint-1", stored=first, now=NOON)["meta"]["versionId"] == "2"


def test_path_and_resource_must_name_one_id() -> None:
    with pytest.raises(WrongIdError):
        next_version(endpoint(1), resource_id="endpoint-2", stored=None, now=NOON)


def test_only_the_owner_changes_an_endpoint() -> None:
    assert (owner_of(endpoint()), owner_of(healthcare_service()), owner_of(organization())) == ("RX8", "RX8", "RX8")
    require_owner(endpoint(), "rx8")
    for stored, asking in ((endpoint(), "RX9"), (without(endpoint(), "managingOrganization"), "RX8")):
        with pytest.raises(NotOwnerError):
            require_owner(stored, asking)


def test_a_resource_made_anew_goes_on_counting() -> None:
    again = next_version(endpoint(), resource_id="endpoint-1", stored=None, now=NOON, deleted_as=2)
    assert again["meta"]["versionId"] == "3"
