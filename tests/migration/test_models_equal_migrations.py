"""The tables that the code knows are the tables that the migrations make."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from cad_bridge.store import catalogue_tables, migrate, tables

assert catalogue_tables
assert tables


def _differences(url: str) -> list[object]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, SQLModel.metadata))


def test_models_equal_migrations(database_url: str) -> None:
    assert _differences(database_url) == []


def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrate.upgrade(database_url)
    assert _differences(database_url) == []


def test_an_older_node_goes_on_with_a_newer_schema(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("ALTER TABLE cases ADD COLUMN of_the_next_release text"))
    migrate.upgrade(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_every_sequence_that_the_code_uses_is_there(database_url: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.connect() as connection:
        there = set(connection.execute(text("SELECT sequencename FROM pg_sequences")).scalars())
    assert {"outbox_seq", "case_number_seq"} <= there
