"""Many rows in one statement: PostgreSQL unpacks them from a single JSON parameter.

A burst of due cases is written this way; row by row, the statements alone would cost more than the decisions. Columns
are always named, so that a table to which a newer release has added columns is written as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge.store.plain import dumps


async def insert_rows(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows that all have the same columns, none of them bytes."""
    if rows:
        await connection.execute(_insert(table.name, tuple(rows[0])), {"rows": dumps(rows)})


async def update_rows(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Set the given columns of the rows with the given `id`; all rows name the same columns, none of them bytes."""
    if rows:
        await connection.execute(_update(table.name, tuple(rows[0])), {"rows": dumps(rows)})


def unpacked(table: str) -> str:
    """The rows of the parameter `rows`, shaped like those of a table."""
    return f"json_populate_recordset(NULL::{table}, CAST(:rows AS json))"


def column_list(names: Iterable[str], *, prefix: str = "") -> str:
    """Quoted names, since `case` is a word of SQL."""
    return ", ".join(f'{prefix}"{name}"' for name in names)


@cache
def _insert(table: str, names: tuple[str, ...]) -> TextClause:
    columns = column_list(names)
    return text(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {unpacked(table)}")  # noqa: S608 - names of ours


@cache
def _update(table: str, names: tuple[str, ...]) -> TextClause:
    changes = ", ".join(f'"{name}" = r."{name}"' for name in names if name != "id")
    return text(f"UPDATE {table} SET {changes} FROM {unpacked(table)} AS r WHERE {table}.id = r.id")  # noqa: S608
