"""Starting, sharing and stopping: one server per data directory, as long as somebody uses it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cad_bridge.store.embedded import databases, process
from cad_bridge.store.embedded.account import Account, server_account
from cad_bridge.store.embedded.binaries import executable_by
from cad_bridge.store.embedded.cluster import ensure_cluster
from cad_bridge.store.embedded.errors import EmbeddedDatabaseError, RecoveryUnfinishedError, UnreachableError
from cad_bridge.store.embedded.home import Home, open_home
from cad_bridge.store.embedded.locks import FileLock, exclusively, is_held
from cad_bridge.store.embedded.sockets import socket_directory
from cad_bridge.store.embedded.waiting import wait_until

_log = logging.getLogger(__name__)

# Recovery after a crash replays what was written since the last checkpoint; that can take minutes on a slow disk.
_READY_TIMEOUT_S = 300.0
_STOP_TIMEOUT_S = 60.0
_ANSWER_TIMEOUT_S = 5.0
_RETRY_S = 0.1
_LEFT_OVER_TIMEOUT_S = 30.0
_TURN_TIMEOUT_S = _READY_TIMEOUT_S + _STOP_TIMEOUT_S
"""Longer than any other process may take to start or stop the server."""


class Membership:
    """A place among the users of a server: a shared lock, which the kernel takes back if the user is killed."""

    def __init__(self, home: Home) -> None:
        self._lock: FileLock | None = FileLock(home.users_lock)
        self._process = os.getpid()
        if not self._lock.try_shared():
            raise AssertionError("the users' lock is exclusive only while the start lock is held")

    @property
    def is_ours(self) -> bool:
        """False after leaving, and in a forked child, which shares its parent's place and must not give it up."""
        return self._lock is not None and self._process == os.getpid()

    def leave(self) -> bool:
        """Gives the place up; whether it was the last one. Call it with the start lock only."""
        if self._lock is None:
            return False
        last = self._lock.try_exclusive()
        self._lock.release()
        self._lock = None
        return last


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server that we use. It runs on until its last user has left."""

    url: str = field(repr=False)
    """Database `cad_bridge` for SQLAlchemy with psycopg, sync or async; holds the password."""
    home: Home
    socket_directory: Path
    account: Account
    membership: Membership = field(repr=False, compare=False)

    def stop(self) -> bool:
        """Leaves; whether that stopped the server, because nobody else used it. Calling it again does nothing.

        Raises EmbeddedDatabaseError if the server does not end in time; it is then left as it is.
        """
        if not self.membership.is_ours:
            return False
        with _turn(self.home):
            return _leave(self.home, self.membership)

    def ensure_running(self) -> None:
        """Starts the server again if it was killed.

        Raises EmbeddedDatabaseError if it cannot be had at the same address, or if we have left it.
        """
        if not self.membership.is_ours:
            raise EmbeddedDatabaseError("This process has stopped using the server; start it again.")
        with _turn(self.home):
            if _bring_up(self.home, self.account) != self.socket_directory:
                raise EmbeddedDatabaseError("The server came back at another address. Start the service again.")


@contextmanager
def running(data_dir: Path, *, account: str = "nobody") -> Iterator[EmbeddedServer]:
    """`start` and `stop` round a block."""
    server = start(data_dir, account=account)
    try:
        yield server
    finally:
        server.stop()


def start(data_dir: Path, *, account: str = "nobody") -> EmbeddedServer:
    """Starts the server of this data directory, or joins the one that runs, and returns when it can be used.

    `account` is whom it runs as if we are root. Raises EmbeddedDatabaseError if it cannot be had.
    """
    if not Path("/proc/self/cwd").exists():
        raise EmbeddedDatabaseError("The embedded database needs Linux with /proc. Set CAD_BRIDGE_DATABASE_URL.")
    server_runs_as = server_account(account)
    try:
        home = open_home(data_dir, server_runs_as)
    except OSError as error:
        raise EmbeddedDatabaseError(f"The data directory {data_dir} cannot be used: {error}") from error
    with _turn(home):
        return _join(home, server_runs_as)


@contextmanager
def _turn(home: Home) -> Iterator[None]:
    """Nobody else starts or stops this server during the block."""
    try:
        with exclusively(home.start_lock, timeout_s=_TURN_TIMEOUT_S):
            yield
    except OSError as error:
        raise EmbeddedDatabaseError(f"The embedded database in {home.path} cannot be used: {error}") from error


def _join(home: Home, account: Account) -> EmbeddedServer:
    membership = Membership(home)
    try:
        address = _bring_up(home, account)
        url = databases.url(home, address, database=databases.APPLICATION)
    except RecoveryUnfinishedError:
        membership.leave()
        raise
    except BaseException:
        _leave(home, membership)
        raise
    return EmbeddedServer(url=url, home=home, socket_directory=address, account=account, membership=membership)


def _leave(home: Home, membership: Membership) -> bool:
    if not membership.leave():
        return False
    process.request_stop(home.cluster)
    if not wait_until(
        lambda: process.find(home.cluster) is None and not is_held(home.server_lock), timeout_s=_STOP_TIMEOUT_S
    ):
        raise EmbeddedDatabaseError(f"The server did not stop within {_STOP_TIMEOUT_S:.0f} seconds; see {home.log}.")
    _log.info("embedded database stopped: %s", home.path)
    return True


def _bring_up(home: Home, account: Account) -> Path:
    """The socket directory of the server, which is started unless it runs. Call it with the start lock only."""
    address = _address(home)
    if address is not None:
        _log.info("embedded database joined: %s", home.path)
        return address
    logged = _launch(home, account)
    address = _address(home)
    if address is None:
        raise EmbeddedDatabaseError(_failure(home, since=logged))
    _log.info("embedded database started: %s", home.path)
    return address


def _address(home: Home) -> Path | None:
    """The socket directory where the server answers, or None if none runs.

    Raises UnreachableError if one runs but stays silent; one that has just been killed looks alive for a moment.
    """
    deadline = time.monotonic() + _ANSWER_TIMEOUT_S
    while _wait_while_unready(home):
        server = process.find(home.cluster)
        if server is None:
            break
        try:
            databases.ensure_application(home, server.socket_directory)
        except UnreachableError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_S)
        else:
            return server.socket_directory
    return None


def _wait_while_unready(home: Home) -> bool:
    """Waits while a server starts, recovers or stops; whether one is ready then."""
    if not wait_until(lambda: _status(home) in {"ready", None}, timeout_s=_READY_TIMEOUT_S):
        raise RecoveryUnfinishedError(
            f"The server is not ready after {_READY_TIMEOUT_S:.0f} seconds and goes on with its work; see {home.log}. "
            "Start the service again later."
        )
    return _status(home) == "ready"


def _status(home: Home) -> str | None:
    server = process.find(home.cluster)
    return server.status if server else None


def _launch(home: Home, account: Account) -> int:
    """Starts a server and waits until it has said who it is, or is gone. Returns where in the log its lines begin."""
    lock = FileLock(home.server_lock)
    try:
        if not wait_until(lock.try_exclusive, timeout_s=_LEFT_OVER_TIMEOUT_S):
            raise EmbeddedDatabaseError(
                "Processes of an earlier server of this data directory are still ending, or run in another container. "
                "Wait until they are gone, then start again."
            )
        binaries = executable_by(account, home=home.path)
        ensure_cluster(home, account, binaries=binaries, lock=lock)
        sockets = socket_directory(home, account)
        logged = process.launch(home, account, binaries=binaries, sockets=sockets, lock=lock)
    finally:
        lock.hand_over()
    # Until it has written its pid down, only the lock tells whether it lives.
    wait_until(lambda: _status(home) is not None or not is_held(home.server_lock), timeout_s=_READY_TIMEOUT_S)
    return logged


def _failure(home: Home, *, since: int) -> str:
    with home.log.open("rb") as log:
        log.seek(since)
        last_lines = log.read().decode(errors="replace").strip().splitlines()[-5:]
    return "\n".join(["The server did not start:", *last_lines])
