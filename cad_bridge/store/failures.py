"""What counts as the database failing us, as against a fault of our own."""

from __future__ import annotations

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

StorageError = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
"""The server is gone, has no room, ended the statement or lets nobody in: nothing was kept (CORE-ERR-RT-25)."""
