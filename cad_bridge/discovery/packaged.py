"""What ships with the project: the default boundary set, the tables behind it, the outward codes."""

from __future__ import annotations

from pathlib import Path

from cad_bridge.discovery.boundary_set import AmbulanceService, BoundarySet, load_set
from cad_bridge.discovery.build import SplitArea
from cad_bridge.discovery.districts import DistrictTable, read_district_table, read_services
from cad_bridge.discovery.geofiles import read_features
from cad_bridge.discovery.postcodes import OutwardCodes, read_outward_codes

_IN_WHEEL = Path(__file__).with_name("_polygons")
_IN_CHECKOUT = Path(__file__).resolve().parents[2] / "polygons"


def data_directory() -> Path:
    """The directory of the data that ships: inside the installed package, or `polygons/` of a checkout."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


def default_set() -> BoundarySet:
    """The illustrative boundary set. Not for operational use."""
    return load_set(data_directory() / "default")


def district_table() -> DistrictTable:
    """District to trust."""
    return read_district_table(_text("district-to-trust.csv"))


def ambulance_services() -> dict[str, AmbulanceService]:
    """The ambulance services of the United Kingdom by ODS code."""
    return read_services(_text("ambulance-services.csv"))


def split_areas() -> tuple[SplitArea, ...]:
    """Where the parts of divided districts lie."""
    return tuple(
        SplitArea(feature.text("district_code"), feature.text("part"), feature.geometry)
        for feature in read_features(data_directory() / "split-areas.geojson")
    )


def outward_codes() -> OutwardCodes:
    """Middle and radius of every outward code of Great Britain."""
    return read_outward_codes(_text("outward-codes.csv"))


def _text(name: str) -> str:
    return (data_directory() / name).read_text(encoding="utf-8")
