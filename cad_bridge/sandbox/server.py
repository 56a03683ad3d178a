"""The whole sandbox on loopback ports: proxy, responders and requesters, in the running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from .ast import SimulatedAst
from .cas import VALIDATION_USE_CASES, SimulatedCas
from .clock import Clock, ScaledClock
from .connections import LoopbackServer
from .credentials import sandbox_credentials
from .faults import FaultScript
from .identity import DOS_SERVICE_ID, ServiceIdentity
from .journal import Journal
from .plans import Script
from .proxy import FHIR_ROOT, TOKEN_PATH, Proxy, ProxySettings, create_proxy
from .receiver import create_receiver
from .requester import SimulatedRequester
from .scenarios import demo_ast_script, demo_cas_script
from .sender import ProxyAddress, ProxySender

DEMO_CAS = ServiceIdentity(f"{DOS_SERVICE_ID}|2000000021", "SBCAS", "Sandbox Clinical Assessment Service")
DEMO_AST = ServiceIdentity(f"{DOS_SERVICE_ID}|2000000012", "RX6", "North East Ambulance Service EOC (simulated)")
DEMO_REQUESTER = ServiceIdentity(
    f"{DOS_SERVICE_ID}|2000000019", "RX9", "East Midlands Ambulance Service EOC (simulated)"
)


SimulatedSystem = SimulatedCas | SimulatedAst | SimulatedRequester


@dataclass(frozen=True)
class CasConfig:
    """One simulated CAS, falls or community service."""

    identity: ServiceIdentity = DEMO_CAS
    script: Script = field(default_factory=demo_cas_script)
    use_cases: tuple[str, ...] = VALIDATION_USE_CASES
    port: int = 0


@dataclass(frozen=True)
class AstConfig:
    """One simulated remote ambulance service."""

    identity: ServiceIdentity = DEMO_AST
    script: Script = field(default_factory=demo_ast_script)
    port: int = 0


@dataclass(frozen=True)
class RequesterConfig:
    """One simulated requester."""

    identity: ServiceIdentity = DEMO_REQUESTER
    port: int = 0


@dataclass(frozen=True)
class SandboxConfig:
    """What runs, and where. Port 0 takes a free one."""

    proxy: ProxySettings = field(default_factory=ProxySettings)
    """Registrations and routes of the systems under test; those of the simulated systems are added."""
    cas: tuple[CasConfig, ...] = field(default_factory=lambda: (CasConfig(),))
    asts: tuple[AstConfig, ...] = field(default_factory=lambda: (AstConfig(),))
    requesters: tuple[RequesterConfig, ...] = field(default_factory=lambda: (RequesterConfig(),))
    host: str = "127.0.0.1"
    proxy_port: int = 0
    clock: Clock = field(default_factory=ScaledClock)


@dataclass(frozen=True)
class SandboxHandle:
    """A running sandbox."""

    proxy: Proxy
    proxy_url: str
    """FHIR base URL of the proxy."""
    token_url: str
    control_url: str
    """Root of `/sandbox/...`."""
    all_cas: Mapping[str, SimulatedCas]
    """By service id."""
    all_asts: Mapping[str, SimulatedAst]
    all_requesters: Mapping[str, SimulatedRequester]

    @property
    def cas(self) -> SimulatedCas:
        """The first CAS."""
        return next(iter(self.all_cas.values()))

    @property
    def ast(self) -> SimulatedAst:
        """The first AST."""
        return next(iter(self.all_asts.values()))

    @property
    def requester(self) -> SimulatedRequester:
        """The first requester."""
        return next(iter(self.all_requesters.values()))

    @property
    def journal(self) -> Journal:
        """Everything that passed the proxy."""
        return self.proxy.journal

    @property
    def faults(self) -> FaultScript:
        """The faults to come."""
        return self.proxy.faults

    def route(self, service_id: str, base_url: str) -> None:
        """Sends messages for a service to a FHIR base URL from now on."""
        self.proxy.routes[service_id] = base_url

    def addresses(self) -> dict[str, str]:
        """What to tell a person: name and URL."""
        systems = _all_systems(self).values()
        return {
            "BaRS proxy": self.proxy_url,
            "token endpoint": self.token_url,
            "journal": f"{self.control_url}/journal",
            **{
                f"{system.identity.name} ({system.identity.service_id})": self.proxy.routes[system.identity.service_id]
                for system in systems
            },
        }


@asynccontextmanager
async def start_sandbox(config: SandboxConfig | None = None) -> AsyncIterator[SandboxHandle]:
    """Runs a sandbox for as long as the context lasts. Raises OSError where a port is taken."""
    chosen = config or SandboxConfig()
    async with AsyncExitStack() as stack:
        front = LoopbackServer(host=chosen.host, port=chosen.proxy_port)
        servers = {item: LoopbackServer(host=chosen.host, port=item.port) for item in _systems(chosen)}
        stack.push_async_callback(_stop, [front, *servers.values()])
        routes = {item.identity.service_id: server.url + FHIR_ROOT for item, server in servers.items()}
        app = create_proxy(_with_systems(chosen.proxy, routes), clock=chosen.clock)
        proxy: Proxy = app.state.proxy
        stack.push_async_callback(proxy.aclose)
        address = ProxyAddress(front.url + FHIR_ROOT, front.url + TOKEN_PATH)
        handle = _handle(chosen, proxy, address, control_url=front.url + "/sandbox")
        for item, server in servers.items():
            system = _all_systems(handle)[item.identity.service_id]
            stack.push_async_callback(system.aclose)
            server.start(create_receiver(system))
        front.start(app)
        yield handle


def _systems(config: SandboxConfig) -> list[CasConfig | AstConfig | RequesterConfig]:
    systems: list[CasConfig | AstConfig | RequesterConfig] = [*config.cas, *config.asts, *config.requesters]
    if len({item.identity.service_id for item in systems}) != len(systems):
        raise ValueError("every simulated system needs a service id of its own")
    return systems


def _with_systems(settings: ProxySettings, routes: Mapping[str, str]) -> ProxySettings:
    registrations = tuple(sandbox_credentials(service_id).registration for service_id in routes)
    return replace(settings, clients=(*settings.clients, *registrations), routes={**settings.routes, **routes})


def _handle(config: SandboxConfig, proxy: Proxy, address: ProxyAddress, *, control_url: str) -> SandboxHandle:
    clock = config.clock

    def sender(identity: ServiceIdentity) -> ProxySender:
        return ProxySender(identity, proxy=address, credentials=sandbox_credentials(identity.service_id), clock=clock)

    return SandboxHandle(
        proxy=proxy,
        proxy_url=address.base_url,
        token_url=address.token_url,
        control_url=control_url,
        all_cas={
            item.identity.service_id: SimulatedCas(
                item.identity,
                script=item.script,
                sender=sender(item.identity),
                clock=clock,
                use_cases=item.use_cases,
            )
            for item in config.cas
        },
        all_asts={
            item.identity.service_id: SimulatedAst(
                item.identity, script=item.script, sender=sender(item.identity), clock=clock
            )
            for item in config.asts
        },
        all_requesters={
            item.identity.service_id: SimulatedRequester(item.identity, sender=sender(item.identity), clock=clock)
            for item in config.requesters
        },
    )


def _all_systems(handle: SandboxHandle) -> dict[str, SimulatedSystem]:
    """By service id."""
    return {**handle.all_cas, **handle.all_asts, **handle.all_requesters}


async def _stop(servers: list[LoopbackServer]) -> None:
    await asyncio.gather(*(server.stop() for server in servers))
