"""File locks of the kernel (flock): they end with the processes that hold them, so none is ever stale."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cad_bridge.store.embedded.errors import EmbeddedDatabaseError
from cad_bridge.store.embedded.waiting import wait_until


class FileLock:
    """A lock on a file, made if it is missing. A child process that inherits the descriptor holds the lock as well."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def fileno(self) -> int:
        return self._descriptor

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        """Also turns our own shared lock into an exclusive one; the shared one may be lost if that fails."""
        return self._try(fcntl.LOCK_EX)

    def _try(self, kind: int) -> bool:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Unlocks, for every process that shares the descriptor, and closes."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)

    def hand_over(self) -> None:
        """Closes without unlocking: the lock lives as long as the processes that inherited it."""
        os.close(self._descriptor)


def is_held(path: Path) -> bool:
    """Whether any process holds this lock."""
    lock = FileLock(path)
    try:
        return not lock.try_exclusive()
    finally:
        lock.release()


@contextmanager
def exclusively(path: Path, *, timeout_s: float) -> Iterator[None]:
    """Holds the lock for the block. Raises EmbeddedDatabaseError if it is not free within so many seconds."""
    lock = FileLock(path)
    try:
        if not wait_until(lock.try_exclusive, timeout_s=timeout_s):
            raise EmbeddedDatabaseError(
                f"Another process has been starting or stopping this database for {timeout_s:.0f} seconds ({path}). "
                "Wait until it is done, or end it, then start again."
            )
        yield
    finally:
        lock.release()
