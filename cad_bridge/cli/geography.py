"""Where is this, and whose is it: `locate` and `polygons build|check|import`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cad_bridge.discovery import commands
from cad_bridge.discovery.areas import BoundaryIndex
from cad_bridge.discovery.boundary_set import BoundarySetError
from cad_bridge.discovery.geofiles import BoundaryFileError, FileCrs
from cad_bridge.discovery.library import BoundaryLibrary
from cad_bridge.discovery.packaged import data_directory, default_set
from cad_bridge.discovery.query import DiscoveryQuery
from cad_bridge.settings import load_settings

polygons = typer.Typer(help="Boundary sets: build, check, import.", no_args_is_help=True)


class Grid(StrEnum):
    """The grids that eastings and northings may be given in."""

    OSGB = "osgb"
    IRISH = "irish"


def _library() -> BoundaryLibrary:
    return BoundaryLibrary(load_settings().data_dir / "boundaries")


def _index() -> BoundaryIndex:
    """The boundaries in force here, or those that are shipped."""
    library = _library()
    version = library.current_version
    return BoundaryIndex(library.load(version) if version is not None else default_set())


def locate(
    lat: Annotated[str | None, typer.Argument(help="Latitude, WGS84.")] = None,
    lon: Annotated[str | None, typer.Argument(help="Longitude, WGS84; negative in most of the UK.")] = None,
    osgb: Annotated[tuple[str, str] | None, typer.Option("--osgb", help="Easting and northing, OSGB36.")] = None,
    irish: Annotated[tuple[str, str] | None, typer.Option("--irish", help="Easting and northing, Irish Grid.")] = None,
    postcode: Annotated[str | None, typer.Option(help="A postcode as a cross-check.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which ambulance service is responsible for a place."""
    easting, northing = osgb or irish or (None, None)
    crs = "osgb" if osgb else "irish" if irish else None
    query = DiscoveryQuery(lat=lat, lon=lon, easting=easting, northing=northing, crs=crs, postcode=postcode)
    answer = commands.locate(query, _index(), say=typer.echo, as_json=as_json)
    if answer.ast is None:
        raise typer.Exit(1)


_Source = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
_Field = Annotated[str, typer.Option("--code-field", help="The property that holds the code.")]
_Name = Annotated[str, typer.Option(help="What the set is called.")]
_Attribution = Annotated[str, typer.Option(help="Whom the licence asks to name.")]
_Licence = Annotated[str, typer.Option(help="The licence of the data.")]
_Operational = Annotated[bool, typer.Option(help="The owner says that it may be used for dispatch.")]
_InForce = Annotated[bool, typer.Option("--put-in-force", help="Answer with it from now on.")]
_Picture = Annotated[Path | None, typer.Option(help="Write a picture (SVG) of areas and findings.")]
_Crs = Annotated[FileCrs | None, typer.Option(help="Coordinate system of the file, where it does not say.")]


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
) -> None:
    """Make a set from a district boundary file and the project's own district table."""
    label = commands.SetLabel(name=name, attribution=attribution, licence=licence, operational=operational)
    options = commands.SetOptions(picture=picture, put_in_force=put_in_force)
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
) -> None:
    """Make a set from finished areas: GeoJSON or GeoPackage, WGS84 or OSGB36."""
    label = commands.SetLabel(name=name, attribution=attribution, licence=licence, operational=operational)
    options = commands.SetOptions(picture=picture, put_in_force=put_in_force)
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
) -> None:
    """Verify the files of a boundary set and check its areas."""
    try:
        report = commands.check_polygons(directory or data_directory(), say=typer.echo, picture=picture)
    except BoundarySetError as error:
        raise typer.BadParameter(str(error)) from None
    _leave(report.ok)


def _leave(well: bool) -> None:
    if not well:
        raise typer.Exit(1)
