"""The endpoint catalogue from the command line: `catalogue import|list`."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.markup import escape
from rich.table import Table

from cad_bridge.cli.serving import database
from cad_bridge.cli.telling import wide_console
from cad_bridge.clock import DatabaseClock
from cad_bridge.discovery.catalogue.entries import CatalogueEntry
from cad_bridge.discovery.catalogue.health import EndpointHealth
from cad_bridge.discovery.catalogue.imports import ImportedCatalogue, ImportRefusedError, import_csv, import_json
from cad_bridge.engine.catalogue import Author, Catalogue, ImportCounts
from cad_bridge.engine.endpoint_health import endpoint_health
from cad_bridge.geography import configured_services
from cad_bridge.settings import ConfigFile, load_config, load_settings
from cad_bridge.store import migrate
from cad_bridge.store.database import connect

catalogue = typer.Typer(help="Services, their addresses and use cases: import, list.", no_args_is_help=True)


@catalogue.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, JSON, or a FHIR Bundle.")],
) -> None:
    """Store the services of a file, all or none; what it does not name stays as it is."""
    try:
        imported = _read(file)
        counts = asyncio.run(_take(imported))
    except ImportRefusedError as refused:
        for problem in refused.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from None
    for warning in imported.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(
        f"{len(imported.entries)} services: "
        f"{counts.created} resources new, {counts.updated} changed, {counts.unchanged} as they were"
    )


@catalogue.command("list")
def list_() -> None:
    """Print every service that is known, and how sending to it has gone of late."""
    entries, health = asyncio.run(_all())
    table = Table()
    for heading in ("Service", "ODS", "Name", "Use cases", "Status", "Sending"):
        table.add_column(heading, overflow="fold")
    for entry in sorted(entries, key=lambda entry: entry.service_id):
        record = health.get(entry.service_id, EndpointHealth(service_id=entry.service_id))
        use_cases = " ".join(sorted(entry.use_cases))
        row = (entry.service_id, entry.ods_code, entry.name, use_cases, entry.status, record.state.value)
        table.add_row(*(escape(cell) for cell in row))
    wide_console().print(table)


def _read(file: Path) -> ImportedCatalogue:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ImportRefusedError(("the file is not UTF-8",)) from None
    return import_csv(text) if file.suffix.lower() == ".csv" else import_json(text)


async def _take(imported: ImportedCatalogue) -> ImportCounts:
    async with _opened() as held:
        return await held.take(imported, by=Author(name=f"{getpass.getuser()} (command line)", organisations=None))


async def _all() -> tuple[tuple[CatalogueEntry, ...], dict[str, EndpointHealth]]:
    async with _opened() as held:
        records = await endpoint_health(held.database)
        return await held.entries(), {record.service_id: record for record in records}


@asynccontextmanager
async def _opened() -> AsyncIterator[Catalogue]:
    """The catalogue in the database of this installation, brought to the schema of this release."""
    settings = load_settings()
    config: ConfigFile = load_config(settings.config)
    with database(settings, config) as opened:
        await asyncio.to_thread(migrate.upgrade, opened.url)
        engine, clock = connect(opened.url, pool_size=1), DatabaseClock()
        try:
            await clock.synchronise(engine)
            yield Catalogue(engine, now=clock, new_id=uuid4, configured=configured_services(config))
        finally:
            await engine.dispose()
