"""The tables as SQLAlchemy Core sees them, for statements that are written by hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from cad_bridge.store import tables


def table_of(row_class: type[Any]) -> Table:
    """The Core table of a table class."""
    table: Table = row_class.__table__
    return table


CASES = table_of(tables.CaseRow)
MESSAGES = table_of(tables.MessageRow)
RECEIPTS = table_of(tables.ReceiptRow)
DEADLINES = table_of(tables.DeadlineRow)
ESCALATIONS = table_of(tables.EscalationRow)
EVENTS = table_of(tables.EventRow)
OUTBOX = table_of(tables.OutboxRow)
IDEMPOTENCY = table_of(tables.IdempotencyRow)
