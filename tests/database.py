"""Fixtures with a real PostgreSQL: one embedded server for a test run, one fresh database for a test.

The server is shared by all pytest-xdist workers of a run; it is the service's own embedded database, so every test run
exercises that as well. A database is copied from a template that has all migrations.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from cad_bridge.store import embedded
from cad_bridge.store.embedded import process
from cad_bridge.store.embedded.home import Home
from cad_bridge.store.embedded.locks import is_held
from cad_bridge.store.embedded.waiting import wait_until

_TEMPLATE = "migrated"
_PREFIX = "cad-bridge-test-"
_ABANDONED_AFTER_S = 3600


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.EmbeddedServer]:
    """The server of this test run; the last worker to leave stops it and removes its data."""
    base = tmp_path_factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with _turn(run):
        data_dir = _data_dir(run)
        server = embedded.start(data_dir)
        if not _has_template(server):
            _make_template(server)
    yield server
    with _turn(run):
        if server.stop():
            _remove(server, data_dir)


@pytest.fixture
def database_url(postgres: embedded.EmbeddedServer) -> Iterator[str]:
    """The URL (postgresql+psycopg://) of an empty database with the schema of this release, for this test alone."""
    with _fresh_database(postgres) as url:
        yield url


@pytest.fixture
def second_database_url(postgres: embedded.EmbeddedServer) -> Iterator[str]:
    """Another one, for a second installation."""
    with _fresh_database(postgres) as url:
        yield url


@contextmanager
def _fresh_database(postgres: embedded.EmbeddedServer) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    yield embedded.create_database(postgres, name, template=_TEMPLATE)
    embedded.drop_database(postgres, name)


@pytest.fixture
def unused_data_dir() -> Iterator[Path]:
    """A data directory for tests of the embedded server itself; what is left running in it is stopped and removed."""
    data_dir = _new_data_dir()
    yield data_dir
    home = Home((data_dir / "postgres").resolve())
    if home.path.exists():
        process.request_stop(home.cluster)
        assert wait_until(lambda: not is_held(home.server_lock), timeout_s=60)
        shutil.rmtree(home.path)
    shutil.rmtree(data_dir)


@pytest.fixture(scope="session")
def _stopped_server() -> Iterator[Path]:
    data_dir = _new_data_dir()
    server = embedded.start(data_dir)
    server.stop()
    yield data_dir
    _remove(server, data_dir)


@pytest.fixture
def used_data_dir(_stopped_server: Path, unused_data_dir: Path) -> Path:
    """A data directory whose server ran before; a copy, which takes a tenth of the time of an initialisation."""
    subprocess.run(["cp", "-a", f"{_stopped_server}/.", str(unused_data_dir)], check=True)
    return unused_data_dir


@pytest.fixture
def homes_of_root(unused_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands in for /var/lib/cad-bridge, where root's server lies if its account cannot enter the data directory."""
    homes = unused_data_dir / "homes"
    monkeypatch.setattr("cad_bridge.store.embedded.home.HOMES_OF_ROOT", homes)
    return homes


@contextmanager
def _turn(run: Path) -> Iterator[None]:
    """One worker at a time."""
    with (run / "database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _data_dir(run: Path) -> Path:
    """The data directory of this run; not in pytest's own, which root's server could not enter."""
    record = run / "database-directory"
    if record.exists() and Path(record.read_text()).is_dir():
        return Path(record.read_text())
    _remove_abandoned()
    data_dir = _new_data_dir()
    record.write_text(str(data_dir))
    return data_dir


def _new_data_dir() -> Path:
    data_dir = Path(tempfile.mkdtemp(prefix=_PREFIX))
    if os.geteuid() == 0:
        # Else root's server would lie elsewhere: see docs/embedded-database.md.
        data_dir.chmod(0o711)
    return data_dir


def _remove_abandoned() -> None:
    """Stops and removes the servers of test runs that were killed, and of no other run: that one still has users."""
    for data_dir in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        status = data_dir.stat()
        if status.st_uid == os.geteuid() and time.time() - status.st_mtime > _ABANDONED_AFTER_S:
            with suppress(embedded.EmbeddedDatabaseError):
                server = embedded.start(data_dir)
                if server.stop():
                    _remove(server, data_dir)


def _remove(server: embedded.EmbeddedServer, data_dir: Path) -> None:
    shutil.rmtree(server.home.path)
    shutil.rmtree(data_dir)


def _has_template(server: embedded.EmbeddedServer) -> bool:
    with connect(server.url) as connection:
        return connection.execute("SELECT FROM pg_database WHERE datname = %s", [_TEMPLATE]).fetchone() is not None


def _make_template(server: embedded.EmbeddedServer) -> None:
    """Under a name of its own until the migrations are through, so that a failed migration fails every worker."""
    unfinished = f"{_TEMPLATE}_{uuid4().hex}"
    url = embedded.create_database(server, unfinished)
    if find_spec("cad_bridge.store.migrate") is not None:
        from cad_bridge.store.migrate import upgrade

        upgrade(url)
    embedded.create_database(server, _TEMPLATE, template=unfinished)
    embedded.drop_database(server, unfinished)


def connect(url: str) -> psycopg.Connection:
    """A plain connection, in autocommit, to a URL made for SQLAlchemy."""
    return psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:", 1), autocommit=True)
