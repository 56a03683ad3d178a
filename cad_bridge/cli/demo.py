"""`demo`: the whole service on loopback with a scripted shift; `sandbox`: the simulated other side alone."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from argon2 import PasswordHasher
from rich.console import Console

from cad_bridge import app
from cad_bridge.cli.serving import log_to_stderr, server_config
from cad_bridge.sandbox.__main__ import DEFAULT_PORT, config_from
from cad_bridge.sandbox.__main__ import run as run_sandbox
from cad_bridge.sandbox.credentials import ClientCredentials, ClientRegistration, new_credentials
from cad_bridge.sandbox.proxy import ProxySettings
from cad_bridge.sandbox.server import SandboxConfig, SandboxHandle, start_sandbox
from cad_bridge.sandbox.shift import ShiftConfig, ShiftSummary, play_shift
from cad_bridge.settings import ConfigFile, key_digest, load_settings
from cad_bridge.store import embedded, migrate

_DOS = "https://fhir.nhs.uk/Id/dos-service-id"
EOC = f"{_DOS}|2000000011"
USER, PASSWORD = "dispatcher", "demo"
_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    cad: str
    dispatcher: str


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the proxy; 0 takes a free one.")] = DEFAULT_PORT,
    lenient: Annotated[bool, typer.Option(help="Any registered client gets a token.")] = True,
    route: Annotated[list[str] | None, typer.Option(help="SERVICE=URL of a system under test.")] = None,
) -> None:
    """Run the simulated BaRS proxy, CAS and AST on loopback until interrupted."""
    arguments = ["--port", str(port), *(["--lenient", "--client", "cad-bridge"] if lenient else [])]
    for item in route or []:
        if "=" not in item:
            raise typer.BadParameter("a route is SERVICE=URL", param_hint="--route")
        arguments += ["--route", item]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_sandbox(config_from(arguments), Console()))


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit with a summary after the shift.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the board; a free one if it is taken.")] = _PORT,
) -> None:
    """Play a scripted shift against a real service with an embedded database, and stay up for a look."""
    log_to_stderr(quiet=True)
    data_dir = load_settings().data_dir / "demo"
    console = Console(highlight=False, soft_wrap=True)
    console.print("[bold]cad_bridge demo[/]: starting the embedded database ...")
    with embedded.running(data_dir) as server, contextlib.suppress(KeyboardInterrupt):
        migrate.upgrade(server.url)
        passed = asyncio.run(_play(console, server, data_dir, once=once, port=port))
        if not passed:
            raise typer.Exit(1)


async def _play(console: Console, server: embedded.EmbeddedServer, data_dir: Path, *, once: bool, port: int) -> bool:
    keys = _Keys(cad=secrets.token_urlsafe(16), dispatcher=secrets.token_urlsafe(16))
    credentials = new_credentials("cad-bridge-demo")
    async with start_sandbox(_sandbox_config(credentials)) as other_side:
        config = _configuration(other_side, keys, credentials, data_dir)
        async with _served(config, server, port=port) as address:
            other_side.route(EOC, f"{address}/FHIR/R4")
            console.print(f"board: [bold]{address}/board[/]  (user {USER}, password {PASSWORD})")
            for name, where in other_side.addresses().items():
                console.print(f"[dim]{name}: {where}[/]")
            summary = await _shift(console, address, keys)
            if once:
                return summary.passed
            console.print(f"The service stays up: [bold]{address}/board[/]. Ctrl+C ends it.")
            await asyncio.Event().wait()
            return summary.passed


def _sandbox_config(credentials: ClientCredentials) -> SandboxConfig:
    registration = ClientRegistration(credentials.client_id, {credentials.kid: credentials.public_key})
    return SandboxConfig(proxy=ProxySettings(clients=(registration,)))


def _configuration(
    other_side: SandboxHandle, keys: _Keys, credentials: ClientCredentials, data_dir: Path
) -> ConfigFile:
    key_file = data_dir / "demo-client.pem"
    key_file.touch(mode=0o600)
    key_file.write_text(credentials.private_key, encoding="ascii")
    remotes = [*other_side.all_cas.values(), *other_side.all_asts.values()]
    values: dict[str, Any] = {
        "service": [
            {
                "id": EOC,
                "ods_code": "RX8",
                "name": "Yorkshire Ambulance Service EOC (demo)",
                "role": "ast",
                "use_cases": ["a4t1", "a4t2", "a4t3", "a6t1", "a6t2", "a6t3"],
            }
        ],
        "remote": [
            {
                "id": system.identity.service_id,
                "ods_code": system.identity.ods_code,
                "name": system.identity.name,
                "use_cases": list(system.use_cases),
            }
            for system in remotes
        ],
        "bars": {
            "base_url": other_side.proxy_url,
            "token_url": other_side.token_url,
            "client_id": credentials.client_id,
            "key_id": credentials.kid,
            "private_key_file": str(key_file),
        },
        "client": [
            {"name": "demo-cad", "key_sha256": key_digest(keys.cad), "services": [EOC], "roles": ["cad"]},
            {
                "name": "demo-dispatch",
                "key_sha256": key_digest(keys.dispatcher),
                "services": [EOC],
                "roles": ["dispatcher"],
            },
        ],
        "user": [
            {
                "username": USER,
                "name": "Demo Dispatcher",
                "password_hash": PasswordHasher().hash(PASSWORD),
                "services": [EOC],
                "roles": ["dispatcher"],
            }
        ],
    }
    return ConfigFile.model_validate(values)


@asynccontextmanager
async def _served(config: ConfigFile, database: embedded.EmbeddedServer, *, port: int) -> AsyncIterator[str]:
    async with app.running(config, database.url, revive=database.ensure_running) as service:
        with _listening(port) as listening:
            server = uvicorn.Server(server_config(service, host="127.0.0.1", port=port))
            task = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                yield f"http://127.0.0.1:{listening.getsockname()[1]}"
            finally:
                server.should_exit = True
                await task


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


async def _shift(console: Console, address: str, keys: _Keys) -> ShiftSummary:
    console.print("\n[bold]The shift:[/] seven cases at once, each followed through the local API\n")

    def progress(story: str, step: str, detail: str) -> None:
        mark = {"passed": "[green]passed[/]", "failed": "[bold red]failed[/]"}.get(step, step)
        console.print(f"  [cyan]{story:<14}[/] {mark:<24} [dim]{detail}[/]")

    shift = ShiftConfig(base_url=address, cad_key=keys.cad, dispatcher_key=keys.dispatcher, include_cad_to_cad=True)
    summary = await play_shift(shift, progress)
    console.print()
    for result in summary.results:
        verdict = "[green]as scripted[/]" if result.passed else f"[bold red]{result.reason}[/]"
        console.print(f"  {result.title}: {verdict} ({result.seconds:.1f} s)")
    went = "[bold green]All went as scripted.[/]" if summary.passed else "[bold red]Not all went as scripted.[/]"
    console.print(f"\n{went}")
    return summary
