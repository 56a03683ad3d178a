"""A node in a process of its own that is killed at one exact place, by SIGKILL, and never gets to clean up."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any

import uvicorn
from sqlalchemy.ext.asyncio import AsyncConnection

from cad_bridge import app
from cad_bridge.cli.serving import server_config
from cad_bridge.clock import ManualClock
from cad_bridge.delivery.calls import BarsCalls
from cad_bridge.delivery.outbox import Outbox
from cad_bridge.delivery.webhooks import Webhooks
from cad_bridge.settings import ConfigFile
from cad_bridge.store import claims
from cad_bridge.store.unit_of_work import UnitOfWork
from tests.service import until


class Seam(StrEnum):
    """Where the node dies."""

    BEFORE_COMMIT = "before-commit"
    """Everything is written, the commit is not sent."""
    AFTER_COMMIT = "after-commit"
    """Committed; nobody has been told."""
    BEFORE_SEND = "before-send"
    """A parcel is leased; nothing has left."""
    AFTER_SEND = "after-send"
    """The other side has answered; nothing of it is settled."""
    BEFORE_HOOK = "before-hook"
    """A webhook is leased; nothing has been posted."""
    AFTER_HOOK = "after-hook"
    """The subscriber has taken events; its cursor has not moved."""


@dataclass(frozen=True)
class Doom:
    """A seam, and which unit of work it is about: one that writes rows of this kind, or a new case."""

    seam: Seam
    writing: str = "new-case"

    def strikes(self, work: UnitOfWork) -> bool:
        """Whether this is the unit of work."""
        if self.writing == "new-case":
            return bool(work._new_cases)
        return bool(work._writes.get(self.writing))


@dataclass
class DoomedNode:
    """The running node."""

    url: str
    process: Any

    async def died(self) -> None:
        """Return as soon as it has been killed."""

        async def look() -> bool:
            return not self.process.is_alive()

        await until(look, "the death of the node")
        assert self.process.exitcode == -signal.SIGKILL


@asynccontextmanager
async def doomed(config: ConfigFile, database_url: str, doom: Doom, *, now: datetime) -> AsyncIterator[DoomedNode]:
    """Run a node with its loops until it meets its seam; its clock stands at `now`."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.seams"])
    ours, theirs = processes.Pipe()
    process = processes.Process(
        target=_run, args=(config.model_dump_json(), database_url, doom, now.isoformat(), theirs), daemon=True
    )
    process.start()
    try:
        port = await asyncio.to_thread(_port, ours)
        yield DoomedNode(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.join()
        for end in (ours, theirs):
            end.close()
        process.close()


def _port(pipe: Connection) -> int:
    if not pipe.poll(60):
        raise AssertionError("the node did not start")
    port: int = pipe.recv()
    return port


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _run(config: str, database_url: str, doom: Doom, now: str, pipe: Connection) -> None:
    _arm(doom)
    clock = ManualClock(datetime.fromisoformat(now))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(ConfigFile.model_validate_json(config), database_url, clock, pipe))


async def _serve(config: ConfigFile, database_url: str, clock: ManualClock, pipe: Connection) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    pipe.send(listening.getsockname()[1])
    async with app.running(config, database_url, now=clock) as service:
        await uvicorn.Server(server_config(service, host="127.0.0.1", port=0)).serve(sockets=[listening])


def _arm(doom: Doom) -> None:
    """Put the seam into this process: here and nowhere else a private part is replaced."""
    places: dict[Seam, tuple[object, str]] = {
        Seam.BEFORE_SEND: (BarsCalls, "post_message"),
        Seam.AFTER_SEND: (Outbox, "_settle"),
        Seam.BEFORE_HOOK: (Webhooks, "_post"),
        Seam.AFTER_HOOK: (claims, "settle_subscription"),
    }
    if doom.seam in places:
        setattr(*places[doom.seam], _dying)
    else:
        _arm_commit(doom)


async def _dying(*_: Any, **__: Any) -> Any:
    _die()


def _arm_commit(doom: Doom) -> None:
    flush, commit = UnitOfWork._commit, AsyncConnection.commit
    struck: list[AsyncConnection] = []

    async def watched(work: UnitOfWork) -> None:
        if doom.strikes(work):
            struck.append(work.connection)
        await flush(work)

    async def dying(connection: AsyncConnection) -> None:
        if connection in struck and doom.seam is Seam.BEFORE_COMMIT:
            _die()
        await commit(connection)
        if connection in struck:
            _die()

    UnitOfWork._commit = watched  # type: ignore[method-assign]
    AsyncConnection.commit = dying  # type: ignore[method-assign]
