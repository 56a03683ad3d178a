"""`python -m cad_bridge.sandbox`: runs the sandbox and prints where it is."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from .clock import ScaledClock
from .credentials import ClientRegistration
from .identity import split_service_id
from .proxy import ProxySettings
from .server import SandboxConfig, start_sandbox

DEFAULT_PORT = 9400


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs until interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(config_from(arguments), Console()))


async def run(config: SandboxConfig, console: Console) -> None:
    """Starts a sandbox, prints its addresses, and stays until cancelled."""
    async with start_sandbox(config) as sandbox:
        for name, url in sandbox.addresses().items():
            console.print(f"{name}: [bold]{url}[/bold]", soft_wrap=True, highlight=False)
        await asyncio.Event().wait()


def config_from(arguments: Sequence[str] | None) -> SandboxConfig:
    """Reads the command line of docs/sandbox.md. Exits with a usage message for what it does not understand."""
    parser = argparse.ArgumentParser(prog="python -m cad_bridge.sandbox", description="A small BaRS world on loopback.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the proxy; 0 takes a free one")
    parser.add_argument("--lenient", action="store_true", help="any registered client id gets a token")
    parser.add_argument("--open", action="store_true", help="no bearer token is needed")
    parser.add_argument("--client", type=_client, action="append", default=[], metavar="ID[:KID=FILE]")
    parser.add_argument("--route", type=_route, action="append", default=[], metavar="SERVICE=URL")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on scripted waiting times")
    chosen = parser.parse_args(arguments)
    settings = ProxySettings(
        clients=tuple(chosen.client),
        routes=dict(chosen.route),
        lenient=chosen.lenient,
        require_token=not chosen.open,
    )
    return SandboxConfig(proxy=settings, host=chosen.host, proxy_port=chosen.port, clock=ScaledClock(chosen.scale))


def _client(text: str) -> ClientRegistration:
    client_id, _, key = text.partition(":")
    if not key:
        return ClientRegistration(client_id)
    kid, _, path = key.partition("=")
    return ClientRegistration(client_id, {kid: Path(path).read_text(encoding="ascii")})


def _route(text: str) -> tuple[str, str]:
    service, _, url = text.partition("=")
    split_service_id(service)
    return service, url


if __name__ == "__main__":
    main()
