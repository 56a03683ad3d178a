"""Settings: environment `CAD_BRIDGE_*` and one TOML file. Every one is described in docs/configuration.md.

Unknown keys are refused, because a misspelt safety setting that is silently ignored is worse than no start.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cad_bridge import __version__
from cad_bridge.protocol.services import LocalService, RemoteService, Role, Site, Software, canonical
from cad_bridge.workflow.policy import Policy
from cad_bridge.workflow.vocabulary import UseCase

ClientRole = Literal["cad", "clinician", "dispatcher", "admin", "auditor"]
ServiceId = Annotated[str, Field(pattern=r"^[^|\s]+\|[^|\s]+$")]
OdsCode = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}$")]
Minutes = Annotated[float, Field(gt=0, le=24 * 60)]


class ConfigurationError(Exception):
    """The configuration cannot be used; the message says which setting and why, and holds no secret."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PolicySection(_Section):
    """Times that the standard leaves to the site, see `workflow.policy`."""

    delivery_unknown_seconds: float = Field(default=60, gt=0, le=600)
    acknowledge_seconds: float = Field(default=60, gt=0, le=3600)
    dispatch_minutes: dict[str, Minutes] = {}
    intake_minutes: dict[str, Minutes] = {}
    breach_minutes: dict[str, Minutes] = {}
    validated: list[str] = []
    review_seconds: float = Field(default=300, gt=0, le=3600)
    answer_minutes: dict[str, Minutes] = {}
    status_minutes: dict[str, Minutes] = {}
    allocated_status_minutes: Minutes = 240

    @field_validator(
        "dispatch_minutes", "intake_minutes", "breach_minutes", "answer_minutes", "status_minutes", "validated"
    )
    @classmethod
    def _known_priorities(cls, value: dict[str, float] | list[str]) -> dict[str, float] | list[str]:
        unknown = set(value) - {"C1", "C2", "C3", "C4", "C4T", "C5"}
        if unknown:
            raise ValueError(f"unknown priority {sorted(unknown)}; use C1, C2, C3, C4, C4T, C5")
        return value

    def policy(self) -> Policy:
        """The policy with the defaults of `workflow.policy` where nothing is set."""
        default = Policy()
        return Policy(
            delivery_unknown_after=timedelta(seconds=self.delivery_unknown_seconds),
            acknowledge_within=timedelta(seconds=self.acknowledge_seconds),
            dispatch_within=dict(default.dispatch_within) | _minutes(self.dispatch_minutes),
            review_within=timedelta(seconds=self.review_seconds),
            breach_within=_minutes(self.breach_minutes),
            validated=frozenset(self.validated),
            intake_within=dict(default.intake_within) | _minutes(self.intake_minutes),
            answer_within=dict(default.answer_within) | _minutes(self.answer_minutes),
            status_within=dict(default.status_within) | _minutes(self.status_minutes),
            allocated_status_within=timedelta(minutes=self.allocated_status_minutes),
        )


def _minutes(values: Mapping[str, float]) -> dict[str, timedelta]:
    return {code: timedelta(minutes=value) for code, value in values.items()}


class ServiceSection(_Section):
    """``[[service]]``: a service that this installation answers for."""

    id: ServiceId
    ods_code: str = Field(min_length=1)
    name: str = Field(min_length=1)
    use_cases: list[UseCase] = Field(min_length=1)
    role: Role
    strict: bool = False
    cancel_on_breach: bool = False
    policy: PolicySection = PolicySection()

    def service(self) -> LocalService:
        """The service as the rest of the program knows it."""
        return LocalService(
            id=canonical(self.id),
            ods_code=self.ods_code,
            name=self.name,
            role=self.role,
            use_cases=frozenset(self.use_cases),
            strict=self.strict,
            cancel_on_breach=self.cancel_on_breach,
            policy=self.policy.policy(),
        )


class RemoteSection(_Section):
    """``[[remote]]``: a remote service that we know by name."""

    id: ServiceId
    ods_code: str | None = None
    name: str = Field(min_length=1)
    approved_triage: bool = True
    use_cases: list[UseCase] = []
    """What it takes as receiver, where the endpoint catalogue does not know it."""

    def remote(self) -> RemoteService:
        """The service as the rest of the program knows it."""
        return RemoteService(
            id=canonical(self.id), ods_code=self.ods_code, name=self.name, approved_triage=self.approved_triage
        )


class InboundSection(_Section):
    """``[bars.inbound]``: who may call the BaRS side from outside this machine."""

    proxy_address: str
    """Address of the reverse proxy that ends mutual TLS and forwards the client certificate."""
    certificate_header: str = "X-SSL-Client-Verify"
    certificate_value: str = "SUCCESS"
    subject_header: str = "X-SSL-Client-S-DN"
    subjects: list[str] = Field(min_length=1)
    allowed_organisations: list[OdsCode] = []
    """End user organisations that may call; empty: all."""
    denied_organisations: list[OdsCode] = []


class BarsSection(_Section):
    """``[bars]``: where requests to remote services go, and how we prove who we are."""

    base_url: str = Field(default="http://127.0.0.1:9400/FHIR/R4", pattern=r"^https?://")
    token_url: str | None = Field(default=None, pattern=r"^https?://")
    client_id: str = "cad-bridge"
    private_key_file: Path | None = None
    key_id: str = "cad-bridge-1"
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    negotiation: Literal["strict", "lenient", "off"] = "lenient"
    direct: bool = False
    """Whether an address in the endpoint catalogue is used in place of the proxy (against CORE-WF-10)."""
    known_services_only: bool = False
    """Whether a service that neither the endpoint catalogue nor this file knows is not sent to."""
    maintenance: bool = False
    """Whether calls of other systems are answered 503; sending, the failsafe and the local API go on."""
    inbound: InboundSection | None = None


class ClientSection(_Section):
    """``[[client]]``: a local system allowed to call the local API."""

    name: str = Field(min_length=1)
    key_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    services: list[ServiceId] = Field(min_length=1)
    roles: list[ClientRole] = Field(min_length=1)

    @field_validator("services")
    @classmethod
    def _canonical(cls, value: list[str]) -> list[str]:
        return [canonical(service) for service in value]


class UserSection(_Section):
    """``[[user]]``: a person who signs in on the board; the hash comes from `cad-bridge hash-password`."""

    username: str = Field(min_length=1)
    name: str = Field(min_length=1)
    password_hash: str = Field(pattern=r"^\$argon2id\$")
    services: list[ServiceId] = Field(min_length=1)
    roles: list[ClientRole] = Field(min_length=1)

    @field_validator("services")
    @classmethod
    def _canonical(cls, value: list[str]) -> list[str]:
        return [canonical(service) for service in value]


class BoardSection(_Section):
    """``[board]``: the pages for people."""

    session_hours: float = Field(default=12, gt=0, le=24)
    secure_cookie: bool = False
    """Set where the board is served over HTTPS, so that browsers send the cookie over nothing else."""


class DiscoverySection(_Section):
    """``[discovery]``: what helps to find the place that a question means."""

    uprn_table: Path | None = None
    """A table that `cad-bridge uprns import` made; without one a UPRN is carried, not looked up."""
    what3words_resolver: str | None = Field(default=None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """``package.module:Class`` of the site's own `What3WordsSource`; without one the words are carried."""


class SoftwareSection(_Section):
    """``[software]``: this instance, as other systems see it."""

    instance: str = "cad-bridge"


class ConfigFile(_Section):
    """The TOML file."""

    service: list[ServiceSection] = []
    remote: list[RemoteSection] = []
    bars: BarsSection = BarsSection()
    client: list[ClientSection] = []
    user: list[UserSection] = []
    board: BoardSection = BoardSection()
    discovery: DiscoverySection = DiscoverySection()
    software: SoftwareSection = SoftwareSection()

    @model_validator(mode="after")
    def _consistent(self) -> ConfigFile:
        ids = [canonical(section.id) for section in self.service]
        for what, values in (
            ("[[service]] sections have the same id", ids),
            ("[[remote]] sections have the same id", [canonical(section.id) for section in self.remote]),
            ("[[client]] sections have the same key_sha256", [section.key_sha256 for section in self.client]),
            ("[[client]] sections have the same name", [section.name for section in self.client]),
            ("[[user]] sections have the same username", [section.username for section in self.user]),
        ):
            if len(set(values)) != len(values):
                raise ValueError(f"two {what}")
        for granted in [*(c.services for c in self.client), *(u.services for u in self.user)]:
            strangers = set(granted) - set(ids)
            if strangers:
                raise ValueError(f"a client or user names a service that is not configured: {sorted(strangers)}")
        return self

    def site(self) -> Site:
        """The part of the configuration that messages and workflows need."""
        services = [section.service() for section in self.service]
        remotes = [section.remote() for section in self.remote]
        return Site(
            services={service.id: service for service in services},
            remotes={remote.id: remote for remote in remotes},
            software=Software(name="cad_bridge", version=__version__, instance=self.software.instance),
        )


class Settings(BaseSettings):
    """The environment: where the database, the data directory and the TOML file are."""

    model_config = SettingsConfigDict(env_prefix="CAD_BRIDGE_", frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: str | None = None
    data_dir: Path = Path(".cad-bridge")
    config: Path | None = None
    embedded_with_inbound: bool = False
    """Allow the embedded database on a site that takes messages from outside; by name, never by accident."""


_KNOWN_VARIABLES = frozenset(f"CAD_BRIDGE_{name.upper()}" for name in Settings.model_fields)


def load_settings() -> Settings:
    """Read the environment. Raises ConfigurationError, also for a CAD_BRIDGE_ variable that nobody knows."""
    unknown = {name for name in os.environ if name.startswith("CAD_BRIDGE_")} - _KNOWN_VARIABLES
    if unknown:
        raise ConfigurationError(f"unknown settings in the environment: {', '.join(sorted(unknown))}")
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigurationError(_in_words(error)) from None


def load_config(path: Path | None) -> ConfigFile:
    """Read the TOML file; without one, an installation without services. Raises ConfigurationError."""
    if path is None:
        return ConfigFile()
    try:
        return ConfigFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_in_words(error)}") from None


def _in_words(error: ValidationError) -> str:
    found: list[dict[str, Any]] = [dict(item) for item in error.errors(include_input=False, include_url=False)]
    return "; ".join(f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}" for item in found)


def key_digest(key: str) -> str:
    """What `key_sha256` holds for an API key."""
    return sha256(key.encode()).hexdigest()
