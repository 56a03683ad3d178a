"""Storing a catalogue resource: who may, under which id, and when it was last updated."""

from __future__ import annotations

from datetime import datetime

from cad_bridge.discovery.catalogue.elements import Resource, identifiers, instant, referred_identifier
from cad_bridge.discovery.catalogue.tokens import same_system
from cad_bridge.fhir.systems import ODS_CODE

# StoreRefusedError
# ├── NotOwnerError      only the owner changes or deletes an Endpoint (API 1.4.0): 403
# ├── StaleUpdateError   the client's copy is older than the stored one: 409
# └── WrongIdError       the id in the resource is not the id in the path: 400


class StoreRefusedError(Exception):
    """A resource is not stored."""


class NotOwnerError(StoreRefusedError):
    """The resource belongs to another organisation."""


class StaleUpdateError(StoreRefusedError):
    """The resource was changed after the client had read it."""


class WrongIdError(StoreRefusedError):
    """Path and resource name two different ids."""


def owner_of(resource: Resource) -> str | None:
    """ODS code of the organisation that manages an Endpoint or provides a HealthcareService, or that a resource is."""
    if resource.get("resourceType") == "Organization":
        return next((held.value for held in identifiers(resource) if same_system(held.system, ODS_CODE)), None)
    for name in ("managingOrganization", "providedBy"):
        token = referred_identifier(resource.get(name))
        if token is not None and same_system(token.system, ODS_CODE):
            return token.value
    return None


def require_owner(stored: Resource, ods_code: str) -> None:
    """Refuse a change or deletion by anyone but the owner.

    Raises:
        NotOwnerError: the stored resource belongs to another organisation, or to none.
    """
    owner = owner_of(stored)
    if owner is None or owner.upper() != ods_code.upper():
        raise NotOwnerError("only its owner may change or delete it")


def next_version(
    resource: Resource, *, resource_id: str, stored: Resource | None, now: datetime, deleted_as: int = 0
) -> Resource:
    """The resource as it is stored: its id, its version, and `lastUpdated` by the catalogue's clock.

    A new resource and a changed one get `now`. An unchanged one keeps its version and time: lastUpdated is later only
    if the resource changed. It never goes back, whatever the clock does. `deleted_as` is the version by which a
    resource of this id was deleted: one that is made anew goes on counting from there.

    Raises:
        WrongIdError: the resource says another id.
        StaleUpdateError: the resource carries an older lastUpdated than the stored one.
    """
    if resource.get("id") not in (None, resource_id):
        raise WrongIdError("the id of the resource is not that of the path")
    if stored is None:
        return _stamped(resource, resource_id, version=deleted_as + 1, at=now)
    before = _last_updated(stored)
    carried = _last_updated(resource)
    if before is not None and carried is not None and carried < before:
        raise StaleUpdateError("the stored resource is newer")
    if _content(resource) == _content(stored):
        return stored
    at = max(now, before) if before is not None else now
    return _stamped(resource, resource_id, version=_version(stored) + 1, at=at)


def _stamped(resource: Resource, resource_id: str, *, version: int, at: datetime) -> Resource:
    meta = resource.get("meta")
    kept = meta if isinstance(meta, dict) else {}
    stamped = {**kept, "versionId": str(version), "lastUpdated": at.isoformat()}
    rest = {name: value for name, value in resource.items() if name not in ("resourceType", "id", "meta")}
    return {"resourceType": resource["resourceType"], "id": resource_id, "meta": stamped, **rest}


def _content(resource: Resource) -> Resource:
    """Everything but the id and what the catalogue writes into meta itself."""
    meta = resource.get("meta")
    kept = {name: value for name, value in meta.items() if name not in ("versionId", "lastUpdated")} if meta else {}
    return {**{name: value for name, value in resource.items() if name not in ("id", "meta")}, "meta": kept}


def _last_updated(resource: Resource) -> datetime | None:
    meta = resource.get("meta")
    return instant(meta.get("lastUpdated")) if isinstance(meta, dict) else None


def _version(resource: Resource) -> int:
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return int(version) if isinstance(version, str) and version.isdecimal() else 0
