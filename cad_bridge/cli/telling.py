"""What the service knows about itself: `machines`, `requirements`, `replay`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from datetime import UTC
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cad_bridge.cli.serving import database
from cad_bridge.settings import load_config, load_settings
from cad_bridge.store import queries
from cad_bridge.store.database import connect
from cad_bridge.store.rows import Event
from cad_bridge.traceability.report import print_requirements
from cad_bridge.workflow.decide import tables

_CLINICAL = frozenset({"outcome", "triage"})
_WIDE = 200
"""Columns where the output is no terminal, such as a file that an incident report quotes."""


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
    """Tell the story of a case from its events: when, what, who, why, and by which rule."""
    settings = load_settings()
    with database(settings, load_config(settings.config)) as opened:
        events = asyncio.run(_events(opened.url, case))
    if not events:
        typer.echo("there is no such case", err=True)
        raise typer.Exit(1)
    table = Table(title=f"Case {events[0].case['case_number']}")
    for heading in ("When (UTC)", "What", "State", "Who", "Why", "Rule"):
        table.add_column(heading, overflow="fold")
    for event in events:
        when = event.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        row = (when, event.type, event.case["state"], event.by, why(event.data), event.rule)
        table.add_row(*(escape(cell) for cell in row))
    wide_console().print(table)


def wide_console() -> Console:
    """As wide as the terminal; wide where the output is none."""
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def why(data: Mapping[str, Any]) -> str:
    """What an event told, one item a line; clinical content stays with the case and its messages."""
    lines = []
    for name, value in data.items():
        if name in _CLINICAL or value is None or value in ("", [], {}):
            continue
        lines.append(f"{name.replace('_', ' ')}: {_plain(value)}")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items() if item is not None)
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


async def _events(url: str, case: UUID) -> list[Event]:
    engine = connect(url, pool_size=1)
    try:
        return await queries.events_after(engine, 0, limit=10_000, case_id=case)
    finally:
        await engine.dispose()
