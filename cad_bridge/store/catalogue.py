"""The endpoint catalogue in the database: versions are added under one lock and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge.store import catalogue_tables
from cad_bridge.store.core_tables import table_of

VERSIONS = table_of(catalogue_tables.CatalogueVersionRow)

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('endpoint catalogue', 3))")


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueVersion:
    """One version of one resource: who made it so, when, and the resource itself; None where it was deleted."""

    kind: str
    """``HealthcareService``, ``Endpoint``, ``Template`` (of an Endpoint) or ``Organization``."""
    id: str
    version: int
    action: str
    at: datetime
    by: str
    resource: dict[str, Any] | None


async def lock(connection: AsyncConnection) -> None:
    """Let nobody else change the catalogue until this transaction ends: versions follow on one another."""
    await connection.execute(_LOCK)


async def revision(connection: AsyncConnection) -> int:
    """The number of the newest change, 0 before the first. It grows in the order of the commits."""
    query = select(func.coalesce(func.max(VERSIONS.c.revision), 0))
    number: int = (await connection.execute(query)).scalar_one()
    return number


async def current(connection: AsyncConnection, kind: str) -> list[dict[str, Any]]:
    """All resources of a kind as they are now, by id."""
    later = VERSIONS.alias()
    newest_version = select(func.max(later.c.version)).where(later.c.kind == kind, later.c.id == VERSIONS.c.id)
    query = (
        _versions()
        .where(VERSIONS.c.kind == kind, VERSIONS.c.version == newest_version.scalar_subquery())
        .order_by(VERSIONS.c.id)
    )
    found = [_version(row) for row in await connection.execute(query)]
    return [version.resource for version in found if version.resource is not None]


async def newest(connection: AsyncConnection, kind: str, id_: str) -> CatalogueVersion | None:
    """The newest version of a resource, a deletion included; None where there never was one."""
    query = _one(kind, id_).order_by(VERSIONS.c.version.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _version(row)


async def history(connection: AsyncConnection, kind: str, id_: str) -> list[CatalogueVersion]:
    """All versions of a resource, the newest first."""
    return [_version(row) for row in await connection.execute(_one(kind, id_).order_by(VERSIONS.c.version.desc()))]


async def add(connection: AsyncConnection, version: CatalogueVersion) -> None:
    """Add a version. The caller holds the lock (`lock`) and commits."""
    values = {name: getattr(version, name) for name in _NAMES}
    await connection.execute(insert(VERSIONS).values(**values, revision=await revision(connection) + 1))


_NAMES = ("kind", "id", "version", "action", "at", "by", "resource")


def _versions() -> Select[Any]:
    return select(*(VERSIONS.c[name] for name in _NAMES))


def _one(kind: str, id_: str) -> Select[Any]:
    return _versions().where(VERSIONS.c.kind == kind, VERSIONS.c.id == id_)


def _version(row: Any) -> CatalogueVersion:
    return CatalogueVersion(**{name: getattr(row, name) for name in _NAMES})
