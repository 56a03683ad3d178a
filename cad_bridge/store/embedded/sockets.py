"""The directory of the server's socket: private, and with a path that fits into a socket address."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from cad_bridge.store.embedded.account import Account
from cad_bridge.store.embedded.errors import EmbeddedDatabaseError
from cad_bridge.store.embedded.home import Home

PORT = 5432
"""Names the socket only: the server listens on no network."""

_SOCKET = f".s.PGSQL.{PORT}"
_LONGEST_PATH = 107  # bytes: sun_path of unix(7) without its final zero
# What else may be in a path means something in a URL's host list, in libpq's or in unix_socket_directories.
_PLAIN = re.compile(r"[\w/ .+=~-]+")


def socket_directory(home: Home, account: Account) -> Path:
    """The directory to put the socket into, empty. Call it only while no server runs."""
    directory = _existing(home, account) or _new(home, account)
    for left_over in directory.glob(f"{_SOCKET}*"):
        left_over.unlink()
    return directory


def _existing(home: Home, account: Account) -> Path | None:
    """The recorded directory if it is still private and the account's; temporary directories may have been swept."""
    directory = home.sockets.readlink() if home.sockets.is_symlink() else home.sockets
    if directory != home.sockets and not directory.name.startswith(_short_prefix(home)):
        return None
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return None
    private = stat.S_ISDIR(status.st_mode) and status.st_uid == account.uid and status.st_mode & 0o077 == 0
    return directory if private and _fits(directory) else None


def _new(home: Home, account: Account) -> Path:
    if home.sockets.is_symlink():
        home.sockets.unlink()
    elif home.sockets.exists():
        shutil.rmtree(home.sockets)
    if _fits(home.sockets):
        home.sockets.mkdir(mode=0o700)
        account.give(home.sockets)
        return home.sockets
    prefix = _short_prefix(home)
    short = Path(tempfile.mkdtemp(prefix=prefix, dir=_short_parent(prefix, account)))
    account.give(short)
    home.sockets.symlink_to(short)
    return short


def _short_prefix(home: Home) -> str:
    """Names the home's inode: a copied data directory must not take over the socket of the original."""
    status = home.path.stat()
    return f"cad-bridge-{status.st_dev:x}-{status.st_ino:x}-"


def _short_parent(prefix: str, account: Account) -> Path:
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108 - mkdtemp
    for parent in (Path(name) for name in candidates if name.startswith("/")):
        if _fits(parent / f"{prefix}12345678") and os.access(parent, os.W_OK | os.X_OK) and account.can_reach(parent):
            return parent
    raise EmbeddedDatabaseError(
        "The path of the data directory is too long for a socket, and there is no short directory for temporary files. "
        "Set TMPDIR to one, or choose a shorter data directory."
    )


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / _SOCKET)) <= _LONGEST_PATH and _PLAIN.fullmatch(str(directory)) is not None
