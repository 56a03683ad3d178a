"""The home of a server: the private directory with everything that is its own, and how a data directory leads to it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cad_bridge.store.embedded.account import Account, account_name
from cad_bridge.store.embedded.errors import EmbeddedDatabaseError
from cad_bridge.store.embedded.locks import exclusively

HOMES_OF_ROOT = Path("/var/lib/cad-bridge")
"""Where homes lie when root runs the service and the server's account cannot enter the data directory."""

_ENTRY = "postgres"
# initdb puts paths between double quotes into shell commands, and does no more than that.
_SHELL_CHARACTERS = frozenset('"$`\\')
_LOCK_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Home:
    """The layout of a home; see docs/embedded-database.md."""

    path: Path

    @property
    def cluster(self) -> Path:
        return self.path / "cluster"

    @property
    def sockets(self) -> Path:
        return self.path / "run"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def start_lock(self) -> Path:
        return self.path / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.path / "users.lock"

    @property
    def server_lock(self) -> Path:
        return self.path / "server.lock"

    def password(self, role: str) -> str:
        """The generated password of a role. Raises EmbeddedDatabaseError if the file is lost."""
        file = self._password_file(role)
        try:
            return file.read_text("utf-8")
        except FileNotFoundError:
            raise EmbeddedDatabaseError(
                f"{file} is missing although the cluster exists. Restore it from a backup, or set a new password in "
                "PostgreSQL's single-user mode and write it there (docs/embedded-database.md)."
            ) from None

    def ensure_password(self, role: str) -> None:
        """Generates the password of a role, unless there is one."""
        if not self._password_file(role).exists():
            write_private(self._password_file(role), secrets.token_urlsafe(32))

    def _password_file(self, role: str) -> Path:
        return self.path / f"{role}.password"


def write_private(path: Path, text: str) -> None:
    """A file of mode 0600 with this text, durably there whole or not at all."""
    descriptor, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(scratch).rename(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Makes renames in the directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_home(data_dir: Path, account: Account) -> Home:
    """The home of the server of this data directory, made if it is missing.

    Raises EmbeddedDatabaseError if it belongs to somebody else, or if the account cannot enter it.
    """
    data_dir = data_dir.expanduser().resolve()
    if not str(data_dir).isprintable() or _SHELL_CHARACTERS & set(str(data_dir)):
        raise EmbeddedDatabaseError(
            "The path of the data directory holds control characters, double quotes, dollar signs, backticks or "
            "backslashes, which PostgreSQL's programs would not pass on as they are; choose another one."
        )
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if account.dropped:
        _check_owner(data_dir)
    with exclusively(data_dir / f"{_ENTRY}.lock", timeout_s=_LOCK_TIMEOUT_S):
        if not os.path.lexists(data_dir / _ENTRY):
            _make(data_dir, account)
    home = (data_dir / _ENTRY).resolve()
    if not home.is_dir():
        raise EmbeddedDatabaseError(
            f"{data_dir / _ENTRY} leads to {home}, which does not exist. Restore that directory, or remove the link to "
            "begin with an empty database."
        )
    _check_owner(home)
    _check_reach(home, account)
    return Home(home)


def _make(data_dir: Path, account: Account) -> None:
    entry = data_dir / _ENTRY
    if not account.dropped:
        entry.mkdir(mode=0o700)
    elif account.can_reach(data_dir):
        entry.mkdir(mode=0o700)
        entry.chmod(0o711)
    else:
        entry.symlink_to(_make_elsewhere(data_dir, account))


def _make_elsewhere(data_dir: Path, account: Account) -> Path:
    if not HOMES_OF_ROOT.exists():
        HOMES_OF_ROOT.mkdir(mode=0o700, parents=True)
        HOMES_OF_ROOT.chmod(0o711)
    _check_owner(HOMES_OF_ROOT)
    home = Path(tempfile.mkdtemp(dir=HOMES_OF_ROOT, prefix=""))
    try:
        home.chmod(0o711)
        _check_reach(home, account)
        write_private(home / "data-directory", f"{data_dir}\n")
    except BaseException:
        shutil.rmtree(home)
        raise
    return home


def _check_owner(directory: Path) -> None:
    """Who owns a directory can replace files in it under us, and make root write where they cannot."""
    owner = directory.stat().st_uid
    if owner != os.geteuid():
        raise EmbeddedDatabaseError(
            f"The data directory {directory} belongs to {account_name(owner)}; this is {account_name(os.geteuid())}. "
            f"Run the service as {account_name(owner)}, or choose another data directory."
        )


def _check_reach(home: Path, account: Account) -> None:
    if account.dropped and not account.can_reach(home):
        raise EmbeddedDatabaseError(
            f"The account {account.name!r}, which runs PostgreSQL because root may not, cannot reach {home}. Open "
            "the directories above it for traversal (chmod o+x), move the data, run the service as an ordinary user, "
            "or set CAD_BRIDGE_DATABASE_URL."
        )
