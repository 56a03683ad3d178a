"""Real connections on loopback, and how to break them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_EXTENSION = "cad_bridge.sandbox.transport"
_LINGER_ZERO = struct.pack("ii", 1, 0)


class BreakableProtocol(HttpToolsProtocol):
    """Hands the transport to the application, so that it can break its own connection, and writes no access log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = False

    def on_message_begin(self) -> None:
        """Adds the transport to the scope of the request that begins."""
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"transport": self.transport}}


class BrokenConnection(Response):
    """Instead of an answer the connection ends: closed in good order, or reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__(status_code=500)
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Ends the connection. Raises RuntimeError where there is no real one."""
        extension = scope.get("extensions", {}).get(_EXTENSION)
        if extension is None:
            raise RuntimeError("a connection can be broken only on a real server")
        transport: asyncio.Transport = extension["transport"]
        if self._reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
        while (await receive())["type"] != "http.disconnect":
            continue


class LoopbackServer:
    """One ASGI application behind one listening socket, served in a task of the running loop."""

    def __init__(self, *, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self._server: _QuietServer | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """`http://host:port`, known before anything is served."""
        return f"http://{self.host}:{self.port}"

    def start(self, app: ASGIApp) -> None:
        """Begins to serve; connections made from now on wait until the loop gets to them."""
        self._socket.listen(128)
        config = Config(
            app,
            http=BreakableProtocol,
            lifespan="off",
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _QuietServer(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name=f"sandbox:{self.port}")

    async def stop(self) -> None:
        """Stops serving; requests under way get two seconds."""
        if self._server is None or self._task is None:
            self._socket.close()
            return
        self._server.leave()
        await self._task


class _QuietServer(Server):
    """Leaves the signals of the process alone, where the sandbox is a guest, and stops without a tick's delay."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._leaving = asyncio.Event()

    def leave(self) -> None:
        """Asks the server to stop."""
        self.should_exit = True
        self._leaving.set()

    async def main_loop(self) -> None:
        """Serves until asked to stop."""
        await self._leaving.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
