"""Making sets: from districts by the table, from finished areas, and from files in both formats and systems."""

from __future__ import annotations

import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shapely

from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import Provenance
from cad_bridge.discovery.build import BuildResult, Recipe, SplitArea, build_from_areas, build_from_districts
from cad_bridge.discovery.crs import geometry_to_wgs84
from cad_bridge.discovery.districts import TableError, read_district_table, read_services
from cad_bridge.discovery.geofiles import BoundaryFileError, Feature, FileCrs, read_features
from tests.unit.discovery.ground import service, squares

TABLE = """district_code,district_name,ods_code,part,former_code
D1,One,AAA,,OLD1
D2,Two,BBB,,
D2,Two,AAA,west end,
D3,"Three, the",BBB,,
"""
SERVICES = "ods_code,short_name,name,code_status\nAAA,A,Alpha,verified\nBBB,B,Beta,placeholder\n"

DISTRICTS = {
    "D1": shapely.box(400_000, 300_000, 410_000, 310_000),
    "D2": shapely.box(410_000, 300_000, 420_000, 310_000),
    "D3": shapely.box(420_000, 300_000, 430_000, 310_000),
}
WEST_END = SplitArea("D2", "west end", shapely.box(409_000, 200_000, 412_345.6789, 400_000))


def recipe(**changes: Any) -> Recipe:
    return Recipe(
        **{
            "services": read_services(SERVICES),
            "provenance": Provenance(name="made", attribution="a", licence="l"),
            "foreign_border": None,
            "foreign_border_tolerance_m": 3000.0,
            **changes,
        }
    )


def build(districts: dict[str, Any], *, splits: tuple[SplitArea, ...] = (WEST_END,), **changes: Any) -> BuildResult:
    return build_from_districts(
        [Feature({"code": code}, geometry) for code, geometry in districts.items()],
        code_field="code",
        table=read_district_table(TABLE),
        split_areas=splits,
        recipe=recipe(**changes),
    )


def findings(result: BuildResult) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(finding.kind), finding.codes) for finding in result.report.findings]


def test_districts_become_areas_and_a_divided_one_goes_to_both() -> None:
    result = build(DISTRICTS)
    assert result.boundaries is not None
    assert result.report.ok
    assert [found.ods_code for found in result.boundaries.services] == ["AAA", "BBB"]
    built = BoundaryIndex(result.boundaries)
    assert [built.holding(x, 305_000) for x in (405_000, 411_000, 412_345, 412_346, 425_000)] == [
        "AAA",
        "AAA",
        "AAA",
        "BBB",
        "BBB",
    ]
    assert sum(area.area for area in result.boundaries.areas) == pytest.approx(3e8)


def test_a_former_code_is_as_good() -> None:
    districts = {"OLD1" if code == "D1" else code: area for code, area in DISTRICTS.items()}
    assert build(districts).report.ok


def test_what_is_wrong_with_the_codes_makes_no_set() -> None:
    unknown = build({**DISTRICTS, "D9": shapely.box(430_000, 300_000, 440_000, 310_000)})
    assert (unknown.boundaries, findings(unknown)) == (None, [("unknown-code", ("D9",))])
    double = build({**DISTRICTS, "OLD1": shapely.box(390_000, 300_000, 400_000, 310_000)})
    assert findings(double) == [("double-code", ("D1",))]
    missing = build({code: area for code, area in DISTRICTS.items() if code != "D3"})
    assert (missing.boundaries, findings(missing)) == (None, [("missing-code", ("D3",))])
    undivided = build(DISTRICTS, splits=())
    assert findings(undivided) == [("no-split-area", ("D2",))]


def test_a_set_for_a_region_may_lack_districts() -> None:
    assert build({"D1": DISTRICTS["D1"]}, partial=True).boundaries is not None


def test_an_overlap_or_a_gap_makes_no_set_and_a_picture_of_the_districts() -> None:
    result = build({**DISTRICTS, "D3": shapely.box(419_000, 300_000, 430_000, 310_000)})
    assert (result.boundaries, findings(result)) == (None, [("overlap", ("D2", "D3"))])
    assert [code for code, _ in result.checked] == ["D1", "D2", "D3"]
    assert build({**DISTRICTS, "D3": shapely.box(419_000, 300_000, 430_000, 310_000)}, tolerance_m2=2e7).report.ok


def test_areas_with_an_unknown_service_make_no_set() -> None:
    result = build_from_areas(squares().items(), recipe=recipe())
    assert findings(result) == [("unknown-code", ("CCC",))]
    known = {code: service(code) for code in squares()}
    assert build_from_areas(squares().items(), recipe=recipe(services=known)).boundaries is not None


def test_several_features_of_one_service_are_one_area() -> None:
    pieces = [
        ("AAA", shapely.box(0, 0, 10, 10)),
        ("AAA", shapely.box(10, 0, 20, 10)),
        ("BBB", shapely.box(20, 0, 30, 10)),
    ]
    result = build_from_areas(pieces, recipe=recipe())
    assert result.boundaries is not None
    assert [area.area for area in result.boundaries.areas] == [200.0, 100.0]


def test_what_rounding_would_break_stays_valid() -> None:
    """A slit of a tenth of a millimetre closes on a millimetre grid."""
    slit = [(0, 0), (10, 0), (10, 5), (5, 5), (5, 5.0001), (10, 5.0001), (10, 10), (0, 10)]
    result = build_from_areas([("AAA", shapely.Polygon(slit))], recipe=recipe())
    assert result.boundaries is not None
    assert all(area.is_valid for area in result.boundaries.areas)


@pytest.mark.parametrize(
    "table",
    [
        "district_code,ods_code\nD1,AAA\n",
        "district_code,district_name,ods_code,part,former_code\nD1,One,AAA,some,\n",
        "district_code,district_name,ods_code,part,former_code\nD1,One,AAA,,\nD1,One,BBB,,\n",
    ],
)
def test_a_table_that_says_nothing_or_two_things_is_refused(table: str) -> None:
    with pytest.raises(TableError):
        read_district_table(table)


@pytest.mark.parametrize("text", ["ods_code,name\nAAA,x\n", SERVICES + "AAA,A,Again,verified\n"])
def test_a_list_of_services_with_a_fault_is_refused(text: str) -> None:
    with pytest.raises(TableError):
        read_services(text)


def feature_collection(geometry: Any, **more: Any) -> str:
    feature = {"type": "Feature", "properties": {"code": " D1 ", "none": None}, "geometry": geometry}
    return json.dumps({"type": "FeatureCollection", "features": [feature], **more})


def crs_member(name: str) -> dict[str, Any]:
    return {"crs": {"type": "name", "properties": {"name": name}}}


def write(tmp_path: Path, text: str, name: str = "districts.geojson") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


DEGREES = shapely.geometry.mapping(geometry_to_wgs84(DISTRICTS["D1"]))
METRES = shapely.geometry.mapping(DISTRICTS["D1"])


@pytest.mark.parametrize(
    ("text", "crs"),
    [
        (feature_collection(DEGREES), None),
        (feature_collection(DEGREES), FileCrs.WGS84),
        ("\ufeff" + feature_collection(DEGREES), None),
        (feature_collection(DEGREES, **crs_member("urn:ogc:def:crs:OGC:1.3:CRS84")), None),
        (feature_collection(METRES), FileCrs.OSGB),
        (feature_collection(METRES, **crs_member("urn:ogc:def:crs:EPSG::27700")), None),
    ],
)
def test_geojson_is_read_in_the_system_that_is_named(tmp_path: Path, text: str, crs: FileCrs | None) -> None:
    (feature,) = read_features(write(tmp_path, text), crs)
    assert (feature.text("code"), feature.text("none"), feature.text("absent")) == ("D1", "", "")
    assert shapely.equals_exact(feature.geometry.normalize(), DISTRICTS["D1"].normalize(), 0.01)


@pytest.mark.parametrize(
    ("text", "crs"),
    [
        (feature_collection(METRES), None),
        (feature_collection(DEGREES), FileCrs.OSGB),
        (feature_collection(DEGREES, **crs_member("urn:ogc:def:crs:EPSG::3857")), None),
        ("not JSON", None),
        ("{}", None),
        ('{"features": [{"properties": {}, "geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}]}', None),
        ('{"features": []}', None),
    ],
)
def test_a_file_in_another_system_or_of_another_kind_is_refused(tmp_path: Path, text: str, crs: FileCrs | None) -> None:
    with pytest.raises(BoundaryFileError):
        read_features(write(tmp_path, text), crs)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    for name in ("absent.geojson", "absent.gpkg"):
        with pytest.raises(BoundaryFileError):
            read_features(tmp_path / name)
        assert not (tmp_path / name).exists()


def geopackage(path: Path, *, epsg: int, geometry: Any, envelope: int = 1) -> Path:
    """A GeoPackage with one layer, as small as it can be."""
    header = b"GP" + bytes([0, 1 | envelope << 1]) + struct.pack("<i", epsg)
    box = struct.pack("<4d", *(geometry.bounds[place] for place in (0, 2, 1, 3))) if envelope else b""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE gpkg_spatial_ref_sys (srs_id INTEGER, organization_coordsys_id INTEGER)")
        connection.execute("CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER)")
        connection.execute('CREATE TABLE "the ""layer" (fid INTEGER, geom BLOB, code TEXT)')
        connection.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?)", (epsg, epsg))
        connection.execute("INSERT INTO gpkg_geometry_columns VALUES (?, ?, ?)", ('the "layer', "geom", epsg))
        rows = [(1, header + box + shapely.to_wkb(geometry), "D1"), (2, None, "D2")]
        connection.executemany('INSERT INTO "the ""layer" VALUES (?, ?, ?)', rows)
    return path


@pytest.mark.parametrize("envelope", [0, 1])
@pytest.mark.parametrize("epsg", [4326, 27700])
def test_a_geopackage_says_its_system_itself(tmp_path: Path, epsg: int, envelope: int) -> None:
    area = DISTRICTS["D1"] if epsg == 27700 else geometry_to_wgs84(DISTRICTS["D1"])
    path = geopackage(tmp_path / "districts.gpkg", epsg=epsg, geometry=area, envelope=envelope)
    first, second = read_features(path)
    assert (first.text("code"), first.text("fid"), second.text("code")) == ("D1", "1", "D2")
    assert shapely.equals_exact(first.geometry.normalize(), DISTRICTS["D1"].normalize(), 0.01)
    assert second.geometry.is_empty


def test_a_geopackage_in_another_system_is_refused(tmp_path: Path) -> None:
    path = geopackage(tmp_path / "districts.gpkg", epsg=3857, geometry=DISTRICTS["D1"])
    with pytest.raises(BoundaryFileError):
        read_features(path)


def test_a_file_that_only_looks_like_a_geopackage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BoundaryFileError):
        read_features(write(tmp_path, "not SQLite", name="districts.gpkg"))
