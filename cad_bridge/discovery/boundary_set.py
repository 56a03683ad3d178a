"""A boundary set: the areas of the ambulance services with where they come from, and its directory on disk.

A directory holds ``manifest.json``, ``areas.wkb`` (one geometry collection in the manifest's order) and
``foreign-border.wkb``. The version is the set's name and a hash of its content: the same content always has the same
version.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import shapely

_GRID_M = 0.001

FORMAT = "cad-bridge boundary set 1"
CRS = "EPSG:27700"
MANIFEST_FILE = "manifest.json"
AREAS_FILE = "areas.wkb"
FOREIGN_BORDER_FILE = "foreign-border.wkb"

# BoundarySetError
# ├── MalformedSetError  not a boundary set, or one of a format that this version doesn't know
# └── ChecksumError      a file is not the one that the manifest was written for


class BoundarySetError(Exception):
    """A boundary set can't be used."""


class MalformedSetError(BoundarySetError):
    """The directory is not a boundary set of this format."""


class ChecksumError(BoundarySetError):
    """A file of the set differs from what its manifest promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmbulanceService:
    """An ambulance service trust or board, by its ODS code."""

    ods_code: str
    short_name: str
    name: str
    code_status: str = "verified"
    """``verified``, or ``placeholder`` where no ODS code is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Something that a set was made from: title, version, licence, SHA-256 of the file that was read."""

    title: str
    version: str
    licence: str
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a set comes from and what it may be used for."""

    name: str
    attribution: str
    licence: str
    operational: bool = False
    """Whether the owner of the data says that it may decide real dispatch."""
    note: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundarySet:
    """The areas of all services, in British National Grid metres, ordered by ODS code."""

    provenance: Provenance
    services: tuple[AmbulanceService, ...]
    areas: tuple[Any, ...]
    """One polygon or multipolygon for each service, in the same order."""
    foreign_border: Any = field(default_factory=shapely.MultiLineString)
    """Land borders with a country whose places are not ours: the Irish border."""
    foreign_border_tolerance_m: float = 3000.0
    """How far `foreign_border` may lie from the true border, metres."""

    @property
    def version(self) -> str:
        """The name and 12 hex digits of the content's SHA-256."""
        return f"{self.provenance.name}-{_digest(_canonical(self)).hexdigest()[:12]}"


def ordered_set(
    areas: dict[AmbulanceService, Any],
    *,
    provenance: Provenance,
    foreign_border: Any = None,
    tolerance_m: float = 3000.0,
) -> BoundarySet:
    """A set from areas in any order. Coordinates are rounded to millimetres: the version is the same everywhere."""
    services = tuple(sorted(areas, key=lambda service: service.ods_code))
    border = shapely.MultiLineString() if foreign_border is None else foreign_border
    return BoundarySet(
        provenance=provenance,
        services=services,
        areas=tuple(_rounded(areas[service]) for service in services),
        foreign_border=_rounded(border),
        foreign_border_tolerance_m=tolerance_m,
    )


def manifest_of(boundaries: BoundarySet) -> dict[str, Any]:
    """What `manifest.json` says."""
    return {
        "format": FORMAT,
        "version": boundaries.version,
        "crs": CRS,
        **asdict(boundaries.provenance),
        "services": [asdict(service) for service in boundaries.services],
        "foreign_border_tolerance_m": boundaries.foreign_border_tolerance_m,
        "files": {name: _digest(content).hexdigest() for name, content in _files(boundaries).items()},
    }


def save_set(boundaries: BoundarySet, directory: Path) -> Path:
    """Write a set to `directory`, which must be absent or empty; all or nothing, by one rename. Gives `directory`.

    Raises:
        OSError: the directory can't be written, or holds something already.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".boundary-set-") as scratch:
        draft = Path(scratch) / "set"
        draft.mkdir()
        for name, content in _files(boundaries).items():
            (draft / name).write_bytes(content)
        text = json.dumps(manifest_of(boundaries), indent=1, ensure_ascii=False) + "\n"
        (draft / MANIFEST_FILE).write_text(text, encoding="utf-8")
        os.replace(draft, directory)  # noqa: PTH105 - replaces an empty directory, which Path.rename only does on POSIX
    return directory


def load_set(directory: Path) -> BoundarySet:
    """Read a set and verify every file against the manifest, and the version against the content.

    Raises:
        MalformedSetError: no manifest, an unknown format, a missing file, or geometry that doesn't match the services.
        ChecksumError: a file or the manifest was changed after the set was made.
    """
    manifest = _read_manifest(directory)
    files = {name: _read_verified(directory, name, manifest["files"]) for name in (AREAS_FILE, FOREIGN_BORDER_FILE)}
    try:
        boundaries = BoundarySet(
            provenance=_provenance(manifest),
            services=tuple(AmbulanceService(**service) for service in manifest["services"]),
            areas=tuple(shapely.get_parts(shapely.from_wkb(files[AREAS_FILE]))),
            foreign_border=shapely.from_wkb(files[FOREIGN_BORDER_FILE]),
            foreign_border_tolerance_m=float(manifest["foreign_border_tolerance_m"]),
        )
    except (KeyError, TypeError, ValueError, shapely.GEOSException) as fault:
        raise MalformedSetError(f"{directory.name}: the manifest or the geometry is not of this format") from fault
    _verify(boundaries, manifest, directory)
    return boundaries


def _verify(boundaries: BoundarySet, manifest: dict[str, Any], directory: Path) -> None:
    if len(boundaries.areas) != len(boundaries.services):
        raise MalformedSetError(
            f"{directory.name}: {len(boundaries.areas)} areas for {len(boundaries.services)} services"
        )
    if manifest.get("version") != boundaries.version:
        raise ChecksumError(f"{directory.name}: the manifest's version is not that of its content")


def _read_manifest(directory: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise MalformedSetError(f"{directory.name}: no readable {MANIFEST_FILE}") from fault
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or manifest.get("crs") != CRS:
        raise MalformedSetError(f"{directory.name}: not '{FORMAT}' in {CRS}")
    if not isinstance(manifest.get("files"), dict):
        raise MalformedSetError(f"{directory.name}: the manifest lists no files")
    return manifest


def _read_verified(directory: Path, name: str, digests: dict[str, str]) -> bytes:
    try:
        content = (directory / name).read_bytes()
    except OSError as fault:
        raise MalformedSetError(f"{directory.name}: {name} can't be read") from fault
    if _digest(content).hexdigest() != digests.get(name):
        raise ChecksumError(f"{directory.name}: {name} is not the file that the manifest was made for")
    return content


def _provenance(manifest: dict[str, Any]) -> Provenance:
    sources = tuple(Source(**source) for source in manifest["sources"])
    named = {key: manifest[key] for key in ("name", "attribution", "licence", "operational", "note")}
    return Provenance(**named, sources=sources)


def _rounded(geometry: Any) -> Any:
    """On a millimetre grid, still valid."""
    return shapely.set_precision(shapely.force_2d(geometry), _GRID_M)


def _files(boundaries: BoundarySet) -> dict[str, bytes]:
    collection = shapely.GeometryCollection(list(boundaries.areas))
    return {
        AREAS_FILE: shapely.to_wkb(collection, byte_order=1),
        FOREIGN_BORDER_FILE: shapely.to_wkb(boundaries.foreign_border, byte_order=1),
    }


def _canonical(boundaries: BoundarySet) -> bytes:
    told = {
        **asdict(boundaries.provenance),
        "services": [asdict(service) for service in boundaries.services],
        "tolerance": boundaries.foreign_border_tolerance_m,
    }
    head = json.dumps(told, sort_keys=True, ensure_ascii=False).encode()
    return b"\0".join([head, *_files(boundaries).values()])


def _digest(content: bytes) -> Any:
    return hashlib.sha256(content)
