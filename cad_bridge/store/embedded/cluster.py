"""PostgreSQL's data directory: made once, whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from cad_bridge.store.embedded.account import Account, account_name
from cad_bridge.store.embedded.binaries import POSTGRESQL_MAJOR, Binaries
from cad_bridge.store.embedded.errors import EmbeddedDatabaseError
from cad_bridge.store.embedded.home import Home, sync_directory, write_private
from cad_bridge.store.embedded.locks import FileLock

ADMINISTRATOR = "postgres"
"""The superuser role; the service itself connects as a role without such rights."""

_SCRATCH_PREFIX = "initdb-"
# Defaults only: an operator may change them in postgresql.conf. What must hold is given at every start (process.py).
_DEFAULTS = {"max_connections": "200", "timezone": "UTC", "log_checkpoints": "off"}


def ensure_cluster(home: Home, account: Account, *, binaries: Binaries, lock: FileLock) -> None:
    """Makes the cluster unless there is one. Raises EmbeddedDatabaseError if the one that is there cannot be used.

    The initialisation inherits `lock`, so that nobody works in this home while it runs, even if we are killed.
    """
    for scratch in home.path.glob(f"{_SCRATCH_PREFIX}*"):
        shutil.rmtree(scratch)
    if home.cluster.exists():
        _check(home.cluster, account)
    else:
        _initialise(home, account, binaries=binaries, lock=lock)


def _check(cluster: Path, account: Account) -> None:
    version = _version(cluster)
    if version != str(POSTGRESQL_MAJOR):
        raise EmbeddedDatabaseError(
            f"PostgreSQL {version} made the cluster {cluster}; this is PostgreSQL {POSTGRESQL_MAJOR} and cannot "
            "read it. Dump it with the release of the service that made it, and load it into a new data directory."
        )
    if cluster.stat().st_uid != account.uid:
        raise EmbeddedDatabaseError(
            f"The cluster {cluster} belongs to {account_name(cluster.stat().st_uid)}, but the server "
            f"would run as {account.name}. Name that account, or choose another data directory."
        )


def _version(cluster: Path) -> str:
    try:
        version = (cluster / "PG_VERSION").read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        version = ""
    if not version.replace(".", "").isdigit():
        raise EmbeddedDatabaseError(
            f"{cluster} is not a cluster of PostgreSQL (no valid PG_VERSION). Restore it from a backup, or move it "
            "away to begin with an empty database."
        )
    return version


def _initialise(home: Home, account: Account, *, binaries: Binaries, lock: FileLock) -> None:
    home.ensure_password(ADMINISTRATOR)
    scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH_PREFIX, dir=home.path))
    password = scratch / "password"
    write_private(password, home.password(ADMINISTRATOR))
    account.give(password)
    account.give(scratch)
    _initdb(scratch / "cluster", password, account=account, binaries=binaries, lock=lock)
    (scratch / "cluster").rename(home.cluster)
    sync_directory(home.path)
    shutil.rmtree(scratch)


def _initdb(cluster: Path, password: Path, *, account: Account, binaries: Binaries, lock: FileLock) -> None:
    done = account.run(
        binaries.initdb,
        f"--pgdata={cluster}",
        f"--username={ADMINISTRATOR}",
        f"--pwfile={password}",
        "--auth-local=scram-sha-256",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        # Sorts by code point and folds the case of all letters, the same on every machine: no library's locale data.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
        *(f"--set={name}={value}" for name, value in _DEFAULTS.items()),
        output=subprocess.PIPE,
        inherit=(lock.fileno(),),
    )
    if done.returncode != 0:
        last_lines = done.stdout.decode(errors="replace").strip().splitlines()[-5:]
        raise EmbeddedDatabaseError("PostgreSQL's initdb failed:\n" + "\n".join(last_lines))
