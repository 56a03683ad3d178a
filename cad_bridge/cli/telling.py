"""What the service knows about itself: `machines`, `requirements`, `replay`."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from cad_bridge.cli.serving import database
from cad_bridge.settings import load_config, load_settings
from cad_bridge.store import queries
from cad_bridge.store.database import connect
from cad_bridge.store.rows import Event
from cad_bridge.traceability.report import print_requirements
from cad_bridge.workflow.decide import tables


def machines() -> None:
    """Print every state machine as a Mermaid diagram."""
    for table in tables():
        typer.echo(f"%% {table.name}\n{table.mermaid()}\n")


def requirements(
    json: Annotated[bool, typer.Option("--json", help="The whole matrix as JSON.")] = False,
) -> None:
    """Print which requirements are shown by which tests."""
    print_requirements(json=json)


def replay(case: Annotated[UUID, typer.Argument(help="The id of a case.")]) -> None:
    """Tell the story of a case from its events: when, what, who, and by which rule."""
    settings = load_settings()
    with database(settings, load_config(settings.config)) as url:
        events = asyncio.run(_events(url, case))
    if not events:
        typer.echo("there is no such case", err=True)
        raise typer.Exit(1)
    table = Table(title=f"Case {events[0].case['case_number']}")
    for heading in ("When (UTC)", "What", "State", "Who", "Rule"):
        table.add_column(heading)
    for event in events:
        when = event.at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(when, event.type, event.case["state"], event.by, event.rule)
    Console().print(table)


async def _events(url: str, case: UUID) -> list[Event]:
    engine = connect(url, pool_size=1)
    try:
        return await queries.events_after(engine, 0, limit=10_000, case_id=case)
    finally:
        await engine.dispose()
