"""The endpoint catalogue of this installation: who changes what of it, and the entries that it comes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cad_bridge.discovery.catalogue.elements import Resource
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.imports import ImportedCatalogue, ImportRefusedError, two_addresses
from cad_bridge.discovery.catalogue.join import entries_from_resources
from cad_bridge.discovery.catalogue.tokens import same_identifier
from cad_bridge.discovery.catalogue.validate import has_errors, validate
from cad_bridge.discovery.catalogue.versions import NotOwnerError, StaleUpdateError, next_version, owner_of
from cad_bridge.fhir.issues import Issue
from cad_bridge.store import catalogue
from cad_bridge.store.catalogue import CatalogueVersion

HEALTHCARE_SERVICE, ENDPOINT, TEMPLATE, ORGANIZATION = "HealthcareService", "Endpoint", "Template", "Organization"

# CatalogueWriteError
# ├── InvalidResourceError    the resource can't be stored as it is: 400
# └── NoSuchResourceError     nothing to delete or read: 404
# (and StoreRefusedError of `discovery.catalogue.versions`: not the owner, a stale copy, another id)


class CatalogueWriteError(Exception):
    """The catalogue is not changed."""


class InvalidResourceError(CatalogueWriteError):
    """The resource breaks a rule of the catalogue; `issues` say which."""

    def __init__(self, issues: tuple[Issue, ...]) -> None:
        super().__init__(f"{len(issues)} findings")
        self.issues = issues


class NoSuchResourceError(CatalogueWriteError):
    """There is no such resource, or no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who changes the catalogue. `organisations` (ODS codes) is None for an operator who imports a file."""

    name: str
    organisations: frozenset[str] | None

    def owns(self, resource: Resource) -> bool:
        """Whether the resource belongs to an organisation that this author acts for (API 1.4.0)."""
        owner = owner_of(resource)
        if self.organisations is None:
            return True
        return owner is not None and owner.upper() in {code.upper() for code in self.organisations}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A resource as it is stored now."""

    resource: Resource
    created: bool
    changed: bool
    warnings: tuple[Issue, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportCounts:
    """What an import changed."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the configuration says of services: entries that hold where the catalogue is silent, use cases that add."""

    entries: tuple[CatalogueEntry, ...] = ()
    use_cases: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class _Joined:
    revision: int
    entries: tuple[CatalogueEntry, ...]


class Catalogue:
    """Reads and changes the catalogue. Every change is a new version in a commit of its own."""

    def __init__(
        self,
        database: AsyncEngine,
        *,
        now: Callable[[], datetime],
        new_id: Callable[[], UUID],
        configured: Configured | None = None,
    ) -> None:
        self.database = database
        self._now = now
        self._new_id = new_id
        self._configured = configured or Configured()
        self._joined: _Joined | None = None

    # --- reading -----------------------------------------------------------------------------------

    async def entries(self, connection: AsyncConnection | None = None) -> tuple[CatalogueEntry, ...]:
        """Every service with its address and use cases; joined anew only when the catalogue has changed.

        Who is in a transaction gives its connection: waiting for a second one while holding a first can lock up all.
        """
        if connection is None:
            async with self.database.connect() as own:
                return await self.entries(own)
        revision = await catalogue.revision(connection)
        known = self._joined
        if known is None or known.revision != revision:
            known = self._joined = _Joined(revision, await self._join(connection))
        return known.entries

    async def _join(self, connection: AsyncConnection) -> tuple[CatalogueEntry, ...]:
        joined = await _join_stored(connection, self._configured.use_cases)
        silent = (
            entry
            for entry in self._configured.entries
            if not any(same_identifier(entry.token, known.token) for known in joined)
        )
        return (*joined, *silent)

    async def all_of(self, kind: str) -> list[Resource]:
        """All resources of a kind, by id."""
        async with self.database.connect() as connection:
            return await catalogue.current(connection, kind)

    async def read(self, kind: str, id_: str) -> Resource:
        """One resource. Raises NoSuchResourceError."""
        async with self.database.connect() as connection:
            newest = await catalogue.newest(connection, kind, id_)
        if newest is None or newest.resource is None:
            raise NoSuchResourceError
        return newest.resource

    async def history(self, kind: str, id_: str) -> list[CatalogueVersion]:
        """All versions of a resource, the newest first. Raises NoSuchResourceError where there never was one."""
        async with self.database.connect() as connection:
            versions = await catalogue.history(connection, kind, id_)
        if not versions:
            raise NoSuchResourceError
        return versions

    # --- changing ----------------------------------------------------------------------------------

    async def create(self, kind: str, resource: Resource, *, by: Author) -> Stored:
        """Store a new resource under an id of our own.

        Raises:
            InvalidResourceError, NotOwnerError: it is not stored.
        """
        anonymous = {name: value for name, value in resource.items() if name != "id"}
        return await self.replace(kind, str(self._new_id()), anonymous, by=by)

    async def replace(
        self, kind: str, id_: str, resource: Resource, *, by: Author, expected: str | None = None
    ) -> Stored:
        """Store a version of a resource, the first or a later one. The same content again changes nothing.

        `expected` is the version that the author means to change, where he says so.

        Raises:
            InvalidResourceError, StoreRefusedError: it is not stored.
        """
        warnings = _checked(kind, resource)
        async with self._changing() as connection:
            _require_version(await catalogue.newest(connection, kind, id_), expected)
            stored = await self._put(connection, kind, id_, resource, by=by)
        return Stored(resource=stored.resource, created=stored.created, changed=stored.changed, warnings=warnings)

    async def delete(self, kind: str, id_: str, *, by: Author, expected: str | None = None) -> None:
        """Take a resource out of the catalogue; its history stays.

        Raises:
            NoSuchResourceError, NotOwnerError, StaleUpdateError: nothing is deleted.
        """
        async with self._changing() as connection:
            newest = await catalogue.newest(connection, kind, id_)
            if newest is None or newest.resource is None:
                raise NoSuchResourceError
            _require_owner(newest.resource, by)
            _require_version(newest, expected)
            at = max(self._now(), newest.at)
            await catalogue.add(connection, _version(kind, id_, newest.version + 1, "delete", at, by, None))

    async def take(self, imported: ImportedCatalogue, *, by: Author) -> ImportCounts:
        """Store all resources of a file in one commit, or none; what the file does not name stays as it is.

        When they were last updated elsewhere says nothing of our copies, which are as old as their last change here.

        Raises:
            ImportRefusedError: a service would come to have more than one address.
        """
        async with self._changing() as connection:
            known = set(two_addresses(await _join_stored(connection, {})))
            stored = [
                await self._put(connection, resource["resourceType"], resource["id"], _undated(resource), by=by)
                for resource in imported.resources
            ]
            found = two_addresses(await _join_stored(connection, {}))
            problems = tuple(problem for problem in found if problem not in known)
            if problems:
                raise ImportRefusedError(problems)
        created, changed = sum(item.created for item in stored), sum(item.changed for item in stored)
        return ImportCounts(created=created, updated=changed - created, unchanged=len(stored) - changed)

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that no other change of the catalogue runs beside; committed unless something is raised."""
        async with self.database.begin() as connection:
            await catalogue.lock(connection)
            yield connection

    async def _put(self, connection: AsyncConnection, kind: str, id_: str, resource: Resource, *, by: Author) -> Stored:
        newest = await catalogue.newest(connection, kind, id_)
        before = newest.resource if newest is not None else None
        _require_owner(resource, by)
        if before is not None:
            _require_owner(before, by)
        at = self._now() if newest is None else max(self._now(), newest.at)
        deleted_as = newest.version if newest is not None and before is None else 0
        made = next_version(resource, resource_id=id_, stored=before, now=at, deleted_as=deleted_as)
        if made == before:
            return Stored(resource=made, created=False, changed=False)
        number, action = int(made["meta"]["versionId"]), "create" if before is None else "update"
        await catalogue.add(connection, _version(kind, id_, number, action, at, by, made))
        return Stored(resource=made, created=before is None, changed=True)


async def _join_stored(
    connection: AsyncConnection, use_cases: Mapping[str, frozenset[str]]
) -> tuple[CatalogueEntry, ...]:
    return entries_from_resources(
        await catalogue.current(connection, HEALTHCARE_SERVICE),
        await catalogue.current(connection, ENDPOINT),
        organizations=await catalogue.current(connection, ORGANIZATION),
        use_cases=use_cases,
    ).entries


def _checked(kind: str, resource: Resource) -> tuple[Issue, ...]:
    """Warnings about a resource; raises InvalidResourceError for one that can't be stored."""
    template = kind == TEMPLATE
    issues = validate(resource, ENDPOINT if template else kind, template=template)
    if has_errors(issues):
        raise InvalidResourceError(issues)
    return issues


def _require_owner(resource: Resource, by: Author) -> None:
    if not by.owns(resource):
        raise NotOwnerError("only its owner may change or delete it")


def _require_version(newest: CatalogueVersion | None, expected: str | None) -> None:
    """Raises StaleUpdateError where the author means another version than the one that is there."""
    if expected is None:
        return
    if newest is None or newest.resource is None or newest.resource["meta"]["versionId"] != expected:
        raise StaleUpdateError("the stored resource is another version")


def _undated(resource: Resource) -> Resource:
    meta = resource.get("meta")
    if not isinstance(meta, dict):
        return resource
    return {**resource, "meta": {name: value for name, value in meta.items() if name != "lastUpdated"}}


def _version(  # noqa: PLR0917 - the columns of one row
    kind: str, id_: str, number: int, action: str, at: datetime, by: Author, resource: Resource | None
) -> CatalogueVersion:
    return CatalogueVersion(kind=kind, id=id_, version=number, action=action, at=at, by=by.name, resource=resource)
