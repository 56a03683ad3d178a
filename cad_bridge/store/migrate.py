"""Bringing a database to the schema of this release."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from cad_bridge.store.database import database_url

# Any number that no other use of advisory locks on this database takes.
_LOCK = 0x0CAD_0001


def upgrade(url: str) -> None:
    """Apply every missing migration; nodes that start together wait for one another.

    A database that is ahead of this release is left alone: migrations only expand, so an older node may go on.
    """
    engine = create_engine(database_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        if not _is_ahead(connection):
            _upgrade_on(connection)
    engine.dispose()


def _upgrade_on(connection: Connection) -> None:
    connection.rollback()
    with connection.begin():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_ahead(connection: Connection) -> bool:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    return current is not None and current not in known


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    return config


def _scripts() -> Path:
    packaged = Path(str(files("cad_bridge.store"))) / "_alembic"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "alembic"
