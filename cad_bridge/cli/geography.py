"""Where is this, and whose is it: `locate`, `polygons build|check|import|list|use`, and `uprns import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cad_bridge.discovery import commands
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import BoundarySetError
from cad_bridge.discovery.check import DEFAULT_TOLERANCE_M2
from cad_bridge.discovery.geofiles import BoundaryFileError, FileCrs
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import data_directory, default_set
from cad_bridge.discovery.query import DiscoveryQuery
from cad_bridge.discovery.uprn import UprnTableError, import_open_uprn
from cad_bridge.engine.boundaries import first_index
from cad_bridge.geography import opened_library, opened_sources
from cad_bridge.settings import load_config, load_settings

polygons = typer.Typer(help="Boundary sets: build, check, import, list, use.", no_args_is_help=True)
uprns = typer.Typer(help="The table of Unique Property Reference Numbers.", no_args_is_help=True)


def _library() -> BoundaryLibrary:
    return opened_library(load_settings().data_dir)


def _index(version: str | None) -> BoundaryIndex:
    try:
        return first_index(_library()) if version is None else BoundaryIndex(_library().load(version))
    except BoundarySetError as error:
        raise typer.BadParameter(str(error)) from None


def locate(
    lat: Annotated[str | None, typer.Argument(help="Latitude, WGS84.")] = None,
    lon: Annotated[str | None, typer.Argument(help="Longitude, WGS84; negative in most of the UK.")] = None,
    osgb: Annotated[tuple[str, str] | None, typer.Option("--osgb", help="Easting and northing, OSGB36.")] = None,
    irish: Annotated[tuple[str, str] | None, typer.Option("--irish", help="Easting and northing, Irish Grid.")] = None,
    postcode: Annotated[str | None, typer.Option(help="A postcode as a cross-check.")] = None,
    uprn: Annotated[str | None, typer.Option(help="A UPRN; looked up in the table that is configured.")] = None,
    what3words: Annotated[str | None, typer.Option(help="A what3words address, for a resolver.")] = None,
    uncertainty_m: Annotated[
        float | None, typer.Option("--uncertainty-m", help="Radius that came with the position, in metres.")
    ] = None,
    boundaries: Annotated[
        str | None, typer.Option(help="Ask this version, to explain an old decision; left out: the set in force.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which ambulance service is responsible for a place."""
    if osgb and irish:
        raise typer.BadParameter("a place lies on one grid: give --osgb or --irish")
    easting, northing = osgb or irish or (None, None)
    query = DiscoveryQuery(
        lat=lat,
        lon=lon,
        easting=easting,
        northing=northing,
        crs="osgb" if osgb else "irish" if irish else None,
        postcode=postcode,
        uprn=uprn,
        what3words=what3words,
        uncertainty_m=uncertainty_m,
    )
    with opened_sources(load_config(load_settings().config)) as sources:
        answer = commands.locate(query, _index(boundaries), say=typer.echo, as_json=as_json, sources=sources)
    if answer.ast is None:
        raise typer.Exit(1)


_Source = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
_Field = Annotated[str, typer.Option("--code-field", help="The property that holds the code.")]
_Name = Annotated[str, typer.Option(help="What the set is called: letters, digits, hyphens.")]
_Attribution = Annotated[str, typer.Option(help="Whom the licence asks to name.")]
_Licence = Annotated[str, typer.Option(help="The licence of the data.")]
_Operational = Annotated[bool, typer.Option(help="The owner says that it may be used for dispatch.")]
_InForce = Annotated[bool, typer.Option("--put-in-force", help="Answer with it from now on.")]
_Picture = Annotated[Path | None, typer.Option(help="Write a picture (SVG) of areas and findings.")]
_Tolerance = Annotated[
    float, typer.Option("--tolerance-m2", min=0.0, help="Overlaps and gaps up to this many square metres pass.")
]
_Partial = Annotated[bool, typer.Option("--partial", help="Districts may be missing, as in a set of one region.")]
_Crs = Annotated[FileCrs | None, typer.Option(help="Coordinate system of the file, where it does not say.")]


def _label(name: str, attribution: str, licence: str, *, operational: bool) -> commands.SetLabel:
    try:
        return commands.SetLabel(name=name, attribution=attribution, licence=licence, operational=operational)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@polygons.command("build")
def build(
    districts: _Source,
    code_field: _Field,
    name: _Name,
    attribution: _Attribution,
    licence: _Licence,
    crs: _Crs = None,
    operational: _Operational = False,
    put_in_force: _InForce = False,
    picture: _Picture = None,
    tolerance_m2: _Tolerance = DEFAULT_TOLERANCE_M2,
    partial: _Partial = False,
) -> None:
    """Make a set from a district boundary file and the project's own district table."""
    label = _label(name, attribution, licence, operational=operational)
    options = commands.SetOptions(
        tolerance_m2=tolerance_m2, partial=partial, picture=picture, put_in_force=put_in_force
    )
    try:
        made = commands.build_polygons(
            districts, _library(), code_field=code_field, label=label, say=typer.echo, crs=crs, options=options
        )
    except BoundaryFileError as error:
        raise typer.BadParameter(str(error)) from None
    _leave(made.version is not None)


@polygons.command("import")
def import_(
    areas: _Source,
    code_field: _Field,
    name: _Name,
    attribution: _Attribution,
    licence: _Licence,
    crs: _Crs = None,
    operational: _Operational = False,
    put_in_force: _InForce = False,
    picture: _Picture = None,
    tolerance_m2: _Tolerance = DEFAULT_TOLERANCE_M2,
) -> None:
    """Make a set from finished areas: GeoJSON or GeoPackage, WGS84 or OSGB36."""
    label = _label(name, attribution, licence, operational=operational)
    options = commands.SetOptions(tolerance_m2=tolerance_m2, picture=picture, put_in_force=put_in_force)
    try:
        made = commands.import_polygons(
            areas, _library(), code_field=code_field, label=label, say=typer.echo, crs=crs, options=options
        )
    except BoundaryFileError as error:
        raise typer.BadParameter(str(error)) from None
    _leave(made.version is not None)


@polygons.command("check")
def check(
    directory: Annotated[Path | None, typer.Argument(help="A boundary set; left out: the shipped one.")] = None,
    picture: _Picture = None,
    tolerance_m2: _Tolerance = DEFAULT_TOLERANCE_M2,
) -> None:
    """Verify the files of a boundary set and check its areas."""
    try:
        report = commands.check_polygons(
            directory or data_directory() / "default", say=typer.echo, tolerance_m2=tolerance_m2, picture=picture
        )
    except BoundarySetError as error:
        raise typer.BadParameter(str(error)) from None
    _leave(report.ok)


@polygons.command("list")
def list_() -> None:
    """Print every version that can be asked or put in force; a star marks the one that answers."""
    library, shipped = _library(), default_set().version
    for version in sorted({*library.versions, shipped}):
        mark = "*" if version == (library.current_version or shipped) else " "
        typer.echo(f"{mark} {version}{' (shipped with this release)' if version == shipped else ''}")


@polygons.command("use")
def use(version: Annotated[str, typer.Argument(help="A version that `list` prints.")]) -> None:
    """Put an installed version in force, such as the one before; a running service changes to it at once."""
    try:
        _library().put_in_force(version)
    except BoundarySetError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"in force: {version}")


@uprns.command("import")
def import_uprns(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="OS Open UPRN as CSV.")],
    table: Annotated[Path, typer.Argument(help="The table to make; name it as discovery.uprn_table.")],
) -> None:
    """Make a look-up table from Ordnance Survey's OS Open UPRN."""
    try:
        properties = import_open_uprn(source, table)
    except UprnTableError as error:
        raise typer.BadParameter(str(error)) from None
    typer.echo(f"{properties} properties: {table}")


def _leave(well: bool) -> None:
    if not well:
        raise typer.Exit(1)
