"""Roles and databases of the server, and the URLs to reach them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from cad_bridge.store.embedded.cluster import ADMINISTRATOR
from cad_bridge.store.embedded.errors import UnreachableError
from cad_bridge.store.embedded.home import Home
from cad_bridge.store.embedded.sockets import PORT

if TYPE_CHECKING:
    from cad_bridge.store.embedded.server import EmbeddedServer

APPLICATION = "cad_bridge"
"""The role and the database of the service."""

# The client refuses a server that does not prove that it knows the password.
_AUTHENTICATION = "scram-sha-256"
_CONNECT_TIMEOUT_S = 10


def url(home: Home, socket_directory: Path, *, database: str) -> str:
    """The URL of a database for SQLAlchemy with psycopg, as the service's role. It holds the password.

    Spaces become %20, which libpq reads too, and not the + that SQLAlchemy writes.
    """
    place = urlencode({"host": str(socket_directory), "require_auth": _AUTHENTICATION}, quote_via=quote)
    return f"postgresql+psycopg://{APPLICATION}:{quote(home.password(APPLICATION))}@:{PORT}/{quote(database)}?{place}"


def ensure_application(home: Home, socket_directory: Path) -> None:
    """Makes the service's role and database unless they exist; raises UnreachableError if the server is silent."""
    try:
        with administration(home, socket_directory) as connection:
            _ensure_application(home, connection)
    except psycopg.OperationalError as error:
        raise UnreachableError(
            f"The server does not answer in {socket_directory}: {error}\nIts socket is gone or a password was changed. "
            "Stop every process that uses this data directory, then start again."
        ) from error


def _ensure_application(home: Home, connection: psycopg.Connection) -> None:
    if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", APPLICATION):
        home.ensure_password(APPLICATION)
        _create_role(connection, APPLICATION, password=home.password(APPLICATION))
    if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", APPLICATION):
        _create_database(connection, APPLICATION, template="template0")


def create_database(server: EmbeddedServer, name: str, *, template: str | None = None) -> str:
    """Makes a further database of the service's role and returns its URL. Nobody may use the template meanwhile."""
    with administration(server.home, server.socket_directory) as connection:
        _create_database(connection, name, template=template or "template0")
    return url(server.home, server.socket_directory, database=name)


def drop_database(server: EmbeddedServer, name: str) -> None:
    """Removes a database if it exists, ending the connections to it."""
    with administration(server.home, server.socket_directory) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def administration(home: Home, socket_directory: Path) -> psycopg.Connection:
    """A connection as superuser, in autocommit."""
    return psycopg.connect(
        host=str(socket_directory),
        port=PORT,
        user=ADMINISTRATOR,
        password=home.password(ADMINISTRATOR),
        dbname="postgres",
        autocommit=True,
        require_auth=_AUTHENTICATION,
        connect_timeout=_CONNECT_TIMEOUT_S,
    )


def _exists(connection: psycopg.Connection, query: LiteralString, name: str) -> bool:
    return connection.execute(query, [name]).fetchone() is not None


def _create_role(connection: psycopg.Connection, name: str, *, password: str) -> None:
    """The password is sent as the verifier that the server keeps, never in clear."""
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), _AUTHENTICATION.encode())
    statement = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(verifier.decode()))
    connection.execute(statement)


def _create_database(connection: psycopg.Connection, name: str, *, template: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(APPLICATION), sql.Identifier(template)
    )
    connection.execute(statement)
