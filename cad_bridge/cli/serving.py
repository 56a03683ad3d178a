"""Running the service: `serve`, `migrate`, `check-config`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from psycopg.errors import UndefinedTable
from sqlalchemy.exc import OperationalError, ProgrammingError

from cad_bridge import app
from cad_bridge.geography import Geography, opened_geography
from cad_bridge.settings import ConfigFile, ConfigurationError, Settings, load_config, load_settings
from cad_bridge.store import embedded
from cad_bridge.store import migrate as migrations
from cad_bridge.store.database import database_url

SHUTDOWN_SECONDS = 2
"""Open event streams never end by themselves; a restart must not wait for them."""


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
) -> None:
    """Run the service until it is told to stop."""
    log_to_stderr()
    signal.signal(signal.SIGTERM, _stop_in_good_order)
    settings = load_settings()
    config = load_config(settings.config)
    with database(settings, config) as opened:
        migrations.upgrade(opened.url)
        asyncio.run(serve_until_stopped(config, opened, host=host, port=port, data_dir=settings.data_dir))


def _stop_in_good_order(*_: object) -> None:
    """uvicorn raises the signal again when it has shut down; what it does by default would leave the rest undone."""
    sys.exit(0)


def migrate() -> None:
    """Bring the database to the schema of this release."""
    settings = load_settings()
    with database(settings, load_config(settings.config)) as opened:
        migrations.upgrade(opened.url)
    typer.echo("the database has the schema of this release")


def check_config() -> None:
    """Read the settings and say what they come to, without starting anything."""
    settings = load_settings()
    config = load_config(settings.config)
    _require_usable(settings, config)
    where = "the server that CAD_BRIDGE_DATABASE_URL names" if settings.database_url else f"{settings.data_dir}/"
    typer.echo(f"database: {where}")
    for service in config.service:
        typer.echo(f"service: {service.name} ({service.role}): {', '.join(service.use_cases)}")
    typer.echo(f"clients: {', '.join(client.name for client in config.client) or 'none'}")
    typer.echo(f"board users: {', '.join(user.username for user in config.user) or 'none'}")
    typer.echo(f"BaRS: {config.bars.base_url}")
    app.check_private_key(config.bars)
    with opened_geography(config, settings.data_dir) as geography:
        _say_discovery(geography)


def _say_discovery(geography: Geography) -> None:
    boundaries, sources = geography.holder.current, geography.sources
    fit = "" if boundaries.provenance.operational else " (not for operational use)"
    typer.echo(f"boundaries: {boundaries.version}{fit}")
    resolvers = {"postcode": sources.postcodes, "UPRN": sources.uprns, "what3words": sources.what3words}
    typer.echo(f"looked up: {', '.join(name for name, source in resolvers.items() if source is not None)}")


def _require_usable(settings: Settings, config: ConfigFile) -> None:
    if settings.database_url is None and config.bars.inbound is not None and not settings.embedded_with_inbound:
        raise ConfigurationError(
            "[bars.inbound] is set, so this is a real site: name a PostgreSQL with CAD_BRIDGE_DATABASE_URL, "
            "or set CAD_BRIDGE_EMBEDDED_WITH_INBOUND=true to use the embedded one all the same"
        )
    if settings.database_url is not None:
        try:
            database_url(settings.database_url)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where the database is, and how it is brought back if it is our own and was killed."""

    url: str = field(repr=False)
    revive: Callable[[], None] | None = None


@contextlib.contextmanager
def database(settings: Settings, config: ConfigFile) -> Iterator[Database]:
    """The database of this installation; the embedded one runs for as long as the context lasts."""
    _require_usable(settings, config)
    try:
        with _opened(settings) as opened:
            yield opened
    except OperationalError as error:
        raise ConfigurationError(f"the database cannot be used: {str(error.orig).splitlines()[0]}") from error
    except ProgrammingError as error:
        if not isinstance(error.orig, UndefinedTable):
            raise
        raise ConfigurationError("the database lacks the schema of this release: cad-bridge migrate") from error


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[Database]:
    if settings.database_url is not None:
        yield Database(url=settings.database_url)
        return
    with embedded.running(settings.data_dir) as server:
        yield Database(url=server.url, revive=server.ensure_running)


async def serve_until_stopped(
    config: ConfigFile, opened: Database, *, host: str, port: int, data_dir: Path | None = None
) -> None:
    """Serve HTTP until SIGTERM or SIGINT."""
    async with app.running(config, opened.url, data_dir=data_dir, revive=opened.revive) as service:
        settle_memory()
        server = uvicorn.Server(server_config(service, host=host, port=port))
        await server.serve()


def settle_memory() -> None:
    """What is loaded by now stays: the garbage collector need not look at it again.

    It would stop everything, the failsafe included, for a third of a second each time (measured on the 300,000 objects
    of the libraries).
    """
    gc.collect()
    gc.freeze()


def server_config(service: app.Service, *, host: str, port: int) -> uvicorn.Config:
    """How uvicorn runs us: no access log, because query strings can hold an NHS number, and no server header."""
    return uvicorn.Config(
        service.app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        lifespan="off",
    )


def log_to_stderr(*, quiet: bool = False) -> None:
    """Plain lines on standard error: time, level, logger, message and the ids that came with it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(IdFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.ERROR if quiet else logging.INFO, handlers=[handler], force=True)
    for noisy in ("httpx", "apscheduler", "alembic", "transitions", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class IdFormatter(logging.Formatter):
    """Adds the ids that a log call gave as `extra`; they are ids and codes only, never content."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = super().format(record)
        ids = {name: value for name, value in vars(record).items() if name not in _PLAIN}
        return line + "".join(f" {name}={value}" for name, value in sorted(ids.items()))
