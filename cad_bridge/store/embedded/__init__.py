"""A PostgreSQL 18 of our own, where `CAD_BRIDGE_DATABASE_URL` is not set; contract in docs/embedded-database.md."""

from cad_bridge.store.embedded.databases import create_database, drop_database
from cad_bridge.store.embedded.errors import EmbeddedDatabaseError
from cad_bridge.store.embedded.server import EmbeddedServer, running, start

__all__ = ["EmbeddedDatabaseError", "EmbeddedServer", "create_database", "drop_database", "running", "start"]
