"""Alembic's entry: the connection is given by `cad_bridge.store.migrate`, or made from CAD_BRIDGE_DATABASE_URL."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from cad_bridge.store import catalogue_tables, tables

assert tables  # importing the modules is what fills the metadata
assert catalogue_tables


def run() -> None:
    """Run the migrations on the given connection, or on one of our own."""
    connection = context.config.attributes.get("connection")
    if connection is None:
        with create_engine(os.environ["CAD_BRIDGE_DATABASE_URL"]).connect() as own, own.begin():
            _run_on(own)
    else:
        _run_on(connection)


def _run_on(connection: object) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


run()
